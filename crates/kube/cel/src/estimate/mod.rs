//! What an expression may cost at most, judged before anything is evaluated (cel-go's `checker.Cost`).
//!
//! Sizes come from declarations (a string's `maxLength`), from constants, and from what functions do to them. The
//! numbers are upstream's to the unit: whether a definition is accepted depends on them.

mod calls;
mod loops;
mod sizes;

use std::collections::HashMap;
use std::sync::Arc;

use crate::check::{Checked, Meaning, Name, Variable};
use crate::library::Range;
use crate::syntax::ast::{Expr, ExprId};
use crate::types::{Decl, Type};

const LOOKUP: Range = Range::ONE;
const LIST: Range = Range::of(10);
const MAP: Range = Range::of(30);
const OBJECT: Range = Range::of(40);

/// What an expression may cost.
pub(crate) fn estimate(checked: &Checked, variables: &[Variable]) -> Range {
    let nodes = checked.ast.nodes.len();
    let mut estimator = Estimator {
        checked,
        variables,
        locals: vec![Local::default(); checked.locals],
        decls: vec![None; nodes],
        sizes: vec![None; nodes],
        entries: HashMap::new(),
    };
    estimator.cost(checked.ast.root())
}

/// The sizes of the keys and values of a map, or of a list's indices and items.
#[derive(Clone, Copy)]
struct Entries {
    list: bool,
    key: Range,
    value: Range,
}

/// What is known of a local variable.
#[derive(Clone, Default)]
struct Local {
    decl: Option<Arc<Decl>>,
    size: Option<Range>,
    entries: Option<Entries>,
}

struct Estimator<'c> {
    checked: &'c Checked,
    variables: &'c [Variable],
    locals: Vec<Local>,
    /// The declarations that nodes lead to.
    decls: Vec<Option<Arc<Decl>>>,
    /// Sizes of results of calls.
    sizes: Vec<Option<Range>>,
    entries: HashMap<ExprId, Entries>,
}

impl<'c> Estimator<'c> {
    fn expr(&self, id: ExprId) -> &'c Expr {
        self.checked.ast.expr(id)
    }

    fn ty(&self, id: ExprId) -> &'c Type {
        &self.checked.types[id.index()]
    }

    fn cost(&mut self, id: ExprId) -> Range {
        match self.expr(id) {
            Expr::Error | Expr::Literal(_) => Range::ZERO,
            Expr::Ident(_) => self.name(id),
            Expr::Select { operand, field, test } => self.select(id, *operand, field, *test),
            Expr::Call {
                function,
                target,
                args,
            } => self.call(id, function, *target, args),
            Expr::List(items) => {
                let items: Vec<ExprId> = items.iter().map(|item| item.value).collect();
                let cost = self.costs(&items);
                let value = self.common_size(&items);
                let entries = Entries {
                    list: true,
                    key: Range::ONE,
                    value,
                };
                self.entries.insert(id, entries);
                cost.plus(LIST)
            }
            Expr::Map(entries) => {
                let keys: Vec<ExprId> = entries.iter().map(|entry| entry.key).collect();
                let values: Vec<ExprId> = entries.iter().map(|entry| entry.value).collect();
                let cost = self.costs(&keys).plus(self.costs(&values));
                let entries = Entries {
                    list: false,
                    key: self.common_size(&keys),
                    value: self.common_size(&values),
                };
                self.entries.insert(id, entries);
                cost.plus(MAP)
            }
            Expr::Struct { fields, .. } => {
                let values: Vec<ExprId> = fields.iter().map(|field| field.value).collect();
                self.costs(&values).plus(OBJECT)
            }
            Expr::Fold(fold) => self.fold(id, fold),
        }
    }

    fn costs(&mut self, ids: &[ExprId]) -> Range {
        ids.iter().fold(Range::ZERO, |sum, id| sum.plus(self.cost(*id)))
    }

    fn name(&mut self, id: ExprId) -> Range {
        self.decls[id.index()] = match &self.checked.meanings[id.index()] {
            Some(Meaning::Name(Name::Variable(number))) => {
                self.variables.get(*number).map(|variable| variable.decl.clone())
            }
            Some(Meaning::Name(Name::Local(slot))) => self.locals[*slot].decl.clone(),
            _ => None,
        };
        LOOKUP
    }

    fn select(&mut self, id: ExprId, operand: ExprId, field: &str, test: bool) -> Range {
        if self.checked.meanings[id.index()].is_some() {
            return self.name(id);
        }
        let cost = self.cost(operand);
        if test {
            return cost;
        }
        let decl = self.decls[operand.index()].clone();
        self.decls[id.index()] = decl.and_then(|decl| decl.field(field));
        match self.ty(operand) {
            Type::Map(_) | Type::Object(_) => cost.plus(LOOKUP),
            _ => cost,
        }
    }
}

fn declared(decl: &Decl) -> Range {
    Range {
        min: 0,
        max: decl.max,
    }
}
