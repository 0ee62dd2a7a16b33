//! What does not evaluate all of its operands: logic, and optionals with something to fall back to.

use super::super::program::At;
use super::{Result, Run};
use crate::Error;
use crate::value::Value;

impl<'a> Run<'_, 'a> {
    /// `&&`, or `||` where `absorbs` is true: an operand that settles the matter makes the other's error irrelevant.
    pub(super) fn logical(&mut self, one: At, other: At, absorbs: bool) -> Result<Value<'a>> {
        let first = self.eval(one);
        match first {
            Ok(Value::Bool(value)) if value == absorbs => return Ok(Value::Bool(value)),
            Err(Error::CostLimit) => return Err(Error::CostLimit),
            _ => {}
        }
        let second = self.eval(other);
        match (first, second) {
            (_, Ok(Value::Bool(value))) if value == absorbs => Ok(Value::Bool(value)),
            (_, Err(Error::CostLimit)) => Err(Error::CostLimit),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(Value::Bool(_)), Ok(Value::Bool(value))) => Ok(Value::Bool(value)),
            _ => Err(Error::NoSuchOverload),
        }
    }

    pub(super) fn not_strictly_false(&mut self, operand: At) -> Result<Value<'a>> {
        let value = self.eval(operand);
        self.spend(1)?;
        match value {
            Err(Error::CostLimit) => Err(Error::CostLimit),
            Ok(Value::Bool(false)) => Ok(Value::Bool(false)),
            _ => Ok(Value::Bool(true)),
        }
    }

    pub(super) fn either(&mut self, one: At, other: At) -> Result<Value<'a>> {
        match self.eval(one)? {
            Value::Optional(None) => self.eval(other),
            first @ Value::Optional(Some(_)) => Ok(first),
            _ => Err(Error::NoSuchOverload),
        }
    }

    pub(super) fn value_or(&mut self, one: At, other: At) -> Result<Value<'a>> {
        match self.eval(one)? {
            Value::Optional(None) => self.eval(other),
            Value::Optional(Some(value)) => Ok(value.as_ref().clone()),
            _ => Err(Error::NoSuchOverload),
        }
    }
}
