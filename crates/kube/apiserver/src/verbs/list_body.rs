//! A list as bytes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use schema::cursor;
use schema::json::write_string;
use schema::object::{Obj, Prefix};
use schema::proto;
use schema::status::Status;
use schema::tree::{Struct, Value};

use super::list::{Listed, Objects};
use crate::negotiate::{self, Encoding, JSON};
use crate::registry::convert;
use crate::server::State;
use crate::{Answer, Body, Call, Reply, Served, show};

/// Larger answers than this are sent in pieces of about this size.
const PIECE: usize = 128 << 10;

/// The first piece: all that is in memory for a client who does not read, and all of a small answer.
const FIRST_PIECE: usize = 16 << 10;

/// Puts a list into what the client accepts.
pub(super) fn reply(state: &State, call: &Call, served: &Served, mut listed: Listed) -> Answer<Reply> {
    let accepted = negotiate::accept(call)?;
    if let Some(to) = &accepted.convert {
        let meta = (listed.revision, listed.continues.as_str(), listed.remaining);
        let objects = listed.objects.collect();
        return show::list(state, call, served, &objects, meta, (to, &accepted));
    }
    if accepted.encoding != Encoding::Json || !is_verbatim(served, &listed) {
        return match accepted.encoding {
            Encoding::Protobuf if !served.def.types.is_custom() => protobuf(served, &mut listed),
            _ => tree(served, &mut listed),
        };
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
        Some(_) => listed.objects.all(|object| convert::is_verbatim(served, object)),
    }
}

/// A list of JSON, written piece by piece.
struct Pieces {
    /// What stands before the items; taken by the first piece.
    head: Vec<u8>,
    tail: Vec<u8>,
    prefix: Arc<Prefix>,
    objects: Objects,
    first: bool,
    done: bool,
    /// How large the next piece is.
    piece: usize,
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
            objects: listed.objects,
            first: true,
            done: false,
            piece: FIRST_PIECE,
        }
    }

    fn next_piece(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.head);
        let piece = std::mem::replace(&mut self.piece, PIECE);
        if piece == PIECE {
            out.reserve_exact(PIECE + PIECE / 8);
        }
        let (first, prefix) = (&mut self.first, &self.prefix);
        let more = self.objects.next_while(|object| {
            if !std::mem::take(first) {
                out.push(b',');
            }
            object.serve_into(prefix, &mut out);
            out.len() < piece
        });
        if !more {
            out.append(&mut self.tail);
            self.done = true;
        }
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

/// A list as protobuf: object by object, so that no more than one of them is a tree at a time. Its length stands before
/// its items, so all of them are encoded before the first is sent.
fn protobuf(served: &Served, listed: &mut Listed) -> Answer<Reply> {
    let types = &served.def.types;
    let (mut pieces, mut piece, mut failed) = (vec![Bytes::new()], Vec::new(), None);
    listed
        .objects
        .next_while(|object| match convert::tree(served, object) {
            Ok(item) => {
                proto::put_item(types, &item, &mut piece);
                if piece.len() >= PIECE {
                    pieces.push(std::mem::take(&mut piece).into());
                }
                true
            }
            Err(refused) => {
                failed = Some(refused);
                false
            }
        });
    if let Some(refused) = failed {
        return Err(refused);
    }
    pieces.push(piece.into());
    let mut list = head(served, listed);
    for (name, text) in [("apiVersion", served.api_version()), ("kind", served.list_kind())] {
        cursor::set(types, &mut list, name, Value::str(&text));
    }
    let items = pieces.iter().map(Bytes::len).sum();
    let (head, tail) = proto::seal_list(types, &list, items).map_err(Status::internal)?;
    pieces[0] = head.into();
    pieces.push(tail.into());
    Ok(Reply::Http(negotiate::pieces(Encoding::Protobuf, pieces)))
}

/// A list as a tree, for other encodings and for versions that are not stored.
fn tree(served: &Served, listed: &mut Listed) -> Answer<Reply> {
    let types = &served.def.types;
    let mut list = head(served, listed);
    let item = |object: &Arc<Obj>| {
        let mut item = convert::tree(served, object)?;
        if !types.is_custom() {
            cursor::remove(types, &mut item, "kind");
            cursor::remove(types, &mut item, "apiVersion");
        }
        Ok(Value::Struct(Box::new(item)))
    };
    let items: Answer<Vec<Value>> = listed.objects.collect().iter().map(item).collect();
    cursor::set(types, &mut list, "items", Value::List(items?));
    Ok(Reply::Tree {
        code: StatusCode::OK,
        api_version: served.api_version(),
        kind: served.list_kind(),
        types: types.clone(),
        object: Box::new(list),
    })
}

/// A list that has no items yet.
fn head(served: &Served, listed: &Listed) -> Struct {
    let types = &served.def.types;
    let mut list = Struct::new(served.version().list.unwrap_or(served.version().schema));
    let mut set = |path: &str, value: Value| cursor::set(types, &mut list, path, value);
    set(
        "metadata.resourceVersion",
        Value::str(&listed.revision.0.to_string()),
    );
    if !listed.continues.is_empty() {
        set("metadata.continue", Value::str(&listed.continues));
    }
    if let Some(count) = listed.remaining.and_then(|count| i64::try_from(count).ok()) {
        set("metadata.remainingItemCount", Value::Int(count));
    }
    list
}
