//! Lists, wherever their items lie.

use std::rc::Rc;

use schema::tree;

use super::{Place, Value};
use crate::syntax::ast::Literal;

/// A list.
#[derive(Clone, Debug)]
pub enum List<'a> {
    /// In an object.
    Tree(&'a [tree::Value], Place<'a>),
    /// Constants of a program.
    Literals(&'a [Literal]),
    /// Made by an expression.
    Made(Rc<Vec<Value<'a>>>),
}

impl<'a> List<'a> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Tree(items, _) => items.len(),
            Self::Literals(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item.
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Tree(items, place) => items.get(index).map(|item| place.item().value(item)),
            Self::Literals(items) => items.get(index).map(Value::literal),
            Self::Made(items) => items.get(index).cloned(),
        }
    }

    /// The items.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a, '_> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The item with its index for a key, which may be a double without a fraction.
    pub(crate) fn at(&self, index: i64) -> Option<Value<'a>> {
        self.get(usize::try_from(index).ok()?)
    }

    /// The items in a vector of one's own.
    pub(crate) fn into_vec(self) -> Vec<Value<'a>> {
        match self {
            Self::Made(items) => Rc::try_unwrap(items).unwrap_or_else(|items| items.to_vec()),
            list => list.iter().collect(),
        }
    }
}

impl<'a> Value<'a> {
    /// A program's constant.
    pub(crate) fn literal(literal: &'a Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Int(value) => Self::Int(*value),
            Literal::Uint(value) => Self::Uint(*value),
            Literal::Double(value) => Self::Double(*value),
            Literal::String(text) => Self::str(text),
            Literal::Bytes(bytes) => Self::Bytes(super::Blob::Borrowed(bytes)),
        }
    }
}

impl Place<'_> {
    /// Where the items of the list here are.
    pub(crate) fn item(self) -> Self {
        use crate::types::DeclForm;
        match self.decl.map(|decl| &decl.form) {
            Some(DeclForm::List(items)) => self.with(Some(items)),
            _ => self.with(None),
        }
    }
}
