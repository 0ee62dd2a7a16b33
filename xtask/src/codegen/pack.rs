//! Packs upstream's round-trip files into one compressed file that the schema crate's tests read.
//!
//! Layout before compression, for each kind in name order: the file's name without its suffix and,
//! three times (json, pb, yaml), the file; every item is a little-endian `u32` length and its bytes.
//! The JSON is stored without the white space between tokens, because that is what is compared.

use super::Result;
use std::path::Path;

pub(super) fn roundtrip(folder: &Path) -> Result<Vec<u8>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?
            .file_name()
            .into_string()
            .map_err(|_| "a file name that is not UTF-8")?;
        names.extend(name.strip_suffix(".json").map(str::to_owned));
    }
    names.sort();
    let mut flat = Vec::new();
    for name in names {
        item(&mut flat, name.as_bytes())?;
        for suffix in ["json", "pb", "yaml"] {
            let bytes = std::fs::read(folder.join(format!("{name}.{suffix}")))?;
            item(&mut flat, &if suffix == "json" { compact(&bytes) } else { bytes })?;
        }
    }
    Ok(miniz_oxide::deflate::compress_to_vec_zlib(&flat, 10))
}

fn item(flat: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    flat.extend(u32::try_from(bytes.len())?.to_le_bytes());
    flat.extend(bytes);
    Ok(())
}

/// Drops white space outside strings; key order and every token stay as upstream wrote them.
fn compact(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |byte: &u8| {
        let keep = in_string || !byte.is_ascii_whitespace();
        in_string ^= *byte == b'"' && !escaped;
        escaped = in_string && *byte == b'\\' && !escaped;
        keep
    };
    json.iter().copied().filter(keep).collect()
}
