//! The evaluator: a walk over the program's tree that counts what it spends.
//!
//! It ends on any input: loops go over what exists, and each turn costs something.

mod call;
mod fields;
mod fold;
mod logic;
mod make;
mod patterns;

use std::rc::Rc;

use regexp::Regexp;

use super::program::{At, Op, Program};
use crate::Error;
use crate::library::{Cost, optional_index};
use crate::value::{List, Value, characters};

type Result<T> = std::result::Result<T, Error>;

/// What it costs to look a name up, or a field.
const LOOKUP: u64 = 1;
/// What it costs to make a list.
const LIST: u64 = 10;

/// One evaluation.
pub(super) struct Run<'r, 'a> {
    program: &'a Program,
    variables: &'r [Option<Value<'a>>],
    /// Local variables by slot. A loop may carry an error along: a later turn can make it irrelevant.
    locals: Vec<Result<Value<'a>>>,
    limit: u64,
    left: u64,
    /// Patterns that were compiled last, by their texts.
    patterns: Vec<(Box<str>, Rc<Regexp>)>,
}

impl<'r, 'a> Run<'r, 'a> {
    pub(super) fn new(program: &'a Program, variables: &'r [Option<Value<'a>>], limit: u64) -> Self {
        Self {
            program,
            variables,
            locals: vec![Ok(Value::Null); program.locals],
            limit,
            left: limit,
            patterns: Vec::new(),
        }
    }

    /// What has been spent so far; more than the limit if that is why it ended.
    pub(super) fn cost(&self) -> u64 {
        self.limit - self.left
    }

    fn spend(&mut self, cost: u64) -> Result<()> {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Error::CostLimit)
            }
        }
    }

    pub(super) fn eval(&mut self, at: At) -> Result<Value<'a>> {
        match self.program.op(at) {
            Op::Literal(literal) => Ok(Value::literal(literal)),
            Op::Local(slot) => self.local(*slot),
            Op::Variable(number, name) => self.variable(*number, name),
            Op::Field(operand, name) => self.field(*operand, name),
            Op::And(one, other) => self.logical(*one, *other, false),
            Op::Or(one, other) => self.logical(*one, *other, true),
            Op::If(condition, yes, no) => match self.eval(*condition)? {
                Value::Bool(true) => self.eval(*yes),
                Value::Bool(false) => self.eval(*no),
                _ => Err(Error::NoSuchOverload),
            },
            Op::Call(function, args) => self.call(function, args),
            Op::Fold(fold) => self.fold(fold),
            op => self.eval_rest(op),
        }
    }

    /// What is rarer; apart, so that the frame of [`Self::eval`] stays small.
    #[inline(never)]
    fn eval_rest(&mut self, op: &'a Op) -> Result<Value<'a>> {
        match op {
            Op::Literals(items) => {
                self.spend(LIST)?;
                Ok(Value::List(List::Literals(items)))
            }
            Op::Type(ty) => {
                self.spend(LOOKUP)?;
                Ok(Value::Type(ty.clone()))
            }
            Op::OptionalField(operand, name) => self.optional_field(*operand, name),
            Op::Has(operand, name) => self.has(*operand, name),
            Op::Index(operand, at) => {
                let operand = self.eval(*operand)?;
                let at = self.eval(*at)?;
                self.spend(LOOKUP)?;
                self.indexed(&operand, &at)
            }
            Op::OptionalIndex(operand, at) => {
                let operand = self.eval(*operand)?;
                let at = self.eval(*at)?;
                self.spend(LOOKUP)?;
                optional_index(&operand, &at)
            }
            Op::NotStrictlyFalse(operand) => self.not_strictly_false(*operand),
            Op::Either(one, other) => self.either(*one, *other),
            Op::ValueOr(one, other) => self.value_or(*one, *other),
            Op::Matches(text, pattern, size) => match self.eval(*text)? {
                Value::String(text) => {
                    self.spend(Cost::matching(characters(&text) as u64, *size))?;
                    pattern.is_match(&text).map(Value::Bool)
                }
                _ => Err(Error::NoSuchOverload),
            },
            Op::Choose(functions, args) => self.choose(functions, args),
            Op::List(items) => self.list(items),
            Op::Map(entries) => self.map(entries),
            Op::Object(name, fields) => self.object(name, fields),
            Op::Append(slot, item) => self.append(*slot, *item),
            Op::Insert(slot, key, value) => {
                let key = self.eval(*key)?;
                let value = self.eval(*value)?;
                self.insert(*slot, [(key, value)])
            }
            Op::InsertAll(slot, entries) => match self.eval(*entries)? {
                Value::Map(map) => self.insert(*slot, map.entries()),
                _ => Err(Error::NoSuchOverload),
            },
            _ => Err(Error::NoSuchOverload),
        }
    }

    fn local(&mut self, slot: usize) -> Result<Value<'a>> {
        self.spend(LOOKUP)?;
        self.locals[slot].clone()
    }

    fn variable(&mut self, number: usize, name: &str) -> Result<Value<'a>> {
        self.spend(LOOKUP)?;
        let value = self.variables.get(number).and_then(Clone::clone);
        value.ok_or_else(|| Error::NoSuchAttribute(name.to_owned()))
    }
}
