//! Names: variables, what macros declare, and types.

use std::sync::Arc;

use crate::types::{Decl, Type};

/// A variable of an environment.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: Box<str>,
    pub(crate) decl: Arc<Decl>,
}

/// What a name means.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    /// The environment's variable of this number.
    Variable(usize),
    /// The local variable in this slot.
    Local(usize),
    /// A type.
    Type(Type),
}

/// Names of types that are values.
const TYPES: &[(&str, Type)] = &[
    ("bool", Type::Bool),
    ("bytes", Type::Bytes),
    ("double", Type::Double),
    ("duration", Type::Duration),
    ("google.protobuf.Duration", Type::Duration),
    ("google.protobuf.Timestamp", Type::Timestamp),
    ("int", Type::Int),
    ("net.CIDR", Type::Opaque("net.CIDR")),
    ("net.IP", Type::Opaque("net.IP")),
    ("null_type", Type::Null),
    ("string", Type::String),
    ("timestamp", Type::Timestamp),
    ("uint", Type::Uint),
];

/// The names that are visible at a place.
pub(super) struct Scope<'c> {
    variables: &'c [Variable],
    locals: Vec<(Box<str>, Type)>,
    most: usize,
}

impl<'c> Scope<'c> {
    pub(super) fn new(variables: &'c [Variable]) -> Self {
        Self {
            variables,
            locals: Vec::new(),
            most: 0,
        }
    }

    /// What a name means, and the type of that.
    pub(super) fn find(&self, name: &str) -> Option<(Name, Type)> {
        let global = name.strip_prefix('.');
        if global.is_none()
            && let Some(slot) = self.locals.iter().rposition(|(local, _)| **local == *name)
        {
            return Some((Name::Local(slot), self.locals[slot].1.clone()));
        }
        let name = global.unwrap_or(name);
        if let Some(at) = self.variables.iter().position(|variable| *variable.name == *name) {
            return Some((Name::Variable(at), self.variables[at].decl.ty()));
        }
        let ty = named_type(name)?;
        Some((Name::Type(ty.clone()), Type::Type(Arc::new(ty))))
    }

    /// Declares a local variable; its slot is what comes back.
    pub(super) fn push(&mut self, name: &str, ty: Type) -> usize {
        self.locals.push((name.into(), ty));
        self.most = self.most.max(self.locals.len());
        self.locals.len() - 1
    }

    pub(super) fn mark(&self) -> usize {
        self.locals.len()
    }

    /// Forgets what was declared since the mark.
    pub(super) fn release(&mut self, mark: usize) {
        self.locals.truncate(mark);
    }

    pub(super) fn most_locals(&self) -> usize {
        self.most
    }
}

fn named_type(name: &str) -> Option<Type> {
    match name {
        "list" => Some(Type::list(Type::Dyn)),
        "map" => Some(Type::map(Type::Dyn, Type::Dyn)),
        "type" => Some(Type::Type(Arc::new(Type::Dyn))),
        "optional_type" => Some(Type::optional(Type::Dyn)),
        name => TYPES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, ty)| ty.clone()),
    }
}
