//! JSON → tree, in one pass over the bytes and the row.
//!
//! The pass drops unknown members, reports unknown and duplicate ones with their paths, keeps
//! going after a type error (upstream answers with the first one) and makes a canonical tree.
//! Member names are compared exactly, as `sigs.k8s.io/json` does.

use super::reader::{Reader, SyntaxError, Token};
use super::report::{Issue, IssueKind, MAX_ISSUES};
use super::text::read_raw;
use super::untyped;
use crate::row::{Emit, Field, Form, Kind, NameId, Shape, TypeId, Types};
use crate::scalar;
use crate::tree::{Map, Struct, Value};
use crate::{MAX_REQUEST_BYTES, MAX_TREE_DEPTH};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

/// How to decode.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Collect [`Issue`]s (`fieldValidation` `Warn` and `Strict`).
    pub report: bool,
    /// The largest accepted input in bytes.
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            report: false,
            max_bytes: MAX_REQUEST_BYTES,
        }
    }
}

/// A decoded object and what was odd about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object, canonical.
    pub object: Struct,
    /// Unknown and duplicate members in document order, at most a hundred, each once.
    pub issues: Vec<Issue>,
}

/// Why JSON could not be decoded. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// JSON of the wrong type, or text that its type does not accept; the first such member.
    #[error("{0}")]
    Value(String),
    /// Larger than [`Options::max_bytes`].
    #[error("limit is {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// Decodes one object of type `ty`.
///
/// # Errors
/// See [`DecodeError`]; a syntax error anywhere wins over a type error, as in Go.
pub fn decode(types: &Types, ty: TypeId, json: &[u8], options: Options) -> Result<Decoded, DecodeError> {
    if json.len() > options.max_bytes {
        return Err(DecodeError::TooLarge {
            limit: options.max_bytes,
        });
    }
    let mut decoder = Decoder::new(types, json, options);
    let object = decoder.document(ty)?;
    match decoder.error {
        Some(failure) => Err(DecodeError::Value(failure.message)),
        None => Ok(Decoded {
            object,
            issues: decoder.issues,
        }),
    }
}

/// Decodes the value of one member from text of our own (a default); nothing when it does not fit.
pub(crate) fn decode_member(types: &Types, field: &Field, json: &[u8], options: Options) -> Option<Value> {
    let mut decoder = Decoder::new(types, json, options);
    let form = types.form(field);
    let value = decoder.field(field, form).ok().flatten();
    value.filter(|value| decoder.error.is_none() && !vanishes(form, value))
}

enum Step<'a> {
    Field(NameId),
    Key(Cow<'a, str>),
    Index(usize),
}

struct Decoder<'a> {
    types: &'a Types,
    reader: Reader<'a>,
    report: bool,
    issues: Vec<Issue>,
    /// What does not fit is kept as it is ([`Types::custom`]).
    lenient: bool,
    path: Vec<Step<'a>>,
    /// The struct whose member is being read: Go names it in type errors.
    owner: Option<TypeId>,
    /// Inside a value with an unmarshaler of its own: how long the path was where that began. Go
    /// starts over there, without reports, and its type errors name the outer member.
    opaque: Option<usize>,
    error: Option<Failure>,
    /// Some map was given twice and has yet to be sorted: once at the end, because doing so each
    /// time would make the work quadratic.
    unsettled: bool,
}

/// The error to answer with, if the rest is JSON.
struct Failure {
    message: String,
    /// From an unmarshaler. Go stops there, so it wins over type errors found before it.
    fatal: bool,
}

type Scanned<T> = Result<T, SyntaxError>;

impl<'a> Decoder<'a> {
    fn new(types: &'a Types, json: &'a [u8], options: Options) -> Self {
        Self {
            types,
            reader: Reader::new(json),
            report: options.report,
            issues: Vec::new(),
            lenient: types.is_custom(),
            path: Vec::new(),
            owner: None,
            opaque: None,
            error: None,
            unsettled: false,
        }
    }

    fn document(&mut self, ty: TypeId) -> Scanned<Struct> {
        let (package, name) = self.types.type_name(ty);
        let go = format!("{}.{name}", package.rsplit('/').next().unwrap_or(package));
        let object = self.one(Kind::Struct, ty, &go)?;
        self.reader.end()?;
        let mut object = match object {
            Some(Value::Struct(object)) => *object,
            _ => Struct::new(ty),
        };
        if self.unsettled {
            object.settle();
        }
        if self.types.is_custom() {
            self.issues.sort_by_cached_key(custom_order);
        }
        Ok(object)
    }

