//! From a checked expression to a program, node by node.

use super::program::{At, Constant, FoldOp, Mention, Op, Program};
use crate::check::{Checked, Meaning, Name};
use crate::syntax::ast::{ACCUMULATOR, Expr, ExprId, Fold, Item, Literal};
use crate::value::Value;

/// Makes a program of a checked expression.
pub(super) struct Lower<'c> {
    checked: &'c Checked,
    program: &'c mut Program,
}

impl<'c> Lower<'c> {
    pub(super) fn new(checked: &'c Checked, program: &'c mut Program) -> Self {
        Self { checked, program }
    }

    pub(super) fn lower(&mut self, id: ExprId) -> At {
        let op = match self.checked.ast.expr(id) {
            Expr::Error => Op::Literal(Literal::Null),
            Expr::Literal(literal) => Op::Literal(literal.clone()),
            Expr::Ident(name) => self.name(id, name),
            Expr::Select { operand, field, test } => self.select(id, *operand, field, *test),
            Expr::Call {
                function,
                target,
                args,
            } => self.call(id, function, *target, args),
            Expr::List(items) => self.list(items),
            Expr::Map(entries) => {
                let entries = entries.iter();
                Op::Map(
                    entries
                        .map(|entry| (self.lower(entry.key), self.lower(entry.value), entry.optional))
                        .collect(),
                )
            }
            Expr::Struct { name, fields } => {
                let lowered = fields
                    .iter()
                    .map(|field| (field.name.clone(), self.lower(field.value), field.optional));
                Op::Object(name.trim_start_matches('.').into(), lowered.collect())
            }
            Expr::Fold(fold) => self.fold(id, fold),
        };
        self.program.push(op)
    }

