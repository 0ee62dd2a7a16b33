//! JSON → tree, in one pass over the bytes and the row.
//!
//! The pass drops unknown members, reports unknown and duplicate ones with their paths, keeps
//! going after a type error (upstream answers with the first one) and makes a canonical tree.
//! Member names are compared exactly, as `sigs.k8s.io/json` does.

use super::reader::{Reader, SyntaxError, Token};
use super::report::{Issue, IssueKind, MAX_ISSUES};
use super::text::read_raw;
use crate::MAX_TREE_DEPTH;
use crate::row::{Emit, Field, Form, Kind, NameId, Shape, TypeId, Types};
use crate::scalar;
use crate::tree::{Map, Struct, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// How to decode.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Collect [`Issue`]s (`fieldValidation` `Warn` and `Strict`).
    pub report: bool,
    /// The largest accepted input in bytes; upstream's request limit is 3 MiB.
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            report: false,
            max_bytes: 3 << 20,
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
        Some(error) => Err(DecodeError::Value(error)),
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
    path: Vec<Step<'a>>,
    /// The struct whose member is being read: Go names it in type errors.
    owner: Option<TypeId>,
    error: Option<String>,
}

type Scanned<T> = Result<T, SyntaxError>;

impl<'a> Decoder<'a> {
    fn new(types: &'a Types, json: &'a [u8], options: Options) -> Self {
        Self {
            types,
            reader: Reader::new(json),
            report: options.report,
            issues: Vec::new(),
            path: Vec::new(),
            owner: None,
            error: None,
        }
    }

    fn document(&mut self, ty: TypeId) -> Scanned<Struct> {
        let (package, name) = self.types.type_name(ty);
        let go = format!("{}.{name}", package.rsplit('/').next().unwrap_or(package));
        let object = self.one(Kind::Struct, ty, &go)?;
        self.reader.end()?;
        Ok(match object {
            Some(Value::Struct(object)) => *object,
            _ => Struct::new(ty),
        })
    }

    fn object(&mut self, ty: TypeId) -> Scanned<Struct> {
        let types = self.types;
        if self.path.len() > MAX_TREE_DEPTH {
            return Err(SyntaxError::Depth);
        }
        let mut object = Struct::new(ty);
        let mut seen = Seen::default();
        let (mut first, mut hint) = (true, 0);
        let outer = self.owner.replace(ty);
        while let Some(key) = self.reader.key(std::mem::take(&mut first))? {
            match types.slot(ty, &key, hint) {
                Some(slot) => {
                    hint = slot + 1;
                    self.member(&mut object, &types.fields(ty)[slot], slot, seen.again(slot))?;
                }
                None => self.unknown(key)?,
            }
        }
        self.owner = outer;
        Ok(object)
    }

    fn member(&mut self, object: &mut Struct, field: &Field, slot: usize, again: bool) -> Scanned<()> {
        self.path.push(Step::Field(field.json));
        if again {
            self.issue(IssueKind::Duplicate);
        }
        let form = self.types.form(field);
        match self.field(field, form)? {
            Some(value) if !vanishes(form, &value) => object.set(slot, value),
            _ if again => drop(object.remove(slot)),
            _ => {}
        }
        self.path.pop();
        Ok(())
    }

    fn unknown(&mut self, key: Cow<'a, str>) -> Scanned<()> {
        if self.report {
            self.path.push(Step::Key(key));
            self.issue(IssueKind::Unknown);
            self.path.pop();
        }
        self.reader.skip()
    }

    /// A member's value; nothing for `null` and for what was of the wrong type.
    fn field(&mut self, field: &Field, form: &Form) -> Scanned<Option<Value>> {
        let go = self.types.name(field.go);
        match form.shape {
            Shape::Value | Shape::Ptr => self.one(form.kind, field.ty, go),
            Shape::List => self.list(form.kind, field.ty, go),
            Shape::Map => self.map(form.kind, field.ty, go),
        }
    }

    fn list(&mut self, kind: Kind, ty: TypeId, go: &str) -> Scanned<Option<Value>> {
        if !self.expect(Token::Array, go)? {
            return Ok(None);
        }
        let element = go.strip_prefix("[]").unwrap_or(go);
        let mut items = Vec::new();
        while self.reader.element(items.is_empty())? {
            self.path.push(Step::Index(items.len()));
            items.push(self.one(kind, ty, element)?.unwrap_or_else(|| zero(kind, ty)));
            self.path.pop();
        }
        Ok(Some(Value::List(items)))
    }

    fn map(&mut self, kind: Kind, ty: TypeId, go: &str) -> Scanned<Option<Value>> {
        if !self.expect(Token::Object, go)? {
            return Ok(None);
        }
        let element = go.split_once(']').map_or(go, |(_, element)| element);
        let mut entries: Vec<(Box<str>, Value)> = Vec::new();
        while let Some(key) = self.reader.key(entries.is_empty())? {
            self.path.push(Step::Key(key));
            let value = self.one(kind, ty, element)?.unwrap_or_else(|| zero(kind, ty));
            if let Some(Step::Key(key)) = self.path.pop() {
                entries.push((key.into(), value));
            }
        }
        if self.report {
            self.duplicate_keys(&entries);
        }
        Ok(Some(Value::Map(Box::new(Map::from_entries(entries)))))
    }

