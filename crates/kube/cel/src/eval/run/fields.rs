//! Fields of maps, objects and optionals, and whether they are there.

use super::super::program::At;
use super::{LOOKUP, Result, Run};
use crate::Error;
use crate::library::index;
use crate::value::Value;

impl<'a> Run<'_, 'a> {
    pub(super) fn field(&mut self, operand: At, name: &'a str) -> Result<Value<'a>> {
        let operand = self.eval(operand)?;
        self.spend(LOOKUP)?;
        self.field_of(&operand, name)
    }

    fn field_of(&mut self, operand: &Value<'a>, name: &'a str) -> Result<Value<'a>> {
        match operand {
            Value::Map(map) => map
                .field(name)
                .unwrap_or_else(|| Err(Error::NoSuchKey(name.to_owned()))),
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(operand)) => self.optional_field_of(operand, name),
            Value::List(_) => Err(Error::text("unsupported index type 'string' in list")),
            _ => Err(Error::NoSuchOverload),
        }
    }

    pub(super) fn optional_field(&mut self, operand: At, name: &'a str) -> Result<Value<'a>> {
        let operand = self.eval(operand)?;
        self.spend(LOOKUP)?;
        self.optional_field_of(&operand, name)
    }

    fn optional_field_of(&mut self, operand: &Value<'a>, name: &'a str) -> Result<Value<'a>> {
        match operand {
            Value::Map(map) => match map.field(name) {
                Some(value) => value.map(Value::some),
                None => Ok(Value::Optional(None)),
            },
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(operand)) => self.optional_field_of(operand, name),
            _ => Err(Error::NoSuchOverload),
        }
    }

    pub(super) fn has(&mut self, operand: At, name: &'a str) -> Result<Value<'a>> {
        match self.eval(operand)? {
            Value::Map(map) => Ok(Value::Bool(map.has(name))),
            Value::Optional(None) => Ok(Value::Bool(false)),
            Value::Optional(Some(value)) => match &*value {
                Value::Map(map) => Ok(Value::Bool(map.has(name))),
                _ => Err(Error::NoSuchOverload),
            },
            _ => Err(Error::NoSuchOverload),
        }
    }

    pub(super) fn indexed(&mut self, operand: &Value<'a>, at: &Value<'a>) -> Result<Value<'a>> {
        if let (Value::Map(map), Value::String(name)) = (operand, at)
            && let Some(value) = map.result(name)
        {
            return value;
        }
        index(operand, at)
    }
}
