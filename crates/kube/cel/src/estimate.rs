//! What an expression may cost at most, judged before anything is evaluated (cel-go's `checker.Cost`).
//!
//! Sizes come from declarations (a string's `maxLength`), from constants, and from what functions do to them. The
//! numbers are upstream's to the unit: whether a definition is accepted depends on them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::check::{Checked, Meaning, Name, Variable};
use crate::library::{Argument, Range};
use crate::syntax::ast::{ACCUMULATOR, Expr, ExprId, Fold, Literal};
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

    fn common_size(&self, ids: &[ExprId]) -> Range {
        let sizes = ids.iter().map(|id| self.size_or_unknown(*id));
        sizes.reduce(Range::or).unwrap_or(Range::ZERO)
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

    fn call(&mut self, id: ExprId, function: &str, target: Option<ExprId>, args: &[ExprId]) -> Range {
        if function == "dyn" && target.is_none() {
            let cost = self.costs(args);
            if let [arg] = args {
                self.copy_sizes(id, *arg);
            }
            return cost.plus(Range::ONE);
        }
        let Some(Meaning::Function(_, row, member)) = &self.checked.meanings[id.index()] else {
            // An optional's field.
            return self.costs(args).plus(Range::ONE);
        };
        let operands: Vec<ExprId> = target
            .filter(|_| *member)
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let costs: Vec<Range> = operands.iter().map(|operand| self.cost(*operand)).collect();
        let sum = costs.iter().fold(Range::ZERO, |sum, cost| sum.plus(*cost));
        match (function, costs.as_slice()) {
            ("_&&_" | "_||_", [one, other]) => Range {
                min: one.min,
                max: one.plus(*other).max,
            },
            ("_?_:_", [condition, yes, no]) => {
                self.branches(id, operands[1], operands[2]);
                condition.plus(yes.or(*no))
            }
            ("_[_]", _) => {
                self.element(id, operands[0]);
                sum.plus(Range::ONE)
            }
            _ => {
                let arguments: Vec<Argument> =
                    operands.iter().map(|operand| self.argument(*operand)).collect();
                let estimate = row.cost.estimate(&arguments);
                if function == "_+_" {
                    self.both_entries(id, operands[0], operands[1]);
                }
                self.sizes[id.index()] = estimate.size.or_else(|| self.size(id));
                sum.plus(estimate.cost)
            }
        }
    }

    /// A value is the one or the other.
    fn branches(&mut self, id: ExprId, yes: ExprId, no: ExprId) {
        let size = self.size_or_unknown(yes).or(self.size_or_unknown(no));
        self.sizes[id.index()] = Some(size);
        self.both_entries(id, yes, no);
    }

    fn both_entries(&mut self, id: ExprId, one: ExprId, other: ExprId) {
        if let (Some(one), Some(other)) = (self.entries(one), self.entries(other)) {
            let entries = Entries {
                list: one.list,
                key: one.key.or(other.key),
                value: one.value.or(other.value),
            };
            self.entries.insert(id, entries);
        }
    }

    /// A value is an item of a list or a value of a map.
    fn element(&mut self, id: ExprId, operand: ExprId) {
        self.decls[id.index()] = self.decls[operand.index()]
            .as_ref()
            .and_then(|decl| decl.element());
        let size = self.entries(operand).map(|entries| entries.value);
        self.sizes[id.index()] = size.or_else(|| self.size(id));
    }

    fn argument(&self, id: ExprId) -> Argument {
        let element = self.decls[id.index()].as_ref().and_then(|decl| decl.element());
        Argument {
            ty: self.ty(id).clone(),
            size: self.size_or_unknown(id),
            item: element.map_or(Range::UNKNOWN, |decl| declared(&decl)),
            constant: match self.expr(id) {
                Expr::Literal(Literal::Int(value)) => Some(*value),
                _ => None,
            },
        }
    }

    fn fold(&mut self, id: ExprId, fold: &Fold) -> Range {
        let Some(Meaning::Locals(slot)) = self.checked.meanings[id.index()] else {
            return Range::ZERO;
        };
        let before = self.cost(fold.range).plus(self.cost(fold.init));
        self.locals[slot] = Local {
            decl: self.decls[fold.init.index()].clone(),
            size: self.size(fold.init),
            entries: self.entries(fold.init),
        };
        if self.is_binding(fold) {
            let cost = before.plus(self.cost(fold.result));
            self.copy_sizes(id, fold.result);
            return cost;
        }
        self.loop_variables(slot, fold);
        let turn = self.cost(fold.condition).plus(self.cost(fold.step));
        let result = self.cost(fold.result);
        let count = self.size_or_unknown(fold.range);
        match self.expr(fold.init) {
            Expr::Literal(_) => self.sizes[id.index()] = self.size(fold.init),
            Expr::List(_) | Expr::Map(_) => {
                self.sizes[id.index()] = Some(count);
                if let Some(entries) = self.entries(fold.step) {
                    self.entries.insert(id, entries);
                }
            }
            _ => {}
        }
        before.plus(result).plus(count.times(turn))
    }

    /// A loop over nothing only gives a value a name.
    fn is_binding(&self, fold: &Fold) -> bool {
        matches!(self.expr(fold.range), Expr::List(items) if items.is_empty())
            && matches!(self.expr(fold.condition), Expr::Literal(Literal::Bool(false)))
            && *fold.accumulator != *ACCUMULATOR
    }

    fn loop_variables(&mut self, slot: usize, fold: &Fold) {
        let entries = self.entries(fold.range);
        let is_list = entries.map_or(matches!(self.ty(fold.range), Type::List(_)), |entries| {
            entries.list
        });
        let decl = self.decls[fold.range.index()].clone();
        let key = Local {
            decl: None,
            size: entries
                .map(|entries| entries.key)
                .or_else(|| decl.as_ref().filter(|_| !is_list).map(|_| KEY)),
            entries: None,
        };
        let value = Local {
            decl: decl.and_then(|decl| decl.element()),
            size: entries.map(|entries| entries.value),
            entries: None,
        };
        match (&fold.second, is_list) {
            (Some(_), _) => {
                self.locals[slot + 1] = key;
                self.locals[slot + 2] = value;
            }
            (None, true) => self.locals[slot + 1] = value,
            (None, false) => self.locals[slot + 1] = key,
        }
    }

    fn copy_sizes(&mut self, to: ExprId, from: ExprId) {
        self.sizes[to.index()] = self.size(from);
        if let Some(entries) = self.entries(from) {
            self.entries.insert(to, entries);
        }
    }

    fn local(&self, id: ExprId) -> Option<&Local> {
        match (self.expr(id), &self.checked.meanings[id.index()]) {
            (Expr::Ident(_), Some(Meaning::Name(Name::Local(slot)))) => Some(&self.locals[*slot]),
            _ => None,
        }
    }

    fn entries(&self, id: ExprId) -> Option<Entries> {
        let own = self.entries.get(&id).copied();
        own.or_else(|| self.local(id)?.entries)
    }

    fn size_or_unknown(&self, id: ExprId) -> Range {
        self.size(id).unwrap_or(Range::UNKNOWN)
    }

    fn size(&self, id: ExprId) -> Option<Range> {
        self.sizes[id.index()]
            .or_else(|| literal_size(self.expr(id)))
            .or_else(|| self.decls[id.index()].as_deref().map(declared))
            .or_else(|| is_scalar(self.ty(id)).then_some(Range::ONE))
            .or_else(|| self.local(id)?.size)
    }
}

/// The size of a declared map's keys: upstream's declaration of them bounds them by nothing, which its estimates
/// take for zero.
const KEY: Range = Range::ZERO;

fn declared(decl: &Decl) -> Range {
    Range {
        min: 0,
        max: decl.max,
    }
}

fn literal_size(expr: &Expr) -> Option<Range> {
    let size = match expr {
        Expr::Literal(Literal::String(text)) => text.chars().count(),
        Expr::Literal(Literal::Bytes(bytes)) => bytes.len(),
        Expr::Literal(_) => 1,
        Expr::List(items) => items.len(),
        Expr::Map(entries) => entries.len(),
        _ => return None,
    };
    Some(Range::of(size as u64))
}

fn is_scalar(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Bool | Type::Int | Type::Uint | Type::Double | Type::Duration | Type::Timestamp
    )
}
