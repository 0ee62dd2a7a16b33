//! Calls: what their operands cost, and what the function does with them.

use super::{Entries, Estimator, declared};
use crate::check::Meaning;
use crate::library::{Argument, Range};
use crate::syntax::ast::{Expr, ExprId, Literal};

impl Estimator<'_> {
    pub(super) fn call(
        &mut self,
        id: ExprId,
        function: &str,
        target: Option<ExprId>,
        args: &[ExprId],
    ) -> Range {
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
}
