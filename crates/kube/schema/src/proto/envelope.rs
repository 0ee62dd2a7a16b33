//! The envelope of stored and served protobuf: `k8s\0`, then `runtime.Unknown` with the type's
//! name, the message, and two fields that are always empty.

use super::decode::decode;
use super::encode::encode;
use super::wire::{Fields, ProtoError, Wired, put_bytes, put_message, put_tag, put_varint};
use crate::resource::type_of_kind;
use crate::row::{TypeId, Types};
use crate::tree::{Struct, Value};

/// What every enveloped message begins with.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// The wire type of messages and text.
const LENGTH_DELIMITED: u8 = 2;

/// The object in its envelope; `kind` and `apiVersion` come from its own members.
///
/// # Errors
/// [`ProtoError::Unsupported`] for a type that has members but no protobuf form.
pub fn seal(types: &Types, object: &Struct) -> Result<Vec<u8>, ProtoError> {
    if types.wires(object.ty).is_empty() && types.fields(object.ty).len() > 2 {
        return Err(ProtoError::Unsupported);
    }
    let mut out = MAGIC.to_vec();
    put_message(&mut out, 1, |out| {
        put_bytes(out, 1, member(types, object, "apiVersion").as_bytes());
        put_bytes(out, 2, member(types, object, "kind").as_bytes());
    });
    put_message(&mut out, 2, |out| encode(types, object, out));
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    Ok(out)
}

/// A list in its envelope, around items that have been encoded: what stands before `items` bytes of [`put_item`], and
/// what stands behind them. `list` is the list without its items.
///
/// # Errors
/// As [`seal`].
pub fn seal_list(types: &Types, list: &Struct, items: usize) -> Result<(Vec<u8>, Vec<u8>), ProtoError> {
    let mut head = seal(types, list)?;
    let mut own = Vec::new();
    encode(types, list, &mut own);
    // The list's own fields come before its items, and two empty fields behind the message.
    let tail = head.split_off(head.len() - 4);
    head.truncate(head.len() - message_length(own.len()));
    put_tag(&mut head, 2, LENGTH_DELIMITED);
    put_varint(&mut head, (own.len() + items) as u64);
    head.append(&mut own);
    Ok((head, tail))
}

/// Appends an item of a list: `items` is field 2 of every list.
pub fn put_item(types: &Types, item: &Struct, out: &mut Vec<u8>) {
    put_message(out, 2, |out| encode(types, item, out));
}

/// What a field takes whose message has so many bytes.
fn message_length(length: usize) -> usize {
    let mut prefix = Vec::new();
    put_varint(&mut prefix, length as u64);
    1 + prefix.len() + length
}

fn member<'a>(types: &Types, object: &'a Struct, name: &str) -> &'a str {
    let slot = types.slot(object.ty, name, 0);
    slot.and_then(|slot| object.get(slot))
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// Opens an envelope of at most `max_bytes` bytes and decodes what is inside. The type is
/// `expected`, or else the one that the envelope names (`WatchEvent` names none).
///
/// # Errors
/// [`ProtoError::TooLarge`], [`ProtoError::Magic`] for other bytes, [`ProtoError::Unsupported`] for
/// an unknown kind, and what [`decode`] says.
pub fn open(
    types: &Types,
    expected: Option<TypeId>,
    bytes: &[u8],
    max_bytes: usize,
) -> Result<Struct, ProtoError> {
    if bytes.len() > max_bytes {
        return Err(ProtoError::TooLarge { limit: max_bytes });
    }
    let unknown = bytes.strip_prefix(&MAGIC).ok_or(ProtoError::Magic)?;
    let (mut names, mut message) = (("", ""), &[][..]);
    let mut fields = Fields::new(unknown);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Wired::Bytes(bytes)) => names = type_meta(bytes)?,
            (2, Wired::Bytes(bytes)) => message = bytes,
            _ => {}
        }
    }
    let (api_version, kind) = names;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let ty = expected
        .or_else(|| type_of_kind(group, version, kind))
        .ok_or(ProtoError::Unsupported)?;
    let mut object = decode(types, ty, message, max_bytes)?;
    for (name, text) in [("apiVersion", api_version), ("kind", kind)] {
        if let Some(slot) = types.slot(ty, name, 0).filter(|_| !text.is_empty()) {
            object.set(slot, Value::str(text));
        }
    }
    Ok(object)
}

fn type_meta(bytes: &[u8]) -> Result<(&str, &str), ProtoError> {
    let (mut api_version, mut kind) = ("", "");
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        let Wired::Bytes(text) = value else { continue };
        let text = std::str::from_utf8(text).map_err(|_| ProtoError::Utf8)?;
        match number {
            1 => api_version = text,
            2 => kind = text,
            _ => {}
        }
    }
    Ok((api_version, kind))
}
