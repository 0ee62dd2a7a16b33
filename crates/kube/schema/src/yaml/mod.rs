//! YAML, as upstream treats it: a spelling of JSON. Reading goes YAML → JSON → tree, writing
//! tree → JSON → YAML with keys sorted, so that every rule about fields stays in one place.

mod read;
mod write;

pub use read::{YamlError, parse, to_json};

use crate::json::{self, DecodeError, Decoded, Options};
use crate::row::{TypeId, Types};
use crate::tree::Struct;

/// Why YAML could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// YAML, but not an object of the type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Decodes one YAML document as an object of type `ty`.
///
/// # Errors
/// See [`Error`].
pub fn decode(types: &Types, ty: TypeId, yaml: &[u8], options: Options) -> Result<Decoded, Error> {
    if yaml.len() > options.max_bytes {
        return Err(DecodeError::TooLarge {
            limit: options.max_bytes,
        }
        .into());
    }
    Ok(json::decode(types, ty, &to_json(yaml)?, options)?)
}

/// Appends the object as one YAML document.
pub fn encode(types: &Types, object: &Struct, out: &mut String) {
    let mut text = Vec::new();
    json::encode(types, object, &mut text);
    // What the encoder printed is JSON; only a tree deeper than the limit cannot be read back, and
    // no decoder makes one.
    if let Ok(value) = json::parse(&text) {
        write::document(&value, out);
    }
}
