//! The evaluator: a walk over the program's tree that counts what it spends.
//!
//! It ends on any input: loops go over what exists, and each turn costs something.

use std::collections::BTreeMap;

use super::program::{At, FoldOp, Op, Program};
use crate::Error;
use crate::library::{Cost, Declared, Function, index, no_overload, optional_index};
use crate::syntax::ast::Literal;
use crate::value::compare::Key;
use crate::value::{List, Map, Value, characters, key_text};

type Result<T> = std::result::Result<T, Error>;

/// What it costs to look a name up, or a field.
const LOOKUP: u64 = 1;
/// What it costs to make a list.
const LIST: u64 = 10;
/// What it costs to make a map.
const MAP: u64 = 30;
/// What it costs to make an object.
const OBJECT: u64 = 40;

/// One evaluation.
pub(super) struct Run<'r, 'a> {
    program: &'a Program,
    variables: &'r [Option<Value<'a>>],
    /// Local variables by slot. A loop may carry an error along: a later turn can make it irrelevant.
    locals: Vec<Result<Value<'a>>>,
    limit: u64,
    left: u64,
}

impl<'r, 'a> Run<'r, 'a> {
    pub(super) fn new(program: &'a Program, variables: &'r [Option<Value<'a>>], limit: u64) -> Self {
        Self {
            program,
            variables,
            locals: vec![Ok(Value::Null); program.locals],
            limit,
            left: limit,
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
                    Ok(Value::Bool(pattern.is_match(&text)))
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

    fn field(&mut self, operand: At, name: &'a str) -> Result<Value<'a>> {
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

    fn optional_field(&mut self, operand: At, name: &'a str) -> Result<Value<'a>> {
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

    fn has(&mut self, operand: At, name: &'a str) -> Result<Value<'a>> {
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

    fn indexed(&mut self, operand: &Value<'a>, at: &Value<'a>) -> Result<Value<'a>> {
        if let (Value::Map(map), Value::String(name)) = (operand, at)
            && let Some(value) = map.result(name)
        {
            return value;
        }
        index(operand, at)
    }

    /// `&&`, or `||` where `absorbs` is true: an operand that settles the matter makes the other's error irrelevant.
    fn logical(&mut self, one: At, other: At, absorbs: bool) -> Result<Value<'a>> {
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

    fn not_strictly_false(&mut self, operand: At) -> Result<Value<'a>> {
        let value = self.eval(operand);
        self.spend(1)?;
        match value {
            Err(Error::CostLimit) => Err(Error::CostLimit),
            Ok(Value::Bool(false)) => Ok(Value::Bool(false)),
            _ => Ok(Value::Bool(true)),
        }
    }

    fn either(&mut self, one: At, other: At) -> Result<Value<'a>> {
        match self.eval(one)? {
            Value::Optional(None) => self.eval(other),
            first @ Value::Optional(Some(_)) => Ok(first),
            _ => Err(Error::NoSuchOverload),
        }
    }

    fn value_or(&mut self, one: At, other: At) -> Result<Value<'a>> {
        match self.eval(one)? {
            Value::Optional(None) => self.eval(other),
            Value::Optional(Some(value)) => Ok(value.as_ref().clone()),
            _ => Err(Error::NoSuchOverload),
        }
    }

    /// Calls a function. Few have more than three arguments, so no vector is made for fewer.
    fn call(&mut self, function: &'static Function, args: &[At]) -> Result<Value<'a>> {
        match args {
            [one] => {
                let args = [self.eval(*one)?];
                self.apply(function, &args)
            }
            [one, two] => {
                let args = [self.eval(*one)?, self.eval(*two)?];
                self.apply(function, &args)
            }
            args => {
                let args = self.all(args)?;
                self.apply(function, &args)
            }
        }
    }

    fn all(&mut self, args: &[At]) -> Result<Vec<Value<'a>>> {
        args.iter().map(|arg| self.eval(*arg)).collect()
    }

    fn apply(&mut self, function: &Function, args: &[Value<'a>]) -> Result<Value<'a>> {
        // What a call costs is known before it is made, but for the one whose result is what costs.
        if function.cost != Cost::Join {
            self.spend(function.cost.actual(args, &Value::Null))?;
        }
        let result = (function.eval)(args)?;
        if function.cost == Cost::Join {
            self.spend(function.cost.actual(args, &result))?;
        }
        Ok(result)
    }

    fn choose(&mut self, functions: &'static [Declared], args: &[At]) -> Result<Value<'a>> {
        let args = self.all(args)?;
        let fits = |declared: &&Declared| {
            declared
                .signatures
                .iter()
                .any(|signature| signature.accepts(&args))
        };
        match functions.iter().find(fits) {
            Some(declared) => self.apply(declared.function, &args),
            None => {
                let name = functions.first().map_or("", |declared| declared.function.name);
                Err(no_overload(name, &args))
            }
        }
    }

    fn list(&mut self, items: &[(At, bool)]) -> Result<Value<'a>> {
        let mut made = Vec::with_capacity(items.len());
        for (item, optional) in items {
            let value = self.eval(*item)?;
            made.extend(element(value, *optional)?);
        }
        self.spend(LIST)?;
        Ok(Value::list(made))
    }

    fn map(&mut self, entries: &[(At, At, bool)]) -> Result<Value<'a>> {
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

    fn object(&mut self, name: &str, fields: &'a [(Box<str>, At, bool)]) -> Result<Value<'a>> {
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

    fn append(&mut self, slot: usize, item: At) -> Result<Value<'a>> {
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

    fn insert(
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

    fn fold(&mut self, fold: &FoldOp) -> Result<Value<'a>> {
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

/// An element of a list or map; nothing if it is an optional without a value.
fn element<'a>(value: Value<'a>, optional: bool) -> Result<Option<Value<'a>>> {
    match value {
        value if !optional => Ok(Some(value)),
        Value::Optional(value) => Ok(value.map(|value| value.as_ref().clone())),
        _ => Err(Error::NoSuchOverload),
    }
}