    fn duplicate_keys(&mut self, entries: &[(Box<str>, Value)]) {
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            return;
        }
        let mut keys: Vec<&str> = entries.iter().map(|(key, _)| &**key).collect();
        keys.sort_unstable();
        for pair in keys.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.path.push(Step::Key(Cow::Owned(pair[0].to_owned())));
            self.issue(IssueKind::Duplicate);
            self.path.pop();
        }
    }

    /// Looks for a container; false, with the value skipped, when something else is there.
    fn expect(&mut self, token: Token, go: &str) -> Scanned<bool> {
        let found = self.reader.peek()?;
        if found == token {
            return Ok(true);
        }
        if found != Token::Null {
            self.mismatch(found.word(), go);
        }
        self.reader.skip()?;
        Ok(false)
    }

    /// One value of a kind. `go` is the Go type for errors.
    fn one(&mut self, kind: Kind, ty: TypeId, go: &str) -> Scanned<Option<Value>> {
        if kind == Kind::Raw {
            let raw = read_raw(&mut self.reader)?;
            return Ok((raw.as_str() != "null").then_some(Value::Raw(raw)));
        }
        let token = self.reader.peek()?;
        match (kind, token) {
            (_, Token::Null) => {
                self.reader.null()?;
                Ok(None)
            }
            (Kind::Struct, Token::Object) => Ok(Some(Value::Struct(Box::new(self.object(ty)?)))),
            (Kind::Strings, _) => self.list(Kind::String, ty, "[]string"),
            (Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings, _) => {
                self.schema_or(kind, ty, token)
            }
            (Kind::Struct, _) => self.wrong(token, go),
            _ => self.scalar(kind, token, go),
        }
    }

    fn schema_or(&mut self, kind: Kind, ty: TypeId, token: Token) -> Scanned<Option<Value>> {
        match (kind, token) {
            (_, Token::Object) => Ok(Some(Value::Struct(Box::new(self.object(ty)?)))),
            (Kind::SchemaOrArray, Token::Array) => self.list(Kind::Struct, ty, "[]v1.JSONSchemaProps"),
            (Kind::SchemaOrStrings, Token::Array) => self.list(Kind::String, ty, "[]string"),
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
            (Kind::IntOrString, Token::Number) => self.number(Kind::Int32, "int32"),
            (Kind::IntOrString, _) => self.wrong(token, "int32"),
            (Kind::Quantity, Token::Number) => {
                let text = self.reader.number()?;
                Ok(self.text(kind, text))
            }
            (Kind::Quantity, Token::String) | (Kind::Bytes, Token::String) => self.string(kind),
            (Kind::Quantity, _) => self.refuse(scalar::quantity::FORMAT),
            (Kind::Time | Kind::MicroTime | Kind::Duration, Token::String) => self.string(kind),
            (Kind::Time | Kind::MicroTime | Kind::Duration, _) => self.wrong(token, "string"),
            _ => self.wrong(token, go),
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
            self.save(message);
            None
        })
    }

    fn number(&mut self, kind: Kind, go: &str) -> Scanned<Option<Value>> {
        let text = self.reader.number()?;
        let value = match kind {
            Kind::Float64 => text
                .parse()
                .ok()
                .filter(|f: &f64| f.is_finite())
                .map(Value::Float),
            Kind::Int32 => text.parse::<i32>().ok().map(|int| Value::Int(int.into())),
            _ => text.parse().ok().map(Value::Int),
        };
        if value.is_none() {
            self.mismatch(&format!("number {text}"), go);
        }
        Ok(value)
    }

    fn wrong(&mut self, token: Token, go: &str) -> Scanned<Option<Value>> {
        self.mismatch(token.word(), go);
        self.reader.skip()?;
        Ok(None)
    }

    fn refuse(&mut self, message: &str) -> Scanned<Option<Value>> {
        self.save(message.to_owned());
        self.reader.skip()?;
        Ok(None)
    }

    fn save(&mut self, message: String) {
        self.error.get_or_insert(message);
    }

    /// Go's text for JSON of the wrong type; its path has the members only, not keys and indexes.
    fn mismatch(&mut self, value: &str, go: &str) {
        if self.error.is_some() {
            return;
        }
        let members = self.path.iter().filter_map(|step| match step {
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
        self.save(format!(
            "json: cannot unmarshal {value} into Go {place} of type {go}"
        ));
    }

    /// Records an issue at the current path.
    fn issue(&mut self, kind: IssueKind) {
        if !self.report || self.issues.len() >= MAX_ISSUES {
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

/// Whether a canonical tree leaves the value out: Go could not tell it from an absent one.
pub(crate) fn vanishes(form: &Form, value: &Value) -> bool {
    match form.shape {
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
        Kind::SchemaOrArray | Kind::SchemaOrStrings => Value::Null,
    }
}
