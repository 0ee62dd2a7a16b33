//! Watch events as bytes: JSON objects one after the other, or protobuf messages behind their length.

use std::sync::Arc;

use bytes::Bytes;
use schema::BUILTIN;
use schema::cursor;
use schema::json::{self, Options};
use schema::object::{Obj, Revision};
use schema::proto;
use schema::resource::type_of_kind;
use schema::status::Status;
use schema::tree::{Struct, Value};

use crate::cache::{Change, Event, FrameKey};
use crate::negotiate::{self, Encoding, JSON, PROTOBUF};
use crate::registry::convert;
use crate::server::State;
use crate::{Answer, Call, Served, show};

/// The annotation of the bookmark that ends what was there when the watch began (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

const PROTOBUF_STREAM: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// How one watch shows objects.
pub(super) struct Frames {
    served: Served,
    form: Form,
    /// Names the encoding: watchers with equal ones share their frames.
    key: Arc<str>,
}

enum Form {
    Json,
    Protobuf,
    /// As a Table or a partial object.
    Shown(show::View),
}

impl Frames {
    /// What the client of a call accepts.
    ///
    /// # Errors
    /// 406: YAML is no stream. 400 for options of a Table.
    pub(super) fn of(state: &State, call: &Call, served: &Served) -> Answer<Self> {
        let accepted = negotiate::accept(call)?;
        let form = match (accepted.encoding, &accepted.convert) {
            (Encoding::Yaml, _) => return Err(not_acceptable(served).into()),
            (_, Some(to)) => Form::Shown(show::View::parse(state, call, to)?),
            (Encoding::Json, None) => Form::Json,
            (Encoding::Protobuf, None) => Form::Protobuf,
        };
        let name = match &form {
            Form::Json => "json".to_owned(),
            Form::Protobuf => "protobuf".to_owned(),
            Form::Shown(view) => view.key(),
        };
        let key = format!("{name} {}", served.api_version()).into();
        let served = served.clone();
        Ok(Self { served, form, key })
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.form {
            Form::Protobuf => PROTOBUF_STREAM,
            Form::Json | Form::Shown(_) => JSON,
        }
    }

    /// An object that was there already.
    pub(super) fn object(&mut self, change: Change, object: &Obj) -> Bytes {
        let frame = self.write(change.name(), object);
        self.headed();
        frame
    }

    /// An event, made once for all who share the encoding.
    pub(super) fn event(&mut self, event: &Event, change: Change, object: &Obj) -> Bytes {
        if self.first() {
            return self.object(change, object);
        }
        let key: FrameKey = (change, self.key.clone());
        event.frame(&key, || self.write(change.name(), object))
    }

    /// Whether the next frame tells a Table's columns.
    fn first(&self) -> bool {
        matches!(&self.form, Form::Shown(view) if view.tells_columns())
    }

    fn headed(&mut self) {
        if let Form::Shown(view) = &mut self.form {
            view.columns_told();
        }
    }

    fn write(&self, name: &str, object: &Obj) -> Bytes {
        let encoded = match &self.form {
            Form::Json => convert::bytes(&self.served, object),
            Form::Protobuf => convert::tree(&self.served, object).and_then(|tree| self.seal(&tree)),
            Form::Shown(view) => view.frame(&self.served, object),
        };
        match encoded {
            Ok(bytes) => self.wrap(name, &bytes),
            // What is stored and cannot be shown is an error that the client hears of.
            Err(refused) => self.error(&refused.0),
        }
    }

    fn seal(&self, tree: &Struct) -> Answer<Vec<u8>> {
        Ok(proto::seal(&self.served.def.types, tree).map_err(Status::internal)?)
    }

    /// How far the watch is: an object with nothing but its kind and a resource version.
    pub(super) fn bookmark(&mut self, revision: Revision, ends_initial: bool) -> Bytes {
        let types = &self.served.def.types;
        let mut object = Struct::new(self.served.version().schema);
        let mut set = |path: &str, value: Value| cursor::set(types, &mut object, path, value);
        set("kind", Value::str(&self.served.def.kind));
        set("apiVersion", Value::str(&self.served.api_version()));
        set("metadata.resourceVersion", Value::str(&revision.0.to_string()));
        if ends_initial && let Some(annotations) = cursor::map_mut(types, &mut object, "metadata.annotations")
        {
            annotations.insert(INITIAL_EVENTS_END, Value::str("true"));
        }
        let bytes = match &self.form {
            Form::Protobuf => self.seal(&object).unwrap_or_default(),
            Form::Json | Form::Shown(_) => {
                let mut out = Vec::new();
                json::encode(types, &object, &mut out);
                out
            }
        };
        let bytes = match &self.form {
            Form::Shown(view) => view.bookmark(&self.served, &object, &bytes),
            Form::Json | Form::Protobuf => bytes,
        };
        self.headed();
        self.wrap("BOOKMARK", &bytes)
    }

    /// What ends a watch.
    pub(super) fn error(&self, status: &Status) -> Bytes {
        let text = serde_json::to_vec(status).unwrap_or_default();
        let bytes = match self.form {
            Form::Protobuf => seal_status(&text).unwrap_or_default(),
            Form::Json | Form::Shown(_) => text,
        };
        self.wrap("ERROR", &bytes)
    }

    fn wrap(&self, name: &str, object: &[u8]) -> Bytes {
        match self.form {
            Form::Protobuf => wrap_protobuf(name, object),
            Form::Json | Form::Shown(_) => wrap_json(name, object),
        }
    }
}

fn not_acceptable(served: &Served) -> Status {
    let custom = served.def.types.is_custom();
    let json = format!("{JSON};stream=watch");
    let protobuf = format!("{PROTOBUF};stream=watch");
    let all = [json.as_str(), protobuf.as_str()];
    Status::not_acceptable(if custom { &all[..1] } else { &all })
}

fn wrap_json(name: &str, object: &[u8]) -> Bytes {
    let parts = [
        b"{\"type\":\"".as_slice(),
        name.as_bytes(),
        b"\",\"object\":",
        object,
        b"}\n",
    ];
    parts.concat().into()
}

/// A `WatchEvent` of `meta/v1` (`type` = 1, `object` = 2, whose `raw` = 1) behind four bytes of length.
fn wrap_protobuf(name: &str, object: &[u8]) -> Bytes {
    let mut raw = Vec::with_capacity(object.len() + 8);
    put_bytes(&mut raw, 1, object);
    let mut message = Vec::with_capacity(raw.len() + 24);
    put_bytes(&mut message, 1, name.as_bytes());
    put_bytes(&mut message, 2, &raw);
    // Objects are far below 4 GiB: the store takes no more than 3 MiB.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), message.as_slice()].concat().into()
}

/// A length-delimited field of protobuf.
fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(low(length) | 0x80);
        length >>= 7;
    }
    out.push(low(length));
    out.extend_from_slice(bytes);
}

/// The lowest seven bits.
fn low(number: usize) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

fn seal_status(text: &[u8]) -> Option<Vec<u8>> {
    let ty = type_of_kind("", "v1", "Status")?;
    let tree = json::decode(&BUILTIN, ty, text, Options::default()).ok()?.object;
    proto::seal(&BUILTIN, &tree).ok()
}
