//! The keys that end an attachment and leave the container alone: `ctrl-p,ctrl-q` unless the client
//! names others. They are looked for in a terminal's input only.

use crate::error::ApiError;

/// A sequence of keys, and how much of it has come.
#[derive(Clone, Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

/// What is left of input once the keys have been looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filtered {
    /// To be passed on; the beginning of the sequence is held back until it is clear what it is.
    Pass(Vec<u8>),
    /// What came before the sequence. Nothing follows.
    Detach(Vec<u8>),
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`, `ctrl-@`, `a,b`; empty means the default.
    ///
    /// # Errors
    /// 400 with upstream's sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.is_empty() {
            return Ok(Self {
                keys: vec![16, 17],
                matched: 0,
            });
        }
        let keys = text.split(',').map(key).collect::<Option<Vec<_>>>();
        let keys = keys.ok_or_else(|| ApiError::bad(format!("Invalid detach keys ({text}) provided")))?;
        Ok(Self { keys, matched: 0 })
    }

    /// Looks for the sequence in what follows.
    pub(crate) fn filter(&mut self, input: &[u8]) -> Filtered {
        let mut passed = Vec::with_capacity(input.len() + self.matched);
        for &byte in input {
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return Filtered::Detach(passed);
                }
                continue;
            }
            self.give_up(&mut passed, byte);
        }
        Filtered::Pass(passed)
    }

    /// What was held back was input after all; `byte` itself may begin the sequence anew.
    fn give_up(&mut self, passed: &mut Vec<u8>, byte: u8) {
        passed.extend_from_slice(&self.keys[..self.matched]);
        self.matched = usize::from(byte == self.keys[0]);
        if self.matched == 0 {
            passed.push(byte);
        }
    }

    /// What is held back when the input ends.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.keys[..self.matched]
    }
}

/// The keys that were asked for, as `inspect` of a further process shows them; none for the default.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.split(',').filter_map(key).collect()
}

/// One key: a character, or `ctrl-` and one.
fn key(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] => Some(*byte),
        _ => match text.strip_prefix("ctrl-")?.as_bytes() {
            [byte @ b'a'..=b'z'] => Some(byte - b'a' + 1),
            [b'@'] => Some(0),
            [byte @ b'['..=b'_'] => Some(byte - b'[' + 27),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read() {
        for (text, keys) in [
            ("", vec![16, 17]),
            ("ctrl-p,ctrl-q", vec![16, 17]),
            ("a", vec![97]),
            (
                "ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_",
                vec![0, 27, 28, 29, 30, 31],
            ),
        ] {
            assert_eq!(DetachKeys::parse(text).unwrap().keys, keys, "{text}");
        }
        for text in ["ctrl-", "ctrl-1", "abc", "a,,b", "ctrl-pq"] {
            let refusal = DetachKeys::parse(text).unwrap_err().message;
            assert_eq!(refusal, format!("Invalid detach keys ({text}) provided"));
        }
    }

    #[test]
    fn the_sequence_is_found_across_reads() {
        let mut keys = DetachKeys::parse("").unwrap();
        assert_eq!(keys.filter(b"ab\x10"), Filtered::Pass(b"ab".to_vec()));
        assert_eq!(keys.rest(), b"\x10");
        assert_eq!(keys.filter(b"c\x10"), Filtered::Pass(b"\x10c".to_vec()));
        assert_eq!(keys.filter(b"\x10\x11d"), Filtered::Detach(b"\x10".to_vec()));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(pieces in proptest::collection::vec(proptest::collection::vec(15u8..19, 0..6), 0..8)) {
            let mut keys = DetachKeys::parse("").unwrap();
            let all: Vec<u8> = pieces.concat();
            let expected = all.windows(2).position(|pair| pair == [16, 17]);
            let (mut passed, mut detached) = (Vec::new(), false);
            for piece in &pieces {
                match keys.filter(piece) {
                    Filtered::Pass(bytes) => passed.extend(bytes),
                    Filtered::Detach(bytes) => {
                        passed.extend(bytes);
                        detached = true;
                        break;
                    }
                }
            }
            prop_assert_eq!(detached, expected.is_some());
            if !detached {
                passed.extend(keys.rest());
            }
            prop_assert_eq!(&passed[..], &all[..expected.unwrap_or(all.len())]);
        }
    }
}
