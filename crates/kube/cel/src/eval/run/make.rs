//! Lists, maps and objects that are made, at once or item by item.

use std::collections::BTreeMap;

use super::super::program::At;
use super::{LIST, LOOKUP, Result, Run};
use crate::Error;
use crate::value::compare::Key;
use crate::value::{Map, Value, key_text};

/// What it costs to make a map.
const MAP: u64 = 30;
/// What it costs to make an object.
const OBJECT: u64 = 40;

impl<'a> Run<'_, 'a> {
    pub(super) fn list(&mut self, items: &[(At, bool)]) -> Result<Value<'a>> {
        let mut made = Vec::with_capacity(items.len());
        for (item, optional) in items {
            let value = self.eval(*item)?;
            made.extend(element(value, *optional)?);
        }
        self.spend(LIST)?;
        Ok(Value::list(made))
    }

    pub(super) fn map(&mut self, entries: &[(At, At, bool)]) -> Result<Value<'a>> {
        let mut made = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = self.eval(*key)?;
            let value = self.eval(*value)?;
            if !matches!(
                key,
                Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_)
            ) {
                return Err(Error::text(format!(
                    "unsupported key type: {}",
                    crate::library::type_name(&key)
                )));
            }
            if let Some(value) = element(value, *optional)? {
                made.insert(Key(key), value);
            }
        }
        self.spend(MAP)?;
        Ok(Value::Map(Map::of(made)))
    }

    pub(super) fn object(&mut self, name: &str, fields: &'a [(Box<str>, At, bool)]) -> Result<Value<'a>> {
        let mut made = BTreeMap::new();
        for (field, value, optional) in fields {
            let value = self.eval(*value)?;
            if let Some(value) = element(value, *optional)? {
                made.insert(Key(Value::str(field)), value);
            }
        }
        self.spend(OBJECT)?;
        Ok(Value::Map(Map::object(name, made)))
    }

    /// What is in a slot, which is going to be replaced by what is made of it.
    fn take(&mut self, slot: usize) -> Result<Value<'a>> {
        std::mem::replace(&mut self.locals[slot], Ok(Value::Null))
    }

    pub(super) fn append(&mut self, slot: usize, item: At) -> Result<Value<'a>> {
        let item = self.eval(item)?;
        self.spend(LOOKUP + LIST + 1)?;
        match self.take(slot)? {
            Value::List(list) => {
                let mut items = list.into_vec();
                items.push(item);
                Ok(Value::list(items))
            }
            _ => Err(Error::NoSuchOverload),
        }
    }

    pub(super) fn insert(
        &mut self,
        slot: usize,
        entries: impl IntoIterator<Item = (Value<'a>, Value<'a>)>,
    ) -> Result<Value<'a>> {
        self.spend(LOOKUP + 1)?;
        let Value::Map(map) = self.take(slot)? else {
            return Err(Error::NoSuchOverload);
        };
        let mut made = map.into_entries();
        for (key, value) in entries {
            let text = key_text(&key);
            if made.insert(Key(key), value).is_some() {
                return Err(Error::text(format!("insert failed: key {text} already exists")));
            }
        }
        Ok(Value::Map(Map::of(made)))
    }
}

/// An element of a list or map; nothing if it is an optional without a value.
fn element<'a>(value: Value<'a>, optional: bool) -> Result<Option<Value<'a>>> {
    match value {
        value if !optional => Ok(Some(value)),
        Value::Optional(value) => Ok(value.map(|value| value.as_ref().clone())),
        _ => Err(Error::NoSuchOverload),
    }
}
