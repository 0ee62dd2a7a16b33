//! Maps and objects, wherever their entries lie.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use schema::row::TypeId;
use schema::tree;

use super::compare::Key;
use super::{Place, Value};
use crate::Error;
use crate::escape::unescape;
use crate::types::{Decl, DeclForm, Fields, Object, Type};

/// A map or an object.
#[derive(Clone, Debug)]
pub struct Map<'a> {
    source: Source<'a>,
    place: Option<Place<'a>>,
}

/// Where the entries are.
#[derive(Clone, Debug)]
pub(super) enum Source<'a> {
    /// In a map of an object.
    Tree(&'a tree::Map),
    /// In an object with rows.
    Row(&'a tree::Struct),
    /// In an object of this type that has no member.
    Absent(TypeId),
    /// Made by an expression.
    Made(Rc<BTreeMap<Key<'a>, Value<'a>>>),
    /// An object made by an expression, by the name of its type.
    Object(Rc<str>, Rc<BTreeMap<Key<'a>, Value<'a>>>),
    /// Results of other expressions, which may be errors.
    Results(Rc<BTreeMap<Box<str>, Result<Value<'a>, Error>>>),
}

impl<'a> Map<'a> {
    pub(super) fn new(source: Source<'a>, place: Place<'a>) -> Self {
        Self {
            source,
            place: Some(place),
        }
    }

    fn made(source: Source<'a>) -> Self {
        Self { source, place: None }
    }

    /// Results of other expressions: who asks for one that is an error fails with it.
    pub fn results(entries: BTreeMap<Box<str>, Result<Value<'a>, Error>>) -> Self {
        Self::made(Source::Results(Rc::new(entries)))
    }

    /// A map of its own.
    pub(crate) fn of(entries: BTreeMap<Key<'a>, Value<'a>>) -> Self {
        Self::made(Source::Made(Rc::new(entries)))
    }

    /// A map of its own with texts as keys.
    pub fn of_texts<'k>(entries: impl IntoIterator<Item = (&'k str, Value<'a>)>) -> Self {
        let key = |text: &str| Key(Value::owned(text));
        Self::of(
            entries
                .into_iter()
                .map(|(name, value)| (key(name), value))
                .collect(),
        )
    }

    /// An object of its own.
    pub(crate) fn object(name: &str, fields: BTreeMap<Key<'a>, Value<'a>>) -> Self {
        Self::made(Source::Object(name.into(), Rc::new(fields)))
    }

    /// The type's name, where an expression made an object.
    pub fn object_name(&self) -> Option<&str> {
        match &self.source {
            Source::Object(name, _) => Some(name),
            _ => None,
        }
    }

    pub(super) fn ty(&self) -> Type {
        match (&self.source, self.place.and_then(|place| place.decl)) {
            (_, Some(decl)) => decl.ty(),
            (Source::Object(name, _), _) => Type::Object(Arc::new(Object {
                name: (**name).into(),
                fields: Fields::Any,
            })),
            _ => Type::map(Type::Dyn, Type::Dyn),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Tree(map) => match self.declared() {
                Some(_) => self.names().len(),
                None => map.entries().len(),
            },
            Source::Made(entries) | Source::Object(_, entries) => entries.len(),
            Source::Row(_) | Source::Absent(_) => self.names().len(),
            Source::Results(entries) => entries.len(),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys, in their order.
    pub fn keys(&self) -> Vec<Value<'a>> {
        match &self.source {
            Source::Made(entries) | Source::Object(_, entries) => {
                entries.keys().map(|key| key.0.clone()).collect()
            }
            Source::Results(entries) => entries.keys().map(|name| Value::owned(&**name)).collect(),
            _ => self.names().into_iter().map(Value::str).collect(),
        }
    }

    /// The entries, in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a, '_> {
        self.keys().into_iter().filter_map(|key| {
            let value = self.get(&key)?;
            Some((key, value))
        })
    }

    /// The value of a key; an object's fields are its keys.
    pub fn get(&self, key: &Value<'a>) -> Option<Value<'a>> {
        match (&self.source, key) {
            (Source::Made(entries) | Source::Object(_, entries), key) => {
                entries.get(&Key(key.clone())).cloned()
            }
            (_, Value::String(name)) => self.named(name),
            _ => None,
        }
    }

    /// The value of a name.
    pub fn named(&self, name: &str) -> Option<Value<'a>> {
        match &self.source {
            Source::Tree(map) => self.entry(name, self.place?, map),
            Source::Row(object) => self.member(name, self.place?, Some(object), object.ty),
            Source::Absent(ty) => self.member(name, self.place?, None, *ty),
            Source::Results(entries) => entries.get(name)?.clone().ok(),
            Source::Made(_) | Source::Object(..) => None,
        }
    }

    /// The value of a field or of a key that is a constant name.
    pub(crate) fn field(&self, name: &'a str) -> Option<Result<Value<'a>, Error>> {
        match &self.source {
            Source::Results(entries) => entries.get(name).cloned(),
            Source::Made(_) | Source::Object(..) => self.get(&Value::str(name)).map(Ok),
            _ => self.named(name).map(Ok),
        }
    }

    /// Whether there is such a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.source {
            Source::Results(entries) => entries.contains_key(name),
            Source::Made(_) | Source::Object(..) => self.get(&Value::owned(name)).is_some(),
            _ => self.named(name).is_some(),
        }
    }

    /// The value of a name among results.
    pub(crate) fn result(&self, name: &str) -> Option<Result<Value<'a>, Error>> {
        match &self.source {
            Source::Results(entries) => entries.get(name).cloned(),
            _ => None,
        }
    }

    /// The declared object that this is.
    fn declared(&self) -> Option<&'a Object> {
        match &self.place?.decl?.form {
            DeclForm::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The declaration of an entry: none if nothing is declared, nothing if it is not among what is.
    fn entry_decl(&self, name: &str) -> Option<Option<&'a Decl>> {
        match self.place.and_then(|place| place.decl).map(|decl| &decl.form) {
            Some(DeclForm::Object(object)) => match &object.fields {
                Fields::Listed(fields) => fields.get(name).map(|decl| Some(&**decl)),
                _ => Some(None),
            },
            Some(DeclForm::Map(values)) => Some(Some(values)),
            _ => Some(None),
        }
    }

    fn entry(&self, name: &str, place: Place<'a>, map: &'a tree::Map) -> Option<Value<'a>> {
        let decl = self.entry_decl(name)?;
        let value = match self.declared() {
            Some(_) => map.get(&unescape(name))?,
            None => map.get(name)?,
        };
        Some(place.with(decl).value(value))
    }

    fn member(
        &self,
        name: &str,
        place: Place<'a>,
        object: Option<&'a tree::Struct>,
        ty: TypeId,
    ) -> Option<Value<'a>> {
        let decl = self.entry_decl(name)?;
        let name = match self.declared() {
            Some(_) => unescape(name),
            None => name.into(),
        };
        let Some(slot) = place.types.slot(ty, &name, 0) else {
            let rest = object?.get(place.types.rest(ty)?)?.as_map()?;
            return rest.get(&name).map(|value| place.with(decl).value(value));
        };
        match object.and_then(|object| object.get(slot)) {
            Some(value) => Some(place.with(decl).value(value)),
            None => {
                let field = &place.types.fields(ty)[slot];
                place.absent(field, place.types.form(field))
            }
        }
    }

    /// The names of entries that lie in a tree.
    fn names(&self) -> Vec<&'a str> {
        let Some(place) = self.place else {
            return Vec::new();
        };
        if let Some(Object {
            fields: Fields::Listed(fields),
            ..
        }) = self.declared()
        {
            let there = |name: &&str| self.named(name).is_some();
            return fields.keys().map(|name| &**name).filter(there).collect();
        }
        match &self.source {
            Source::Tree(map) => map.entries().iter().map(|(key, _)| &**key).collect(),
            Source::Row(object) => self.members(place, object.ty, Some(object)),
            Source::Absent(ty) => self.members(place, *ty, None),
            Source::Made(_) | Source::Object(..) | Source::Results(_) => Vec::new(),
        }
    }

    fn members(&self, place: Place<'a>, ty: TypeId, object: Option<&'a tree::Struct>) -> Vec<&'a str> {
        let fields = place.types.fields(ty);
        let shown = fields.iter().enumerate().filter(|(slot, field)| {
            object.is_some_and(|object| object.get(*slot).is_some())
                || place.absent(field, place.types.form(field)).is_some()
        });
        let mut names: Vec<&str> = shown.map(|(_, field)| place.types.name(field.json)).collect();
        let rest = place.types.rest(ty).and_then(|slot| object?.get(slot)?.as_map());
        names.extend(
            rest.into_iter()
                .flat_map(|map| map.entries())
                .map(|(key, _)| &**key),
        );
        names.sort_unstable();
        names
    }

    /// The entries to add to, without a copy where nobody else holds them.
    pub(crate) fn into_entries(self) -> BTreeMap<Key<'a>, Value<'a>> {
        match self.source {
            Source::Made(entries) | Source::Object(_, entries) => {
                Rc::try_unwrap(entries).unwrap_or_else(|entries| entries.as_ref().clone())
            }
            _ => self.entries().map(|(key, value)| (Key(key), value)).collect(),
        }
    }
}
