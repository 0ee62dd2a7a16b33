//! Loops: each turn costs what its condition and step cost, as often as the range is long.

use super::{Estimator, Local};
use crate::check::Meaning;
use crate::library::Range;
use crate::syntax::ast::{ACCUMULATOR, Expr, ExprId, Fold, Literal};
use crate::types::Type;

/// The size of a declared map's keys: upstream's declaration of them bounds them by nothing, which its estimates
/// take for zero.
const KEY: Range = Range::ZERO;

impl Estimator<'_> {
    pub(super) fn fold(&mut self, id: ExprId, fold: &Fold) -> Range {
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
}
