//! Cutting a byte stream into lines of bounded length.
//!
//! Where a stream is cut depends on its bytes alone, never on how they arrived: a reader of the
//! log sees the same entries whatever the scheduler did.

/// Longest content of one entry. Docker's and containerd's bound alike.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// When a line that is too long is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As soon as [`MAX_LINE`] bytes are there, as Docker does: a line of exactly that length
    /// becomes a partial entry and an empty last one.
    WhenFull,
    /// Only when a further byte shows that the line is longer, as containerd does.
    WhenExceeded,
}

/// How an entry's content ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a newline, which is not part of the content.
    Newline,
    /// By being cut, or by the end of the stream.
    Partial,
}

/// Holds the beginning of a line until its end arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Splitter {
    cut: Cut,
    carry: Vec<u8>,
}

impl Splitter {
    /// A splitter that already holds `carry`, at most [`MAX_LINE`] bytes without a newline.
    pub(crate) fn new(cut: Cut, carry: Vec<u8>) -> Self {
        Self { cut, carry }
    }

    /// What has arrived of an unfinished line.
    pub(crate) fn carry(&self) -> &[u8] {
        &self.carry
    }

    /// Takes the next bytes of the stream and emits each entry's content that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut emit: impl FnMut(&[u8], Ending)) {
        while !bytes.is_empty() {
            bytes = match self.next_cut(bytes) {
                Some((length, ending)) => {
                    self.emit(&bytes[..length], ending, &mut emit);
                    &bytes[length + usize::from(ending == Ending::Newline)..]
                }
                None => {
                    self.carry.extend_from_slice(bytes);
                    &[]
                }
            };
        }
    }

    /// Emits an unfinished line: nothing more is expected for now.
    pub(crate) fn finish(&mut self, mut emit: impl FnMut(&[u8], Ending)) {
        if !self.carry.is_empty() {
            self.emit(&[], Ending::Partial, &mut emit);
        }
    }

    /// How many of `bytes` belong to the current entry, and how it ends; `None` if it goes on.
    fn next_cut(&self, bytes: &[u8]) -> Option<(usize, Ending)> {
        let room = MAX_LINE - self.carry.len();
        let window = match self.cut {
            Cut::WhenFull => room,
            Cut::WhenExceeded => room + 1,
        };
        let visible = &bytes[..window.min(bytes.len())];
        match visible.iter().position(|byte| *byte == b'\n') {
            Some(at) => Some((at, Ending::Newline)),
            None if visible.len() == window => Some((room, Ending::Partial)),
            None => None,
        }
    }

    fn emit(&mut self, rest: &[u8], ending: Ending, emit: &mut impl FnMut(&[u8], Ending)) {
        if self.carry.is_empty() {
            return emit(rest, ending);
        }
        // Taken, not cleared: most streams are idle most of the time and should hold no memory.
        let mut line = std::mem::take(&mut self.carry);
        line.extend_from_slice(rest);
        emit(&line, ending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Lines = Vec<(Vec<u8>, Ending)>;

    fn split<'a>(cut: Cut, chunks: impl IntoIterator<Item = &'a [u8]>) -> Lines {
        let (mut splitter, mut lines) = (Splitter::new(cut, Vec::new()), Vec::new());
        for chunk in chunks {
            splitter.feed(chunk, |line, ending| lines.push((line.to_vec(), ending)));
            assert!(splitter.carry().len() <= MAX_LINE);
        }
        splitter.finish(|line, ending| lines.push((line.to_vec(), ending)));
        lines
    }

    fn lengths(cut: Cut, stream: &[u8]) -> Vec<(usize, Ending)> {
        split(cut, [stream])
            .into_iter()
            .map(|(line, ending)| (line.len(), ending))
            .collect()
    }

    #[test]
    fn the_two_rules_differ_at_exactly_the_bound() {
        use Ending::{Newline, Partial};
        let mut stream = vec![b'x'; MAX_LINE];
        assert_eq!(lengths(Cut::WhenExceeded, &stream), [(MAX_LINE, Partial)]);
        stream.push(b'\n');
        assert_eq!(
            lengths(Cut::WhenFull, &stream),
            [(MAX_LINE, Partial), (0, Newline)]
        );
        assert_eq!(lengths(Cut::WhenExceeded, &stream), [(MAX_LINE, Newline)]);
        stream.insert(0, b'y');
        assert_eq!(
            lengths(Cut::WhenFull, &stream),
            [(MAX_LINE, Partial), (1, Newline)]
        );
        assert_eq!(
            lengths(Cut::WhenExceeded, &stream),
            [(MAX_LINE, Partial), (1, Newline)]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn chunking_changes_nothing_and_no_byte_is_lost(
            runs in prop::collection::vec((prop_oneof![0_usize..40, 16_300_usize..16_500, 32_700_usize..32_800], any::<bool>()), 0..8),
            chunk in prop_oneof![1_usize..7, 1000_usize..70_000],
        ) {
            let mut stream = Vec::new();
            for (length, newline) in runs {
                stream.extend((0..length).map(|at| b'a' + u8::try_from(at % 26).unwrap()));
                stream.extend(newline.then_some(b'\n'));
            }
            for cut in [Cut::WhenFull, Cut::WhenExceeded] {
                let whole = split(cut, [stream.as_slice()]);
                prop_assert_eq!(&split(cut, stream.chunks(chunk)), &whole);
                let mut joined = Vec::new();
                for (line, ending) in whole {
                    joined.extend(line);
                    joined.extend((ending == Ending::Newline).then_some(b'\n'));
                }
                prop_assert_eq!(&joined, &stream);
            }
        }
    }
}