    /// Reads an object's members into `object`, which is empty unless the object is given twice.
    fn object(&mut self, mut object: Box<Struct>) -> Scanned<Option<Value>> {
        let (types, ty) = (self.types, object.ty);
        if self.path.len() > MAX_TREE_DEPTH {
            return Err(SyntaxError::Depth);
        }
        let mut seen = Seen::default();
        let (mut first, mut hint) = (true, 0);
        let (outer, outer_lenient) = (self.owner, self.lenient);
        self.owner = outer.filter(|_| self.opaque.is_some()).or(Some(ty));
        self.lenient &= types.custom != Some(ty);
        let (mut rest, mut keys) = (Vec::new(), Keys::default());
        while let Some(key) = self.reader.key(std::mem::take(&mut first))? {
            match types.slot(ty, &key, hint) {
                Some(slot) => {
                    hint = slot + 1;
                    self.member(&mut object, &types.fields(ty)[slot], slot, seen.again(slot))?;
                }
                None if types.marks(ty).open => self.entry(key, &mut rest, &mut keys)?,
                None => self.unknown(key)?,
            }
        }
        if let Some(slot) = types.rest(ty).filter(|_| !rest.is_empty()) {
            object.set(slot, Value::Map(Box::new(Map::from_entries(rest))));
        }
        (self.owner, self.lenient) = (outer, outer_lenient);
        Ok(Some(Value::Struct(object)))
    }

    fn member(&mut self, object: &mut Struct, field: &Field, slot: usize, again: bool) -> Scanned<()> {
        self.path.push(Step::Field(field.json));
        if again {
            self.issue(IssueKind::Duplicate);
        }
        let form = self.types.form(field);
        let value = match object.remove(slot) {
            Some(old) if !self.types.is_custom() => self.again(old, field, form)?,
            _ => self.field(field, form)?,
        };
        if let Some(value) = value.filter(|value| !vanishes(form, value)) {
            object.set(slot, value);
        }
        self.path.pop();
        Ok(())
    }

    /// A member given again. Go decodes into what the first one left: objects and maps merge,
    /// lists element by element, and `null` only clears what can be nil.
    fn again(&mut self, old: Value, field: &Field, form: &Form) -> Scanned<Option<Value>> {
        let go = self.types.name(field.go);
        match (form.shape, old, self.reader.peek()?) {
            (Shape::Value, old, Token::Null) if !is_slice_or_unmarshaler(form.kind) => {
                self.reader.null()?;
                Ok(Some(old))
            }
            (Shape::Value | Shape::Ptr, Value::Struct(old), Token::Object) if form.kind == Kind::Struct => {
                self.object(old)
            }
            (Shape::List, Value::List(old), _) => self.list(form.kind, field.ty, go, old),
            (Shape::Map, Value::Map(mut old), _) => self.map(form.kind, field.ty, go, old.take_entries()),
            _ => self.field(field, form),
        }
    }

    fn unknown(&mut self, key: Cow<'a, str>) -> Scanned<()> {
        if self.report {
            self.path.push(Step::Key(key));
            self.issue(IssueKind::Unknown);
            if self.types.is_custom() {
                // Upstream looks for duplicates before it prunes.
                self.any()?;
                self.path.pop();
                return Ok(());
            }
            self.path.pop();
        }
        self.reader.skip()
    }

    /// Any JSON, as [`super::parse`] reads it, with reports of duplicates.
    fn any(&mut self) -> Scanned<Value> {
        if self.path.len() > MAX_TREE_DEPTH {
            return Err(SyntaxError::Depth);
        }
        match self.reader.peek()? {
            Token::Object => {
                let (mut entries, mut keys, mut first) = (Vec::new(), Keys::default(), true);
                while let Some(key) = self.reader.key(std::mem::take(&mut first))? {
                    self.entry(key, &mut entries, &mut keys)?;
                }
                Ok(Value::Map(Box::new(Map::from_entries(entries))))
            }
            Token::Array => {
                let mut items = Vec::new();
                while self.reader.element(items.is_empty())? {
                    self.path.push(Step::Index(items.len()));
                    items.push(self.any()?);
                    self.path.pop();
                }
                Ok(Value::List(items))
            }
            token => untyped::scalar(&mut self.reader, token),
        }
    }

    /// A member without a row.
    fn entry(&mut self, key: Cow<'a, str>, entries: &mut Entries, keys: &mut Keys) -> Scanned<()> {
        let again = self.report && keys.again(&key, entries);
        self.path.push(Step::Key(key));
        if again {
            self.issue(IssueKind::Duplicate);
        }
        let value = self.any()?;
        if let Some(Step::Key(key)) = self.path.pop() {
            entries.push((key.into(), value));
        }
        Ok(())
    }

