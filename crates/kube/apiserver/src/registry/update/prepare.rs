//! What an update may change, and whether what it leaves is valid (upstream's `rest.BeforeUpdate`).

use kinds::Generation;
use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::Struct;

use crate::registry::create::{counts, refuse};
use crate::registry::{Live, Op, metadata};
use crate::{Answer, custom};

/// Prepares and validates the update (upstream's `rest.BeforeUpdate`).
pub(super) fn before_update(op: &Op<'_>, tree: &mut Struct, live: &Live) -> Answer<()> {
    let types = op.types();
    let old = Ref::new(types, &live.tree);
    metadata::ensure_namespace(types, tree, op.namespace)?;
    metadata::keep(types, tree, old, "metadata.generation");
    prepare(op, tree, live);
    keep_system_fields(types, tree, old);
    let object = Ref::new(types, tree);
    let mut errors = Errors::new();
    metadata::validate_update(object, old, op.served.namespaced(), &mut errors);
    op.with_context(|context| validate(op, context, object, old, &mut errors));
    custom::update(op, object, old, &mut errors);
    refuse(op, object, &errors)?;
    let warnings = op.with_context(|context| (op.strategy.warn)(context, object, Some(old)));
    let own = op.served.custom().filter(|_| op.subresource != "status");
    warnings
        .into_iter()
        .chain(own.map_or_else(Vec::new, |_| custom::warnings(object, Some(old))))
        .for_each(|warning| op.call.warnings.add(warning));
    Ok(())
}

fn own_way<'a>(op: &'a Op<'_>) -> Option<&'a kinds::Subresource> {
    let mut all = op.strategy.subresources.iter();
    all.find(|subresource| subresource.name == op.subresource)
}

fn validate(op: &Op<'_>, context: &kinds::Context<'_>, new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    match (op.subresource, own_way(op)) {
        (_, Some(own)) => (own.validate)(context, new, old, errors),
        ("status", None) => (op.strategy.validate_status)(context, new, old, errors),
        _ => (op.strategy.validate_update)(context, new, old, errors),
    }
}

/// Takes over from the old object what this path cannot change, and counts the generation.
fn prepare(op: &Op<'_>, tree: &mut Struct, live: &Live) {
    let old = &live.tree;
    match (op.subresource, own_way(op)) {
        (_, Some(own)) => {
            op.with_context(|context| (own.prepare)(context, tree, old));
            // What a kubelet is to do differently counts, whichever way it came (ephemeral containers, a resize).
            count(op, tree, old);
        }
        ("status", None) => {
            keep_all_but_status(op, tree, old);
            op.with_context(|context| (op.strategy.prepare_status)(context, tree, old));
        }
        _ => {
            if op.has_status() {
                keep_member(op.types(), tree, old, "status");
            }
            op.with_context(|context| (op.strategy.prepare_update)(context, tree, old));
            count(op, tree, old);
        }
    }
}

/// An update of `status` changes that, and of a built-in kind the metadata.
fn keep_all_but_status(op: &Op<'_>, tree: &mut Struct, old: &Struct) {
    let types = op.types();
    let fields = types.fields(old.ty);
    for field in fields {
        let name = types.name(field.json);
        if !matches!(name, "status" | "metadata" | "kind" | "apiVersion") {
            keep_member(types, tree, old, name);
        }
    }
    if types.is_custom() {
        let managed = cursor::remove(types, tree, "metadata.managedFields");
        let version = cursor::remove(types, tree, "metadata.resourceVersion");
        keep_member(types, tree, old, "metadata");
        let own = [
            ("metadata.managedFields", managed),
            ("metadata.resourceVersion", version),
        ];
        for (path, value) in own {
            if let Some(value) = value {
                cursor::set(types, tree, path, value);
            }
        }
    }
}

fn keep_member(types: &Types, tree: &mut Struct, old: &Struct, name: &str) {
    let Some(slot) = types.slot(old.ty, name, 0) else {
        return;
    };
    match old.get(slot) {
        Some(value) => tree.set(slot, value.clone()),
        None => drop(tree.remove(slot)),
    }
}

/// One more if what is counted differs.
fn count(op: &Op<'_>, tree: &mut Struct, old: &Struct) {
    let types = op.types();
    let differs = |name: &str| {
        let slot = types.slot(old.ty, name, 0);
        slot.is_some_and(|slot| tree.get(slot) != old.get(slot))
    };
    let names = types.fields(old.ty).iter().map(|field| types.name(field.json));
    let content = |name: &str| match name {
        "metadata" | "kind" | "apiVersion" => false,
        "status" => !op.has_status(),
        _ => true,
    };
    let changed = match counts(op) {
        Generation::None => false,
        Generation::Spec => differs("spec"),
        Generation::Content => {
            let rest = types
                .rest(old.ty)
                .is_some_and(|rest| tree.get(rest) != old.get(rest));
            rest || names.into_iter().any(|name| content(name) && differs(name))
        }
    };
    if changed {
        let generation = Ref::new(types, old).path("metadata.generation").int();
        metadata::set_generation(types, tree, generation + 1);
    }
}

fn keep_system_fields(types: &Types, tree: &mut Struct, old: Ref<'_>) {
    let new = Ref::new(types, tree).at("metadata");
    let no_uid = new.at("uid").is_empty();
    let no_grace = !new.at("deletionGracePeriodSeconds").exists();
    if no_uid {
        metadata::keep(types, tree, old, "metadata.uid");
    }
    if old.path("metadata.creationTimestamp").exists() {
        metadata::keep(types, tree, old, "metadata.creationTimestamp");
    }
    if old.path("metadata.deletionTimestamp").exists() {
        metadata::keep(types, tree, old, "metadata.deletionTimestamp");
    }
    if no_grace {
        metadata::keep(types, tree, old, "metadata.deletionGracePeriodSeconds");
    }
}
