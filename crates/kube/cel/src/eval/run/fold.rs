//! Loops: they go over what exists, and each turn costs something.

use super::super::program::{FoldOp, Op};
use super::{Result, Run};
use crate::Error;
use crate::syntax::ast::Literal;
use crate::value::Value;

impl<'a> Run<'_, 'a> {
    pub(super) fn fold(&mut self, fold: &FoldOp) -> Result<Value<'a>> {
        let range = self.eval(fold.range)?;
        self.locals[fold.slot] = self.eval(fold.init);
        match range {
            Value::List(list) => {
                for (number, item) in list.iter().enumerate() {
                    let number = Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
                    if !self.turn(fold, number, item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for key in map.keys() {
                    let value = if fold.two { map.get(&key) } else { None };
                    if !self.turn(fold, key.clone(), value.unwrap_or(key))? {
                        break;
                    }
                }
            }
            _ => return Err(Error::NoSuchOverload),
        }
        self.eval(fold.result)
    }

    /// One turn of a loop; whether there may be another.
    fn turn(&mut self, fold: &FoldOp, key: Value<'a>, value: Value<'a>) -> Result<bool> {
        if fold.two {
            self.locals[fold.slot + 1] = Ok(key);
            self.locals[fold.slot + 2] = Ok(value);
        } else {
            self.locals[fold.slot + 1] = Ok(value);
        }
        if let Value::Bool(false) = self.eval(fold.condition)? {
            return Ok(false);
        }
        let next = self.eval(fold.step);
        if next == Err(Error::CostLimit) {
            return Err(Error::CostLimit);
        }
        // Where nothing absorbs an error, nothing that follows matters.
        let absorbs = !matches!(self.program.op(fold.condition), Op::Literal(Literal::Bool(true)));
        let failed = next.is_err();
        self.locals[fold.slot] = next;
        Ok(absorbs || !failed)
    }
}
