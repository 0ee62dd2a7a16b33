//! A changed object: the loop over what is live, preconditions, the strategy, validation, and no write when nothing
//! has changed.

use std::time::{SystemTime, UNIX_EPOCH};

use kinds::Generation;
use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::object;
use schema::row::Types;
use schema::status::{GroupName, Status};
use schema::tree::{Struct, Value};
use store::Expect;

use super::create::{counts, refuse};
use super::live::{Live, Put, put, remove};
use super::metadata;
use super::op::{Op, Stored};
use super::services::Hold;
use crate::{Answer, Refused};

/// What an update left.
#[derive(Debug)]
pub(crate) struct Updated {
    /// The object.
    pub(crate) stored: Stored,
    /// Whether there was none before.
    pub(crate) created: bool,
}

/// How an update goes about.
pub(crate) struct Plan<M, A> {
    /// Whether an object that is not there is created.
    pub(crate) may_create: bool,
    /// The uid that the object must have.
    pub(crate) uid: Option<String>,
    /// Whether the kind's rules prepare and judge the change; the paths of the system (a binding) have their own.
    pub(crate) by_rules: bool,
    /// Makes the new tree, of the stored version, from what is live; asked again when somebody else was first.
    pub(crate) make: M,
    /// Judges the finished object, beside the old one if there is one.
    pub(crate) admit: A,
}