    /// A member's value; nothing for `null` and for what was of the wrong type.
    fn field(&mut self, field: &Field, form: &Form) -> Scanned<Option<Value>> {
        let go = self.types.name(field.go);
        if form.emit == Emit::Nullable && self.reader.peek()? == Token::Null {
            self.reader.null()?;
            return Ok(Some(Value::Null));
        }
        match form.shape {
            Shape::Value | Shape::Ptr => self.one(form.kind, field.ty, go),
            Shape::List => self.list(form.kind, field.ty, go, Vec::new()),
            Shape::Map => self.map(form.kind, field.ty, go, Vec::new()),
        }
    }

    /// A list; `old` is what its elements are decoded into where the list was given before.
    fn list(&mut self, kind: Kind, ty: TypeId, go: &str, old: Vec<Value>) -> Scanned<Option<Value>> {
        let token = self.reader.peek()?;
        if token != Token::Array {
            return self.wrong(Kind::Struct, token, go);
        }
        let element = go.strip_prefix("[]").unwrap_or(go);
        let mut items = Vec::new();
        let mut old = old.into_iter();
        while self.reader.element(items.is_empty())? {
            self.path.push(Step::Index(items.len()));
            let item = match (old.next(), self.reader.peek()?) {
                (Some(Value::Struct(old)), Token::Object) if kind == Kind::Struct => self.object(old)?,
                (Some(old), Token::Null) => self.one(kind, ty, element)?.or(Some(old)),
                _ => self.one(kind, ty, element)?,
            };
            items.push(item.unwrap_or_else(|| self.zero(kind, ty)));
            self.path.pop();
        }
        Ok(Some(Value::List(items)))
    }

    /// A map; `entries` are those of the same map given before.
    fn map(&mut self, kind: Kind, ty: TypeId, go: &str, mut entries: Entries) -> Scanned<Option<Value>> {
        let token = self.reader.peek()?;
        if token != Token::Object {
            return self.wrong(Kind::Struct, token, go);
        }
        let element = go.split_once(']').map_or(go, |(_, element)| element);
        let (start, mut keys, mut first) = (entries.len(), Keys::default(), true);
        while let Some(key) = self.reader.key(std::mem::take(&mut first))? {
            let again = self.report && keys.again(&key, &entries[start..]);
            self.path.push(Step::Key(key));
            if again {
                self.issue(IssueKind::Duplicate);
            }
            let value = self
                .one(kind, ty, element)?
                .unwrap_or_else(|| self.zero(kind, ty));
            if let Some(Step::Key(key)) = self.path.pop() {
                entries.push((key.into(), value));
            }
        }
        Ok(Some(Value::Map(Box::new(if start == 0 {
            Map::from_entries(entries)
        } else {
            self.unsettled = true;
            Map::unsorted(entries)
        }))))
    }

    /// What stands for `null` in a list or map.
    fn zero(&self, kind: Kind, ty: TypeId) -> Value {
        if self.lenient { Value::Null } else { zero(kind, ty) }
    }

    /// One value of a kind. `go` is the Go type for errors.
    fn one(&mut self, kind: Kind, ty: TypeId, go: &str) -> Scanned<Option<Value>> {
        if kind == Kind::Raw {
            let raw = read_raw(&mut self.reader)?;
            return Ok((raw.as_str() != "null").then_some(Value::Raw(raw)));
        }
        let token = self.reader.peek()?;
        match (kind, token) {
            (Kind::Any, _) => self.any().map(Some),
            (_, Token::Null) => {
                self.reader.null()?;
                Ok(None)
            }
            (Kind::Struct, Token::Object) => self.object(Box::new(Struct::new(ty))),
            (Kind::Strings, _) => self.list(Kind::String, ty, "[]string", Vec::new()),
            (Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings, _) => {
                let outer = self.opaque;
                self.opaque = outer.or(Some(self.path.len()));
                let value = self.schema_or(kind, ty, token);
                self.opaque = outer;
                value
            }
            (Kind::Nested, _) => {
                let types = self.types;
                let field = &types.fields(ty)[0];
                self.field(field, types.form(field))
            }
            (Kind::Struct, _) => self.wrong(kind, token, go),
            _ => self.scalar(kind, token, go),
        }
    }

