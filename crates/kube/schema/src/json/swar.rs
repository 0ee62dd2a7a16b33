//! Looking at eight bytes at once, because most bytes of JSON are inside strings.
//!
//! A word marks a byte by that byte's highest bit. Marks above the lowest one may be wrong (the
//! subtraction borrows); only the lowest is used.

const LOW: u64 = u64::MAX / 255;
const HIGH: u64 = LOW << 7;

/// Marks the bytes that equal `byte`.
fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (LOW * u64::from(byte));
    zero.wrapping_sub(LOW) & !zero & HIGH
}

/// Marks the bytes that a JSON string must escape: controls, quotes, backslashes.
fn escaped(word: u64) -> u64 {
    let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
    control | equal(word, b'"') | equal(word, b'\\')
}

/// Marks also what Go escapes besides: `<`, `>`, `&`, and what may begin a line separator.
fn go_escaped(word: u64) -> u64 {
    let html = equal(word, b'<') | equal(word, b'>') | equal(word, b'&');
    escaped(word) | html | equal(word, 0xe2)
}

/// How many bytes come before the first one marked; the last seven may not have been looked at.
#[inline]
fn run(bytes: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at
}

/// Bytes that surely need no look in a string that is being read.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    run(bytes, escaped)
}

/// Bytes that surely need no escape in a string that is being printed.
#[inline]
pub(super) fn printable(bytes: &[u8]) -> usize {
    run(bytes, go_escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_end_where_a_search_byte_by_byte_ends(bytes: Vec<u8>) {
            let stop = |b: &u8| matches!(b, 0..0x20 | b'"' | b'\\');
            let expected = bytes.iter().position(stop).unwrap_or(bytes.len());
            let found = plain(&bytes);
            prop_assert!(found <= expected && (found == expected || found / 8 == bytes.len() / 8));
            let stop = |b: &u8| stop(b) || matches!(b, b'<' | b'>' | b'&' | 0xe2);
            let expected = bytes.iter().position(stop).unwrap_or(bytes.len());
            let found = printable(&bytes);
            prop_assert!(found <= expected && (found == expected || found / 8 == bytes.len() / 8));
        }
    }
}