/// The text of a lost race.
const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// Updates an object, or creates it where the plan says so.
///
/// # Errors
/// 404, 409, 422, what the plan's functions say, and the store's.
pub(crate) async fn update<M, A>(op: &Op<'_>, plan: Plan<M, A>) -> Answer<Updated>
where
    M: Fn(Option<&Live>) -> Answer<Struct>,
    A: Fn(&Op<'_>, Ref<'_>, Option<Ref<'_>>) -> Answer<()>,
{
    loop {
        let done = match Live::read(op, &op.name).await? {
            Some(live) => replace(op, &plan, &live).await?,
            None if plan.may_create => insert(op, &plan).await?,
            None => return Err(Status::not_found(op.served.group_resource(), &op.name).into()),
        };
        if let Some(updated) = done {
            return Ok(updated);
        }
    }
}

/// Creates the object; nothing if somebody else has meanwhile.
async fn insert<M, A>(op: &Op<'_>, plan: &Plan<M, A>) -> Answer<Option<Updated>>
where
    M: Fn(Option<&Live>) -> Answer<Struct>,
    A: Fn(&Op<'_>, Ref<'_>, Option<Ref<'_>>) -> Answer<()>,
{
    if let Some(uid) = &plan.uid {
        return Err(uid_differs(op, uid, ""));
    }
    let tree = (plan.make)(None)?;
    let admit = |op: &Op<'_>, object: Ref<'_>| (plan.admit)(op, object, None);
    match super::create(op, tree, admit).await {
        Ok(stored) => Ok(Some(Updated {
            stored,
            created: true,
        })),
        Err(Refused(status)) if status.reason == "AlreadyExists" => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// Replaces the live object; nothing if somebody else has meanwhile.
async fn replace<M, A>(op: &Op<'_>, plan: &Plan<M, A>, live: &Live) -> Answer<Option<Updated>>
where
    M: Fn(Option<&Live>) -> Answer<Struct>,
    A: Fn(&Op<'_>, Ref<'_>, Option<Ref<'_>>) -> Answer<()>,
{
    if let Some(uid) = plan.uid.as_deref().filter(|uid| **uid != *live.object.meta.uid) {
        return Err(uid_differs(op, uid, &live.object.meta.uid));
    }
    let mut tree = (plan.make)(Some(live))?;
    let old = Ref::new(op.types(), &live.tree);
    crate::authz::check_escalation(op, Ref::new(op.types(), &tree), Some(old))?;
    check_version(op, &mut tree, live)?;
    let hold = if plan.by_rules {
        op.state.services.hold(op, &mut tree, Some(&live.tree))?
    } else {
        None
    };
    if plan.by_rules {
        before_update(op, &mut tree, live)?;
    }
    if !op.applied {
        super::owners::record(op, Some(&live.tree), &mut tree);
    }
    (plan.admit)(op, Ref::new(op.types(), &tree), Some(old))?;
    if ends(op, &tree, live) {
        return finish(op, tree, live).await;
    }
    if op.options.dry_run {
        return Ok(Some(updated(Stored::Dry(Box::new(tree)))));
    }
    let body = object::body(op.types(), &tree);
    if body == *live.object.body() {
        return Ok(Some(updated(Stored::Object(live.object.clone()))));
    }
    let expect = Expect::At(store::Revision(live.object.rev.0));
    let renewal = is_renewal(op, &tree, live);
    match put(op, &live.object.key, body, expect, renewal).await? {
        Put::Done(object) => {
            hold.into_iter().for_each(Hold::commit);
            Ok(Some(updated(Stored::Object(object))))
        }
        Put::Lost => Ok(None),
    }
}

const fn updated(stored: Stored) -> Updated {
    Updated {
        stored,
        created: false,
    }
}

/// An update that takes the last finalizer off an object that is being deleted deletes it.
async fn finish(op: &Op<'_>, tree: Struct, live: &Live) -> Answer<Option<Updated>> {
    if op.options.dry_run {
        return Ok(Some(updated(Stored::Dry(Box::new(tree)))));
    }
    let gone = remove(op, &live.object.key, live.object.rev).await?;
    if gone {
        op.state.services.release(op, Ref::new(op.types(), &live.tree));
    }
    Ok(gone.then(|| updated(Stored::Dry(Box::new(tree)))))
}

fn uid_differs(op: &Op<'_>, wanted: &str, found: &str) -> Refused {
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}",
        op.key(&op.name)
    );
    Status::conflict(op.served.group_resource(), &op.name, &why).into()
}

/// The version that the client saw, if it says one, must be the live one; the tree has it afterwards.
fn check_version(op: &Op<'_>, tree: &mut Struct, live: &Live) -> Answer<()> {
    let types = op.types();
    let resource = op.served.group_resource();
    let given = Ref::new(types, tree).path("metadata.resourceVersion").str();
    let given = if given.is_empty() { "0" } else { given };
    let version: u64 = given.parse().map_err(|_| malformed(op, given))?;
    match version {
        0 if !op.strategy.unconditional_update && !op.types().is_custom() => Err(unconditional(op, resource)),
        0 if op.types().is_custom() => Err(unconditional(op, resource)),
        0 => {
            let live = live.object.rev.0.to_string();
            cursor::set(types, tree, "metadata.resourceVersion", Value::Str(live.into()));
            Ok(())
        }
        version if version == live.object.rev.0 => Ok(()),
        _ => Err(Status::conflict(resource, &op.name, MODIFIED).into()),
    }
}

fn unconditional(op: &Op<'_>, resource: GroupName<'_>) -> Refused {
    let path = Path::new("metadata").child("resourceVersion");
    let error = Error::invalid(&path, 0_i64, "must be specified for an update");
    Status::invalid(resource, &op.name, &vec![error]).into()
}

fn malformed(op: &Op<'_>, given: &str) -> Refused {
    let path = Path::new("metadata").child("resourceVersion");
    let why = format!("strconv.ParseUint: parsing {given:?}: invalid syntax");
    let error = Error::invalid(&path, given, why);
    Status::invalid(op.served.group_kind(), &op.name, &vec![error]).into()
}

/// Prepares and validates the update (upstream's `rest.BeforeUpdate`).
fn before_update(op: &Op<'_>, tree: &mut Struct, live: &Live) -> Answer<()> {
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
    refuse(op, object, &errors)?;
    let warnings = op.with_context(|context| (op.strategy.warn)(context, object, Some(old)));
    warnings
        .into_iter()
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
        (_, Some(own)) => op.with_context(|context| (own.prepare)(context, tree, old)),
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

/// Whether nothing holds an object any more whose deletion has begun.
fn ends(op: &Op<'_>, tree: &Struct, live: &Live) -> bool {
    let meta = &live.object.meta;
    let object = Ref::new(op.types(), tree);
    let free = object.path("metadata.finalizers").is_empty();
    let namespace = op.served.def.kind == "Namespace" && op.served.def.group.is_empty();
    let emptied = !namespace || object.path("spec.finalizers").is_empty();
    free && emptied
        && meta.deletion_timestamp.is_some()
        && meta.deletion_grace_period_seconds.unwrap_or(0) == 0
}

/// A lease whose holder stays is only renewed: it counts as just renewed after a restart anyway.
fn is_renewal(op: &Op<'_>, tree: &Struct, live: &Live) -> bool {
    let holder = |object: Ref<'_>| object.path("spec.holderIdentity").str().to_owned();
    op.served.def.plural == "leases"
        && holder(Ref::new(op.types(), tree)) == holder(Ref::new(op.types(), &live.tree))
}

/// The time in upstream's form: RFC 3339, UTC, whole seconds.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or(0);
    jiff::Timestamp::from_second(seconds)
        .unwrap_or_default()
        .to_string()
}
