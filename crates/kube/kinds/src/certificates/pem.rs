//! Blocks of PEM (RFC 7468), as far as they can be told apart without reading what is in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block: its type, whether it has headers, and its bytes.
pub(super) struct Block<'a> {
    pub(super) kind: &'a str,
    pub(super) has_headers: bool,
    pub(super) bytes: Vec<u8>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The blocks of a text; what is between them does not count, and what is malformed is not one.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        rest = after;
        if let Some((block, behind)) = block(after) {
            found.push(block);
            rest = behind;
        }
    }
    found
}

fn block(text: &str) -> Option<(Block<'_>, &str)> {
    let (kind, text) = text.split_once(DASHES)?;
    let (body, rest) = text.split_once(&format!("{DASHES}END {kind}{DASHES}"))?;
    let has_headers = body.contains(':');
    let data = match has_headers {
        true => body.split_once("\n\n").map_or("", |(_, data)| data),
        false => body,
    };
    let compact: String = data.split_whitespace().collect();
    let bytes = STANDARD.decode(compact).ok()?;
    let block = Block {
        kind,
        has_headers,
        bytes,
    };
    Some((block, rest))
}

/// Whether the bytes are one DER sequence of the length that it says.
pub(super) fn is_sequence(bytes: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = bytes else {
        return false;
    };
    let count = usize::from(first & 0x7f);
    if first & 0x80 == 0 {
        return rest.len() == count;
    }
    if count == 0 || count > size_of::<usize>() || rest.len() < count {
        return false;
    }
    let (length, body) = rest.split_at(count);
    let length = length
        .iter()
        .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    body.len() == length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_other_text() {
        let text = "x\n-----BEGIN A-----\nMAA=\n-----END A-----\ny\n-----BEGIN B-----\nk: v\n\nMAA=\n-----END B-----\n\
                    -----BEGIN C-----\n%\n-----END C-----";
        let found = blocks(text);
        let kinds: Vec<_> = found
            .iter()
            .map(|block| (block.kind, block.has_headers))
            .collect();
        assert_eq!(kinds, [("A", false), ("B", true)]);
        assert!(found.iter().all(|block| is_sequence(&block.bytes)));
        assert!(!is_sequence(&[0x30, 2, 0]) && !is_sequence(&[]) && !is_sequence(&[0x30, 0xff]));
    }
}
