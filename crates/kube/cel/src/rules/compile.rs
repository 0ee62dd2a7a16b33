//! From a schema to rules that can be evaluated.

use std::sync::Arc;

use schema::cursor::Ref;

use super::path::resolve;
use super::{Node, Rule};
use crate::declare::declare;
use crate::env::Env;
use crate::escape::escape;
use crate::types::{Decl, ListKind, Type};

/// The schema with rules, and the one that says what is there: they differ in branches of `allOf`.
impl Node {
    pub(super) fn compile(schema: Ref<'_>, structure: Ref<'_>, decl: Option<Arc<Decl>>) -> Option<Self> {
        if !has_rules(schema) {
            return None;
        }
        let element = decl.as_ref().and_then(|decl| decl.element());
        let below = |name: &str| {
            let (schema, structure) = (schema.at(name), structure.at(name));
            schema.object().and(structure.object())?;
            Self::compile(schema, structure, element.clone()).map(Box::new)
        };
        let branches = schema.at("allOf").items();
        let node = Self {
            rules: rules(schema, structure, decl.as_ref()),
            kind: structure.at("type").str().into(),
            items: below("items"),
            values: below("additionalProperties"),
            properties: properties(schema, structure, decl.as_ref()),
            all_of: branches
                .filter_map(|branch| Self::compile(branch, structure, decl.clone()))
                .collect(),
            list: decl.as_ref().map_or(ListKind::Atomic, |decl| decl.list.clone()),
            decl,
        };
        (!node.is_empty()).then_some(node)
    }

    fn is_empty(&self) -> bool {
        self.rules.is_empty()
            && self.items.is_none()
            && self.values.is_none()
            && self.properties.is_empty()
            && self.all_of.is_empty()
    }
}

fn embedded(schema: Ref<'_>) -> bool {
    schema.at("x-kubernetes-embedded-resource").bool()
}

/// Whether there are rules at or below a schema.
pub(super) fn has_rules(schema: Ref<'_>) -> bool {
    let below = ["items", "additionalProperties"];
    !schema.at("x-kubernetes-validations").is_empty()
        || below
            .into_iter()
            .any(|name| schema.at(name).object().is_some() && has_rules(schema.at(name)))
        || schema
            .at("properties")
            .entries()
            .any(|(_, property)| has_rules(property))
        || schema.at("allOf").items().any(has_rules)
}

fn properties(
    schema: Ref<'_>,
    structure: Ref<'_>,
    decl: Option<&Arc<Decl>>,
) -> std::collections::BTreeMap<Box<str>, Node> {
    let node = |(name, property): (&str, Ref<'_>)| {
        let of = structure.at("properties").at(name);
        of.object()?;
        let decl = property_decl(name, of, decl)?;
        Some((name.into(), Node::compile(property, of, Some(decl))?))
    };
    schema.at("properties").entries().filter_map(node).collect()
}

/// The declaration of a property. One whose name cannot be escaped has one too, though no rule above can name it.
pub(super) fn property_decl(name: &str, schema: Ref<'_>, parent: Option<&Arc<Decl>>) -> Option<Arc<Decl>> {
    match escape(name) {
        Some(escaped) => parent?.field(&escaped),
        None => declare(schema, embedded(schema)).map(Arc::new),
    }
}

/// The environment of a rule: `self`, and what it was.
pub(super) fn environment(decl: &Arc<Decl>, optional_old: bool) -> Env {
    let env = Env::new().variable("self", decl.clone());
    if optional_old {
        env.variable("oldSelf", Decl::of(Type::optional(decl.ty())))
    } else {
        env.variable("oldSelf", decl.clone())
    }
}

fn rules(schema: Ref<'_>, structure: Ref<'_>, decl: Option<&Arc<Decl>>) -> Vec<Rule> {
    let rules = schema.at("x-kubernetes-validations").items();
    let written = rules.filter(|rule| !rule.at("rule").str().trim().is_empty());
    written.map(|rule| one(rule, structure, decl)).collect()
}

fn one(rule: Ref<'_>, structure: Ref<'_>, decl: Option<&Arc<Decl>>) -> Rule {
    let optional_old = rule.at("optionalOldSelf").bool();
    let env = decl.map(|decl| environment(decl, optional_old));
    let program = match &env {
        Some(env) => env
            .compile(rule.at("rule").str())
            .map_err(|issues| format!("compilation failed: {issues}")),
        None => Err("failed to convert to declType for CEL validation rules".to_owned()),
    };
    let message = rule.at("message").str();
    let message_text = rule.at("messageExpression").str();
    let message_program = env
        .filter(|_| !message_text.is_empty())
        .and_then(|env| env.compile(message_text).ok());
    let field = rule.at("fieldPath").str();
    Rule {
        uses_old: program.as_ref().is_ok_and(|program| program.uses(1)),
        program,
        optional_old,
        text: if message.is_empty() {
            rule.at("rule").str()
        } else {
            message
        }
        .trim()
        .to_owned(),
        message: (!message.is_empty()).then(|| message.trim().to_owned()),
        message_program,
        message_text: message_text.to_owned(),
        reason: rule.at("reason").str().into(),
        field: (!field.is_empty())
            .then(|| resolve(field, structure).ok())
            .flatten(),
    }
}
