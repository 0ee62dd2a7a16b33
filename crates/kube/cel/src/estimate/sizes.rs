//! Sizes of values: computed, written out, declared, or of what a name stands for.

use super::{Entries, Estimator, Local, declared};
use crate::check::{Meaning, Name};
use crate::library::Range;
use crate::syntax::ast::{Expr, ExprId, Literal};
use crate::types::Type;

impl Estimator<'_> {
    pub(super) fn common_size(&self, ids: &[ExprId]) -> Range {
        let sizes = ids.iter().map(|id| self.size_or_unknown(*id));
        sizes.reduce(Range::or).unwrap_or(Range::ZERO)
    }

    pub(super) fn copy_sizes(&mut self, to: ExprId, from: ExprId) {
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

    pub(super) fn entries(&self, id: ExprId) -> Option<Entries> {
        let own = self.entries.get(&id).copied();
        own.or_else(|| self.local(id)?.entries)
    }

    pub(super) fn size_or_unknown(&self, id: ExprId) -> Range {
        self.size(id).unwrap_or(Range::UNKNOWN)
    }

    pub(super) fn size(&self, id: ExprId) -> Option<Range> {
        self.sizes[id.index()]
            .or_else(|| literal_size(self.expr(id)))
            .or_else(|| self.decls[id.index()].as_deref().map(declared))
            .or_else(|| is_scalar(self.ty(id)).then_some(Range::ONE))
            .or_else(|| self.local(id)?.size)
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
