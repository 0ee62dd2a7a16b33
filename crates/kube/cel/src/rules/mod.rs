//! `x-kubernetes-validations`: rules in the schema of a custom resource.
//!
//! [`Rules::compile`] walks a schema once and keeps the nodes that have rules at or below them; a resource without
//! rules costs nothing. [`check()`] says what is wrong with the rules of a definition; [`Rules::validate`] judges an
//! object.

mod check;
mod compile;
mod path;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::cursor::Ref;
use schema::field::Path;

pub use check::check;
pub use validate::Judgement;

use crate::declare::declare;
use crate::eval::Program;
use crate::types::{Decl, ListKind};

/// What the rules of one object may cost together.
pub const RULES_BUDGET: u64 = 10_000_000;

/// The compiled rules of a schema.
#[derive(Debug)]
pub struct Rules(Node);

/// A node of the schema that has rules at or below it.
#[derive(Debug)]
struct Node {
    rules: Vec<Rule>,
    /// How `self` is read; none where the schema is not exposed.
    decl: Option<Arc<Decl>>,
    /// The schema's `type`.
    kind: Box<str>,
    items: Option<Box<Self>>,
    values: Option<Box<Self>>,
    properties: BTreeMap<Box<str>, Self>,
    all_of: Vec<Self>,
    /// How items of a list are told apart.
    list: ListKind,
}

/// One rule.
#[derive(Debug)]
struct Rule {
    /// The expression, or why it is none.
    program: Result<Program, String>,
    uses_old: bool,
    optional_old: bool,
    /// What the rule says of itself in errors: its message, or its text.
    text: String,
    message: Option<String>,
    message_program: Option<Program>,
    message_text: String,
    reason: Box<str>,
    /// The path of the field that is named, relative to the node.
    field: Option<String>,
}

impl Rules {
    /// Compiles the rules of a schema (a `JSONSchemaProps`); nothing if it has none.
    pub fn compile(schema: Ref<'_>) -> Option<Self> {
        let decl = declare(schema, true).map(Arc::new);
        Node::compile(schema, schema, decl).map(Self)
    }

    /// Judges an object, in the light of what it was. `path` is where it stands: the root for a resource.
    pub fn validate(&self, path: &Path, object: Ref<'_>, old: Option<Ref<'_>>) -> Judgement {
        validate::run(&self.0, path, object, old)
    }

    /// Judges only what is under a property, `status` of an update of the status.
    pub fn validate_property(&self, name: &str, object: Ref<'_>, old: Option<Ref<'_>>) -> Judgement {
        match self.0.properties.get(name) {
            Some(node) => validate::run(
                node,
                &Path::new(name),
                object.at(name),
                old.map(|old| old.at(name)),
            ),
            None => Judgement::default(),
        }
    }
}