    fn schema_or(&mut self, kind: Kind, ty: TypeId, token: Token) -> Scanned<Option<Value>> {
        match (kind, token) {
            (_, Token::Object) => self.object(Box::new(Struct::new(ty))),
            (Kind::SchemaOrArray, Token::Array) => {
                self.list(Kind::Struct, ty, "[]v1.JSONSchemaProps", Vec::new())
            }
            (Kind::SchemaOrStrings, Token::Array) => self.list(Kind::String, ty, "[]string", Vec::new()),
            (Kind::SchemaOrBool, Token::Bool) => Ok(Some(Value::Bool(self.reader.boolean()?))),
            (Kind::SchemaOrBool, _) => self.refuse("boolean or JSON schema expected"),
            _ => self.refuse("object or array expected"),
        }
    }

    fn scalar(&mut self, kind: Kind, token: Token, go: &str) -> Scanned<Option<Value>> {
        match (kind, token) {
            (Kind::Bool, Token::Bool) => Ok(Some(Value::Bool(self.reader.boolean()?))),
            (Kind::String, Token::String) => Ok(Some(Value::Str(self.reader.string()?.into()))),
            (Kind::Int32 | Kind::Int64 | Kind::Float64, Token::Number) => self.number(kind, go),
            (Kind::IntOrString, Token::String) => Ok(Some(Value::Str(self.reader.string()?.into()))),
            (Kind::IntOrString, Token::Number) => self.number(kind, "int32"),
            (Kind::IntOrString, _) => self.wrong(kind, token, "int32"),
            (Kind::Quantity, Token::Number) => {
                let text = self.reader.number()?;
                Ok(self.text(kind, text))
            }
            (Kind::Quantity, Token::String) | (Kind::Bytes, Token::String) => self.string(kind),
            (Kind::Quantity, _) => self.refuse(scalar::quantity::FORMAT),
            (Kind::Time | Kind::MicroTime | Kind::Duration, Token::String) => self.string(kind),
            (Kind::Time | Kind::MicroTime | Kind::Duration, _) => self.wrong(kind, token, "string"),
            _ => self.wrong(kind, token, go),
        }
    }

    fn string(&mut self, kind: Kind) -> Scanned<Option<Value>> {
        let text = self.reader.string()?;
        Ok(self.text(kind, &text))
    }

    /// Text of a kind with a grammar of its own, brought into canonical form.
    fn text(&mut self, kind: Kind, text: &str) -> Option<Value> {
        let parsed = match kind {
            Kind::Bytes => scalar::base64::decode(text).map(|bytes| Some(Value::Bytes(bytes.into()))),
            Kind::Quantity => scalar::quantity::canonical(text.trim()).map(|q| Some(Value::Str(q.into()))),
            Kind::Duration => scalar::duration::canonical(text).map(|d| Some(Value::Str(d.into()))),
            _ => scalar::time::canonical(kind, text).map(|time| time.map(|t| Value::Str(t.into()))),
        };
        parsed.unwrap_or_else(|message| {
            self.save(message, kind != Kind::Bytes);
            None
        })
    }

    fn number(&mut self, kind: Kind, go: &str) -> Scanned<Option<Value>> {
        let text = self.reader.number()?;
        if self.lenient {
            return Ok(Some(untyped::number(text)));
        }
        let value = match kind {
            Kind::Float64 => text
                .parse()
                .ok()
                .filter(|f: &f64| f.is_finite())
                .map(Value::Float),
            Kind::Int32 | Kind::IntOrString => text.parse::<i32>().ok().map(|int| Value::Int(int.into())),
            _ => text.parse().ok().map(Value::Int),
        };
        if value.is_none() {
            self.mismatch(&format!("number {text}"), go, has_unmarshaler(kind));
        }
        Ok(value)
    }

    fn wrong(&mut self, kind: Kind, token: Token, go: &str) -> Scanned<Option<Value>> {
        if token == Token::Null {
            self.reader.null()?;
            return Ok(None);
        }
        if self.lenient {
            return self.any().map(Some);
        }
        self.mismatch(token.word(), go, has_unmarshaler(kind));
        self.reader.skip()?;
        Ok(None)
    }

    fn refuse(&mut self, message: &str) -> Scanned<Option<Value>> {
        self.save(message.to_owned(), true);
        self.reader.skip()?;
        Ok(None)
    }

    fn save(&mut self, message: String, fatal: bool) {
        let fatal = fatal || self.opaque.is_some();
        if self.error.as_ref().is_none_or(|error| fatal && !error.fatal) {
            self.error = Some(Failure { message, fatal });
        }
    }

