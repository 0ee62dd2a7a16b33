//! Reads `tests/roundtrip.pack`: upstream's round-trip files, as `cargo xtask codegen` packs them.

use schema::resource::type_of_kind;
use schema::row::TypeId;

/// One kind in three encodings. The JSON has no white space between tokens.
pub(crate) struct Sample {
    /// `apps.v1.Deployment`, with `core` for the empty group.
    pub(crate) name: String,
    pub(crate) json: Vec<u8>,
    pub(crate) pb: Vec<u8>,
    pub(crate) yaml: Vec<u8>,
}

impl Sample {
    /// The sample's type, from its name.
    pub(crate) fn ty(&self) -> TypeId {
        let (rest, kind) = self.name.rsplit_once('.').unwrap();
        let (group, version) = rest.rsplit_once('.').unwrap();
        let group = if group == "core" { "" } else { group };
        type_of_kind(group, version, kind).unwrap_or_else(|| panic!("no type for {}", self.name))
    }
}

/// All samples, in name order.
pub(crate) fn samples() -> Vec<Sample> {
    let packed = include_bytes!("../roundtrip.pack");
    let flat = miniz_oxide::inflate::decompress_to_vec_zlib(packed).unwrap();
    let mut rest = &flat[..];
    let mut item = || {
        let (len, after) = rest.split_first_chunk::<4>()?;
        let (bytes, after) = after.split_at(u32::from_le_bytes(*len) as usize);
        rest = after;
        Some(bytes.to_vec())
    };
    let mut samples = Vec::new();
    while let Some(name) = item() {
        let [json, pb, yaml] = [item(), item(), item()].map(Option::unwrap);
        samples.push(Sample {
            name: String::from_utf8(name).unwrap(),
            json,
            pb,
            yaml,
        });
    }
    samples
}
