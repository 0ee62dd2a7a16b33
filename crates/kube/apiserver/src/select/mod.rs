//! Selectors: what list and watch requests leave of a collection.
//!
//! [`LabelSelector`] and [`FieldSelector`] are parsed once a request, with upstream's errors, and compared with the
//! bytes that the cache holds: no object is decoded to be left out.

mod field;
mod label;
mod lexer;
mod parse;
mod selectable;

pub use field::{FieldSelector, ParseError as FieldError};
pub use label::{LabelSelector, Operator, Requirement};
pub use parse::ParseError as LabelError;
pub(crate) use selectable::resolve;

use schema::object::Obj;

/// Both selectors of a request. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `labelSelector`
    pub labels: LabelSelector,
    /// `fieldSelector`
    pub fields: FieldSelector,
}

impl Selection {
    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Obj) -> bool {
        self.labels.matches(|key| object.meta.label(key)) && self.fields.matches(object)
    }
}

#[cfg(test)]
mod tests;
