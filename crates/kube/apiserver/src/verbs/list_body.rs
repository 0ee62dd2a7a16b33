//! A list as bytes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use schema::cursor;
use schema::json::write_string;
use schema::object::{Obj, Prefix};
use schema::tree::{Struct, Value};

use super::list::Listed;
use crate::negotiate::{self, Encoding, JSON};
use crate::registry::convert;
use crate::server::State;
use crate::{Answer, Body, Call, Reply, Served, show};

/// Answers up to this size are sent as one piece; larger ones in pieces of about this size.
const PIECE: usize = 128 << 10;

/// A list with more objects left than this gets room for a whole piece at once.
const FEW: usize = 64;

/// Puts a list into what the client accepts.
pub(super) fn reply(state: &State, call: &Call, served: &Served, listed: Listed) -> Answer<Reply> {
    let accepted = negotiate::accept(call)?;
    if let Some(to) = &accepted.convert {
        let meta = (listed.revision, listed.continues.as_str(), listed.remaining);
        return show::list(state, call, served, &listed.objects, meta, (to, &accepted));
    }
    if accepted.encoding != Encoding::Json || !is_verbatim(served, &listed) {
        return tree(served, &listed);
    }
    let mut pieces = Pieces::new(served, listed);
    let first = pieces.next_piece();
    if accepted.pretty || pieces.done {
        let mut whole = first;
        while !pieces.done {
            whole.extend(pieces.next_piece());
        }
        return Ok(Reply::Http(negotiate::json(
            StatusCode::OK,
            accepted.pretty,
            whole,
        )));
    }
    let rest = stream::iter(std::iter::once(Bytes::from(first)).chain(pieces));
    let mut response = Response::new(Body::stream(rest));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    Ok(Reply::Http(response))
}

/// Whether the objects can be sent as they are: of a built-in resource all can, or none.
fn is_verbatim(served: &Served, listed: &Listed) -> bool {
    match served.custom() {
        None => convert::is_stored(served),
        Some(_) => listed
            .objects
            .iter()
            .all(|object| convert::is_verbatim(served, object)),
    }
}

/// A list of JSON, written piece by piece.
struct Pieces {
    /// What stands before the items; taken by the first piece.
    head: Vec<u8>,
    tail: Vec<u8>,
    prefix: Arc<Prefix>,
    objects: std::vec::IntoIter<Arc<Obj>>,
    first: bool,
    done: bool,
}

impl Pieces {
    fn new(served: &Served, listed: Listed) -> Self {
        let custom = served.def.types.is_custom();
        let kind = member("kind", &served.list_kind());
        let version = member("apiVersion", &served.api_version());
        let metadata = [b"\"metadata\":".as_slice(), &metadata(&listed, custom)].concat();
        // Custom lists have their members sorted, and items that say what they are.
        let (head, tail, prefix) = if custom {
            let tail = [b"],".as_slice(), &kind, b",", &metadata, b"}"].concat();
            ([b"{".as_slice(), &version].concat(), tail, served.prefix.clone())
        } else {
            let head = [b"{".as_slice(), &kind, b",", &version, b",", &metadata].concat();
            (head, b"]}".to_vec(), Arc::new(Prefix::none()))
        };
        Self {
            head: [&head, b",\"items\":[".as_slice()].concat(),
            tail,
            prefix,
            objects: listed.objects.into_iter(),
            first: true,
            done: false,
        }
    }

    fn next_piece(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.head);
        if self.objects.len() > FEW {
            out.reserve_exact(PIECE + PIECE / 8);
        }
        for object in self.objects.by_ref() {
            if !std::mem::take(&mut self.first) {
                out.push(b',');
            }
            object.serve_into(&self.prefix, &mut out);
            if out.len() >= PIECE {
                return out;
            }
        }
        out.append(&mut self.tail);
        self.done = true;
        out
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut piece = self.next_piece();
        if self.done {
            piece.push(b'\n');
        }
        Some(piece.into())
    }
}

fn member(name: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_string(&mut out, name);
    out.push(b':');
    write_string(&mut out, value);
    out
}

fn metadata(listed: &Listed, sorted: bool) -> Vec<u8> {
    let remaining = listed
        .remaining
        .map(|count| format!("\"remainingItemCount\":{count}").into_bytes());
    let mut members = vec![member("resourceVersion", &listed.revision.0.to_string())];
    // A list of custom resources says that it does not go on, too.
    if sorted || !listed.continues.is_empty() {
        members.push(member("continue", &listed.continues));
    }
    members.extend(remaining);
    if sorted {
        members.sort_unstable();
    }
    [b"{".as_slice(), &members.join(&b','), b"}"].concat()
}

/// A list as a tree, for other encodings and for versions that are not stored.
fn tree(served: &Served, listed: &Listed) -> Answer<Reply> {
    let types = &served.def.types;
    let ty = served.version().list.unwrap_or(served.version().schema);
    let mut list = Struct::new(ty);
    let version = Value::str(&listed.revision.0.to_string());
    cursor::set(types, &mut list, "metadata.resourceVersion", version);
    if !listed.continues.is_empty() {
        cursor::set(
            types,
            &mut list,
            "metadata.continue",
            Value::str(&listed.continues),
        );
    }
    if let Some(count) = listed.remaining.and_then(|count| i64::try_from(count).ok()) {
        cursor::set(types, &mut list, "metadata.remainingItemCount", Value::Int(count));
    }
    let item = |object: &Arc<Obj>| {
        let mut item = convert::tree(served, object)?;
        if !types.is_custom() {
            cursor::remove(types, &mut item, "kind");
            cursor::remove(types, &mut item, "apiVersion");
        }
        Ok(Value::Struct(Box::new(item)))
    };
    let items: Answer<Vec<Value>> = listed.objects.iter().map(item).collect();
    cursor::set(types, &mut list, "items", Value::List(items?));
    Ok(Reply::Tree {
        code: StatusCode::OK,
        api_version: served.api_version(),
        kind: served.list_kind(),
        types: types.clone(),
        object: Box::new(list),
    })
}