    fn meaning(&self, id: ExprId) -> Option<&'c Meaning> {
        self.checked.meanings[id.index()].as_ref()
    }

    fn name(&mut self, id: ExprId, name: &str) -> Op {
        match self.meaning(id) {
            Some(Meaning::Name(Name::Variable(number))) => {
                self.program.mentions[*number] = Mention::Whole;
                Op::Variable(*number, name.into())
            }
            Some(Meaning::Name(Name::Local(slot))) => Op::Local(*slot),
            Some(Meaning::Name(Name::Type(ty))) => Op::Type(ty.clone()),
            _ => Op::Literal(Literal::Null),
        }
    }

    fn select(&mut self, id: ExprId, operand: ExprId, field: &str, test: bool) -> Op {
        if self.meaning(id).is_some() {
            let name = self.checked.ast.qualified_name(id).unwrap_or_default();
            return self.name(id, &name);
        }
        let operand = self.operand(operand, field);
        if test {
            Op::Has(operand, field.into())
        } else {
            Op::Field(operand, field.into())
        }
    }

    /// What a field is read of: of a variable only the field is mentioned.
    fn operand(&mut self, id: ExprId, field: &str) -> At {
        match (self.checked.ast.expr(id), self.meaning(id)) {
            (Expr::Ident(name), Some(Meaning::Name(Name::Variable(number)))) => {
                self.program.mentions[*number].add(field);
                self.program.push(Op::Variable(*number, name.clone()))
            }
            _ => self.lower(id),
        }
    }

    fn call(&mut self, id: ExprId, function: &str, target: Option<ExprId>, args: &[ExprId]) -> Op {
        let (functions, member) = match self.meaning(id) {
            Some(Meaning::Function(functions, _, member)) => (*functions, *member),
            _ => (&[][..], true),
        };
        if function == "_?._" {
            return self.optional_field(args);
        }
        if let Some(op) = self.pattern(function, target, args) {
            return op;
        }
        let target = target.filter(|_| member);
        if let Some(op) = self.accumulate(function, args) {
            return op;
        }
        let args: Vec<At> = target.iter().chain(args).map(|arg| self.lower(*arg)).collect();
        match (function, args.as_slice()) {
            ("_&&_", [one, other]) => Op::And(*one, *other),
            ("_||_", [one, other]) => Op::Or(*one, *other),
            ("_?_:_", [condition, yes, no]) => Op::If(*condition, *yes, *no),
            ("@not_strictly_false", [operand]) => Op::NotStrictlyFalse(*operand),
            ("_[_]", [operand, index]) => Op::Index(*operand, *index),
            ("_[?_]", [operand, index]) => Op::OptionalIndex(*operand, *index),
            ("or", [one, other]) if member => Op::Either(*one, *other),
            ("orValue", [one, other]) if member => Op::ValueOr(*one, *other),
            _ => match functions {
                [only] => Op::Call(only.function, args.into()),
                several => Op::Choose(several, args.into()),
            },
        }
    }

    fn optional_field(&mut self, args: &[ExprId]) -> Op {
        match args {
            [operand, name] => match self.checked.ast.expr(*name) {
                Expr::Literal(Literal::String(field)) => {
                    Op::OptionalField(self.operand(*operand, field), field.clone())
                }
                _ => Op::Literal(Literal::Null),
            },
            _ => Op::Literal(Literal::Null),
        }
    }

    /// A match against a constant pattern.
    fn pattern(&mut self, function: &str, target: Option<ExprId>, args: &[ExprId]) -> Option<Op> {
        let operands: Vec<ExprId> = target.iter().chain(args).copied().collect();
        let ("matches", [text, pattern]) = (function, operands.as_slice()) else {
            return None;
        };
        let Expr::Literal(literal @ Literal::String(pattern)) = self.checked.ast.expr(*pattern) else {
            return None;
        };
        let size = Value::literal(literal).size();
        Some(Op::Matches(
            self.lower(*text),
            Box::new(Constant::new(pattern)),
            size,
        ))
    }

    /// `@result + [item]` and `cel.@mapInsert(@result, …)`, as macros make them.
    fn accumulate(&mut self, function: &str, args: &[ExprId]) -> Option<Op> {
        let slot = match (self.checked.ast.expr(*args.first()?), self.meaning(args[0])) {
            (Expr::Ident(name), Some(Meaning::Name(Name::Local(slot)))) if **name == *ACCUMULATOR => *slot,
            _ => return None,
        };
        match (function, &args[1..]) {
            ("_+_", [list]) => match self.checked.ast.expr(*list) {
                Expr::List(items) => match &**items {
                    [
                        Item {
                            value,
                            optional: false,
                        },
                    ] => Some(Op::Append(slot, self.lower(*value))),
                    _ => None,
                },
                _ => None,
            },
            ("cel.@mapInsert", [key, value]) => {
                let key = self.lower(*key);
                Some(Op::Insert(slot, key, self.lower(*value)))
            }
            ("cel.@mapInsert", [entries]) => Some(Op::InsertAll(slot, self.lower(*entries))),
            _ => None,
        }
    }

    /// A list of constants needs nothing at run time.
    fn list(&mut self, items: &[Item]) -> Op {
        let literals: Option<Box<[Literal]>> = items
            .iter()
            .map(|item| match self.checked.ast.expr(item.value) {
                Expr::Literal(literal) if !item.optional => Some(literal.clone()),
                _ => None,
            })
            .collect();
        match literals {
            Some(literals) => Op::Literals(literals),
            None => Op::List(
                items
                    .iter()
                    .map(|item| (self.lower(item.value), item.optional))
                    .collect(),
            ),
        }
    }

    fn fold(&mut self, id: ExprId, fold: &Fold) -> Op {
        let Some(Meaning::Locals(slot)) = self.meaning(id) else {
            return Op::Literal(Literal::Null);
        };
        Op::Fold(Box::new(FoldOp {
            slot: *slot,
            two: fold.second.is_some(),
            range: self.lower(fold.range),
            init: self.lower(fold.init),
            condition: self.lower(fold.condition),
            step: self.lower(fold.step),
            result: self.lower(fold.result),
        }))
    }
}
