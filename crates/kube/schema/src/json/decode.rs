//! JSON → tree, in one pass over the bytes and the row.
//!
//! The pass drops unknown members, reports unknown and duplicate ones with their paths, keeps
//! going after a type error (upstream answers with the first one) and makes a canonical tree.
//! Member names are compared exactly, as `sigs.k8s.io/json` does.

mod errors;
mod seen;
mod value;
mod zero;

pub(crate) use zero::{vanishes, zero};

use super::reader::{Reader, SyntaxError, Token};
use super::report::{Issue, IssueKind};
use super::untyped;
use crate::row::{Emit, Field, Form, Kind, NameId, Shape, TypeId, Types};
use crate::tree::{Map, Struct, Value};
use crate::{MAX_REQUEST_BYTES, MAX_TREE_DEPTH};
use errors::{Failure, custom_order};
use seen::{Keys, Seen};
use std::borrow::Cow;
use zero::{has_unmarshaler, is_slice_or_unmarshaler};

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
        while let Some(key) = self.reader.skip_key(std::mem::take(&mut first))? {
            match types.slot_of(ty, &key.name(), hint) {
                Some(slot) => {
                    hint = slot + 1;
                    self.member(&mut object, &types.fields(ty)[slot], slot, seen.again(slot))?;
                }
                None if types.marks(ty).open => self.entry(key.read(), &mut rest, &mut keys)?,
                None => self.unknown(key.read())?,
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
}

type Entries = Vec<(Box<str>, Value)>;
