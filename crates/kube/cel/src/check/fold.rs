//! Loops, and the names that live in them.

use super::{Checker, Meaning};
use crate::syntax::ast::{ExprId, Fold};
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn fold(&mut self, id: ExprId, fold: &Fold) -> Type {
        let range = self.check(fold.range);
        let accumulator = self.check(fold.init);
        let range = self.bindings.resolve(&range, false);
        let mark = self.scope.mark();
        let first = self.scope.push(&fold.accumulator, accumulator.clone());
        self.meanings[id.index()] = Some(Meaning::Locals(first));
        let (one, two) = self.loop_types(fold, &range);
        let inner = self.scope.mark();
        match &fold.second {
            None => {
                self.scope
                    .push(&fold.var, if matches!(range, Type::List(_)) { two } else { one });
            }
            Some(second) => {
                self.scope.push(&fold.var, one);
                self.scope.push(second, two);
            }
        }
        let condition = self.check(fold.condition);
        self.assert(fold.condition, &Type::Bool, &condition);
        let step = self.check(fold.step);
        self.assert(fold.step, &accumulator, &step);
        self.scope.release(inner);
        let result = self.check(fold.result);
        self.scope.release(mark);
        self.bindings.resolve(&result, false)
    }

    /// The types of keys or indices, and of values or items.
    fn loop_types(&mut self, fold: &Fold, range: &Type) -> (Type, Type) {
        match range {
            Type::List(item) => (Type::Int, (**item).clone()),
            Type::Map(entry) => (**entry).clone(),
            Type::Dyn | Type::Error | Type::Var(_) => {
                self.bindings.assignable(&Type::Dyn, range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.at(fold.range, message);
                (Type::Error, Type::Error)
            }
        }
    }

    fn assert(&mut self, id: ExprId, wanted: &Type, found: &Type) {
        if !self.bindings.assignable(wanted, found) {
            self.mismatch(id, wanted, found);
        }
    }
}
