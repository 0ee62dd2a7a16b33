//! The label that tells the pods of one template from those of another.

use serde_json::Value;

use crate::workload::template::safe;

/// A hash of a template, as names and labels carry it. `collisions` counts how often the name was taken by another.
///
/// Upstream hashes what Go prints of its structs; nobody compares the two, they only have to differ where templates do.
pub(super) fn hash(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = fnv1a(FNV_OFFSET, template.to_string().as_bytes());
    if let Some(collisions) = collisions {
        hash = fnv1a(hash, &collisions.to_le_bytes());
    }
    safe(&hash.to_string())
}

/// FNV-1a of 32 bits.
const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

fn fnv1a(hash: u32, bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME);
    bytes.iter().fold(hash, step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reference_vectors_of_fnv() {
        for (text, expected) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a(FNV_OFFSET, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn templates_and_collisions_make_other_hashes() {
        let one = json!({"spec": {"containers": [{"image": "a"}]}});
        let other = json!({"spec": {"containers": [{"image": "b"}]}});
        let hashes = [
            hash(&one, None),
            hash(&one, Some(1)),
            hash(&one, Some(2)),
            hash(&other, None),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert!(
                !hashes[..at].contains(hash) && (1..=10).contains(&hash.len()),
                "{hashes:?}"
            );
        }
        assert_eq!(hash(&one, None), hashes[0]);
    }
}