    /// Go's text for JSON of the wrong type; its path has the members only, not keys and indexes.
    fn mismatch(&mut self, value: &str, go: &str, fatal: bool) {
        let path = &self.path[..self.opaque.unwrap_or(self.path.len())];
        let members = path.iter().filter_map(|step| match step {
            Step::Field(name) => Some(self.types.name(*name)),
            Step::Key(_) | Step::Index(_) => None,
        });
        let place = match self.owner {
            Some(owner) => {
                let path = members.collect::<Vec<_>>().join(".");
                format!("struct field {}.{path}", self.types.type_name(owner).1)
            }
            None => "value".to_owned(),
        };
        let message = format!("json: cannot unmarshal {value} into Go {place} of type {go}");
        self.save(message, fatal);
    }

    /// Records an issue at the current path.
    fn issue(&mut self, kind: IssueKind) {
        if !self.report || self.opaque.is_some() || self.issues.len() >= MAX_ISSUES {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) => push_member(&mut path, self.types.name(*name)),
                Step::Key(key) => push_member(&mut path, key),
                Step::Index(index) => drop(write!(path, "[{index}]")),
            }
        }
        let issue = Issue { kind, path };
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }
}

fn push_member(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Which slots of an object have been filled; hardly a type has more than 64 members, so the vector
/// mostly stays empty.
#[derive(Default)]
struct Seen {
    low: u64,
    high: Vec<usize>,
}

impl Seen {
    /// Marks a slot; true when it was marked before.
    fn again(&mut self, slot: usize) -> bool {
        if slot < 64 {
            let again = self.low >> slot & 1 == 1;
            self.low |= 1 << slot;
            return again;
        }
        let again = self.high.contains(&slot);
        if !again {
            self.high.push(slot);
        }
        again
    }
}

/// Reports on custom resources: duplicates as they came, then unknown members of `metadata`, then
/// the other unknown ones by path, because upstream finds them in three passes.
fn custom_order(issue: &Issue) -> (bool, bool, String) {
    match issue.kind {
        IssueKind::Duplicate => (false, false, String::new()),
        IssueKind::Unknown => (true, !issue.path.starts_with("metadata."), issue.path.clone()),
    }
}

type Entries = Vec<(Box<str>, Value)>;

/// Which keys of a map have been read. Nothing is kept as long as they come sorted.
#[derive(Default)]
struct Keys(Option<HashSet<Box<str>>>);

impl Keys {
    /// Marks a key; true when it is among the `earlier` ones.
    fn again(&mut self, key: &str, earlier: &[(Box<str>, Value)]) -> bool {
        match &mut self.0 {
            Some(keys) => !keys.insert(key.into()),
            None if earlier.last().is_none_or(|(last, _)| &**last < key) => false,
            None => {
                let keys = earlier.iter().map(|(key, _)| key.clone()).collect();
                !self.0.insert(keys).insert(key.into())
            }
        }
    }
}

/// Kinds that Go decodes with an `UnmarshalJSON`, whose errors end the decoding.
fn has_unmarshaler(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Time | Kind::MicroTime | Kind::Duration | Kind::Quantity | Kind::IntOrString
    )
}

/// Kinds that `null` resets even where Go holds them by value.
fn is_slice_or_unmarshaler(kind: Kind) -> bool {
    has_unmarshaler(kind) || matches!(kind, Kind::Bytes | Kind::Strings | Kind::Raw)
}

/// Whether a canonical tree leaves the value out: Go could not tell it from an absent one.
pub(crate) fn vanishes(form: &Form, value: &Value) -> bool {
    match form.shape {
        _ if matches!(form.emit, Emit::Present | Emit::Nullable) => false,
        Shape::Ptr => false,
        Shape::Value => value.is_zero(form.kind) || (form.emit == Emit::NonEmpty && value.is_empty()),
        Shape::List | Shape::Map => form.emit == Emit::NonEmpty && value.is_empty(),
    }
}

/// What Go puts into a list or map for `null`.
pub(crate) fn zero(kind: Kind, ty: TypeId) -> Value {
    match kind {
        Kind::Bool | Kind::SchemaOrBool => Value::Bool(false),
        Kind::Int32 | Kind::Int64 | Kind::IntOrString => Value::Int(0),
        Kind::Float64 => Value::Float(0.0),
        Kind::String => Value::str(""),
        Kind::Struct => Value::Struct(Box::new(Struct::new(ty))),
        Kind::Quantity => Value::str("0"),
        Kind::Duration => Value::str("0s"),
        Kind::Bytes | Kind::Strings | Kind::Time | Kind::MicroTime | Kind::Raw => Value::Null,
        Kind::SchemaOrArray | Kind::SchemaOrStrings | Kind::Any | Kind::Nested => Value::Null,
    }
}
