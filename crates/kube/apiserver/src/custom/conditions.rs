//! The conditions of a definition.

use kinds::Place;
use schema::cursor::{self, Ref};
use schema::field::{Errors, aggregate};
use schema::row::Types;
use schema::tree::{Struct, Value};
use structural::definition::{Approval, approval, is_protected, structural_errors};

/// One condition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) ty: &'static str,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Condition {
    pub(super) fn new(
        ty: &'static str,
        status: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            ty,
            status,
            reason,
            message: message.into(),
        }
    }
}

/// The condition of a type, if there is one.
pub(super) fn find<'a>(definition: Ref<'a>, ty: &str) -> Option<Ref<'a>> {
    let mut all = definition.path("status.conditions").items();
    all.find(|condition| condition.at("type").str() == ty)
}

/// Whether a condition holds.
pub(super) fn holds(definition: Ref<'_>, ty: &str) -> bool {
    find(definition, ty).is_some_and(|condition| condition.at("status").str() == "True")
}

/// Sets a condition; the time of its last transition stays unless the status changes. Nothing is touched if it says
/// that already.
pub(crate) fn set(types: &Types, definition: &mut Struct, condition: &Condition, now: &str) {
    let old = find(Ref::new(types, definition), condition.ty);
    let since = old
        .filter(|old| old.at("status").str() == condition.status)
        .map_or(now, |old| old.at("lastTransitionTime").str())
        .to_owned();
    let all = Ref::new(types, definition).path("status.conditions");
    let at = all.items().position(|old| old.at("type").str() == condition.ty);
    let Some(ty) = item_type(types, definition) else {
        return;
    };
    let mut made = Struct::new(ty);
    for (name, text) in [
        ("type", condition.ty),
        ("status", condition.status),
        ("lastTransitionTime", &since),
        ("reason", condition.reason),
        ("message", &condition.message),
    ] {
        cursor::set(types, &mut made, name, Value::str(text));
    }
    put(types, definition, at, made);
}

fn put(types: &Types, definition: &mut Struct, at: Option<usize>, made: Struct) {
    let made = Value::Struct(Box::new(made));
    match (cursor::get_mut(types, definition, "status.conditions"), at) {
        (Some(Value::List(all)), Some(at)) => all[at] = made,
        (Some(Value::List(all)), None) => all.push(made),
        _ => cursor::set(types, definition, "status.conditions", Value::List(vec![made])),
    }
}

/// Takes a condition out.
pub(super) fn remove(types: &Types, definition: &mut Struct, ty: &str) {
    let at = Ref::new(types, definition).path("status.conditions");
    let at = at.items().position(|condition| condition.at("type").str() == ty);
    if let (Some(Value::List(all)), Some(at)) = (cursor::get_mut(types, definition, "status.conditions"), at)
    {
        all.remove(at);
    }
}

/// The type of a condition, found by the rows.
fn item_type(types: &Types, definition: &mut Struct) -> Option<schema::row::TypeId> {
    let status = cursor::ensure(types, definition, "status")?.ty;
    let slot = types.slot(status, "conditions", 0)?;
    types.fields(status).get(slot).map(|field| field.ty)
}

/// `NonStructuralSchema`, which only definitions older than this API version can have.
pub(super) fn non_structural(definition: Ref<'_>) -> Option<Condition> {
    let root = Place::root(definition);
    let spec = root.child("spec");
    let mut errors = Errors::new();
    let open = spec.child("preserveUnknownFields");
    if open.bool() {
        open.invalid(&mut errors, "must be false");
    }
    let versions = spec.child("versions");
    for version in versions.each() {
        let schema = version.child("schema");
        let schema = schema.child("openAPIV3Schema");
        if schema.exists() {
            errors.extend(structural_errors(&schema));
        }
    }
    (!errors.is_empty())
        .then(|| Condition::new("NonStructuralSchema", "True", "Violations", aggregate(&errors)))
}

/// `KubernetesAPIApprovalPolicyConformant`, of the community's groups.
pub(super) fn approved(definition: Ref<'_>) -> Option<Condition> {
    const TYPE: &str = "KubernetesAPIApprovalPolicyConformant";
    if !is_protected(definition.path("spec.group").str()) {
        return None;
    }
    let (state, why) = approval(definition);
    let (status, reason) = match state {
        Approval::Invalid => ("False", "InvalidAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Approved => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
    };
    Some(Condition::new(TYPE, status, reason, why))
}
