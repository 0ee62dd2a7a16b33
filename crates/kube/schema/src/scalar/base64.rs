//! Standard base64 as Go decodes it: padded, line breaks ignored, stray bits after the data ignored.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..4 {
            let sextet = (bits >> (18 - 6 * position) & 63) as usize;
            out.push(if position > chunk.len() {
                b'='
            } else {
                ALPHABET[sextet]
            });
        }
    }
}

/// The bytes, or Go's error text.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut quantum = Quantum::default();
    for (at, byte) in text
        .bytes()
        .enumerate()
        .filter(|(_, b)| !matches!(b, b'\r' | b'\n'))
    {
        quantum.push(byte, &mut out).map_err(|()| illegal(at))?;
    }
    match quantum.len + quantum.padding {
        0 => Ok(out),
        read => Err(illegal(text.len().saturating_sub(read))),
    }
}

fn illegal(at: usize) -> String {
    format!("illegal base64 data at input byte {at}")
}

/// Up to four characters that make up to three bytes.
#[derive(Default)]
struct Quantum {
    bits: u32,
    len: usize,
    padding: usize,
    finished: bool,
}

impl Quantum {
    fn push(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), ()> {
        match byte {
            _ if self.finished => return Err(()),
            b'=' if self.len >= 2 => self.padding += 1,
            _ if self.padding > 0 => return Err(()),
            _ => {
                self.bits = self.bits << 6 | sextet(byte).ok_or(())?;
                self.len += 1;
            }
        }
        if self.len + self.padding == 4 {
            let [_, bytes @ ..] = (self.bits << (6 * self.padding)).to_be_bytes();
            out.extend_from_slice(&bytes[..3 - self.padding]);
            *self = Self {
                finished: self.padding > 0,
                ..Self::default()
            };
        }
        Ok(())
    }
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wrong_text_is_refused_as_in_go() {
        for (text, at) in [
            ("%%", 0),
            ("QQ=", 0),
            ("QQ==Q", 4),
            ("QUJD=", 4),
            ("QQ=Q", 3),
            ("A", 0),
        ] {
            assert_eq!(decode(text), Err(illegal(at)), "{text}");
        }
        assert_eq!(decode("QU\nJD\r\n").unwrap(), b"ABC");
        assert_eq!(decode("QR==").unwrap(), b"A");
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(bytes: Vec<u8>) {
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(decode(std::str::from_utf8(&text).unwrap()).unwrap(), bytes);
        }
    }
}
