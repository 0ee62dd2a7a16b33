//! The end of an object: preconditions, grace, finalizers, and the deletion itself.

use std::sync::Arc;
use std::time::Duration;

use schema::cursor::{self, Ref};
use schema::object::Obj;
use schema::row::Types;
use schema::status::{GroupName, Status};
use schema::tree::{Struct, Value};
use store::Expect;

use super::live::{Live, Put, put, remove};
use super::metadata::set_generation;
use super::op::{Op, Stored};
use super::time::rfc3339;
use crate::admission::{self, Request};
use crate::{Answer, Refused, custom};

/// What happens to dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They stay, without an owner.
    Orphan,
    /// They go after the object.
    Background,
    /// They go before the object.
    Foreground,
}

/// `meta/v1 DeleteOptions`, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeleteOptions {
    /// Seconds that the object may take to end.
    pub(crate) grace: Option<i64>,
    /// The uid that the object must have.
    pub(crate) uid: Option<String>,
    /// The version that it must have.
    pub(crate) version: Option<String>,
    /// What happens to dependents, if said.
    pub(crate) propagation: Option<Propagation>,
    /// Whether `orphanDependents` said so, which is older.
    pub(crate) by_orphan_flag: bool,
}

/// What a deletion left.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object stays for now, marked.
    Pending(Stored),
    /// It is gone; as it was last.
    Gone(Arc<Obj>),
}

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Events, leases and the like are no one's owner: upstream has no garbage collection for them.
const NO_DEPENDENTS: [(&str, &str); 2] = [("", "events"), ("events.k8s.io", "events")];

/// Who judges a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    /// Admission.
    Admission,
    /// Somebody has already (an eviction is admitted as one).
    Done,
}

/// Deletes an object, or begins to.
///
/// # Errors
/// 404, 409, what admission says, and the store's.
pub(crate) async fn delete(op: &Op<'_>, options: &DeleteOptions, judge: Judge) -> Answer<Deleted> {
    loop {
        let Some(live) = Live::read(op, &op.name).await? else {
            return Err(Status::not_found(op.served.group_resource(), &op.name).into());
        };
        precondition(op, options, &live.object)?;
        let step = plan(op, options, &live);
        if judge == Judge::Admission && !matches!(step, Step::Nothing) {
            let request = Request::delete(op, options, Ref::new(op.types(), &live.tree));
            admission::mutate(&request, None).await?;
            drop(admission::validate(&request, None).await?);
        }
        let done = match step {
            Step::Nothing => Some(Deleted::Pending(Stored::Object(live.object.clone()))),
            Step::Mark(tree) => mark(op, &live, *tree).await?,
            Step::Remove => take_out(op, &live).await?,
        };
        if let Some(deleted) = done {
            return Ok(deleted);
        }
    }
}

/// What is to be done with an object now.
enum Step {
    /// It is on its way out already, and no sooner for this.
    Nothing,
    /// It stays, changed to this.
    Mark(Box<Struct>),
    /// It goes.
    Remove,
}

async fn mark(op: &Op<'_>, live: &Live, tree: Struct) -> Answer<Option<Deleted>> {
    if op.options.dry_run {
        return Ok(Some(Deleted::Pending(Stored::Dry(Box::new(tree)))));
    }
    let value = op.value(&tree).await?;
    if live.object.is_stored_as(&value) {
        return Ok(Some(Deleted::Pending(Stored::Object(live.object.clone()))));
    }
    let expect = Expect::At(store::Revision(live.object.rev.0));
    Ok(match put(op, &live.key, value, expect, false).await? {
        Put::Done(object) => Some(Deleted::Pending(Stored::Object(object))),
        Put::Lost => None,
    })
}

async fn take_out(op: &Op<'_>, live: &Live) -> Answer<Option<Deleted>> {
    let gone = op.options.dry_run || remove(op, &live.key, live.object.rev).await?;
    if gone && !op.options.dry_run {
        let tree = Ref::new(op.types(), &live.tree);
        op.state.services.release(op, tree).await;
    }
    Ok(gone.then(|| Deleted::Gone(live.object.clone())))
}

/// Upstream names the kind, not the resource, in these.
fn precondition(op: &Op<'_>, options: &DeleteOptions, live: &Obj) -> Answer<()> {
    let differs = |what: &str, wanted: &str, found: &str, hint: &str| -> Refused {
        let why = format!(
            "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might have been {hint}"
        );
        let kind = GroupName {
            group: &op.served.def.group,
            name: &op.served.def.kind,
        };
        Status::conflict(kind, &op.name, &why).into()
    };
    if let Some(uid) = options.uid.as_deref().filter(|uid| **uid != *live.meta.uid) {
        return Err(differs("UID", uid, &live.meta.uid, "deleted and then recreated"));
    }
    let version = live.rev.0.to_string();
    if let Some(wanted) = options.version.as_deref().filter(|wanted| **wanted != version) {
        return Err(differs("ResourceVersion", wanted, &version, "modified"));
    }
    Ok(())
}

/// Grace first, then finalizers (upstream's `rest.BeforeDelete` and `updateForGracefulDeletionAndFinalizers`).
fn plan(op: &Op<'_>, options: &DeleteOptions, live: &Live) -> Step {
    let requested = options.grace.map(|seconds| if seconds < 0 { 1 } else { seconds });
    let meta = &live.object.meta;
    let mut tree = live.tree.clone();
    let grace = match (&meta.deletion_timestamp, meta.deletion_grace_period_seconds) {
        (Some(_), None | Some(0)) => None,
        (Some(since), Some(pending)) => match requested {
            Some(sooner) if sooner < pending => Some(shorten(op, &mut tree, since, pending, sooner)),
            _ => return Step::Nothing,
        },
        (None, _) => begin(op, &mut tree, live, requested),
    };
    let types = op.types();
    set_finalizers(op, &mut tree, options);
    if custom::is_definition(&op.served.def.group, &op.served.def.plural) {
        custom::begin_deletion(types, &mut tree, &rfc3339(op.now));
    }
    let held = !Ref::new(types, &tree).path("metadata.finalizers").is_empty() || holds_namespace(op, &tree);
    match grace {
        Some(seconds) if seconds > 0 || held => Step::Mark(Box::new(tree)),
        None if held => {
            mark_now(op, &mut tree);
            Step::Mark(Box::new(tree))
        }
        _ => Step::Remove,
    }
}

/// The first request to end an object of a kind that ends gracefully.
fn begin(op: &Op<'_>, tree: &mut Struct, live: &Live, requested: Option<i64>) -> Option<i64> {
    let object = Ref::new(op.types(), &live.tree);
    let seconds = op.with_context(|context| (op.strategy.graceful)(context, object, requested))?;
    let after = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    set_deletion(op.types(), tree, &rfc3339(op.now + after), seconds);
    bump(op.types(), tree);
    Some(seconds)
}

fn set_deletion(types: &Types, tree: &mut Struct, time: &str, grace: i64) {
    cursor::set(types, tree, "metadata.deletionTimestamp", Value::str(time));
    cursor::set(
        types,
        tree,
        "metadata.deletionGracePeriodSeconds",
        Value::Int(grace),
    );
}

fn bump(types: &Types, tree: &mut Struct) {
    let generation = Ref::new(types, tree).path("metadata.generation").int();
    if generation > 0 {
        set_generation(types, tree, generation + 1);
    }
}

/// A later request may only bring the end nearer.
fn shorten(op: &Op<'_>, tree: &mut Struct, since: &str, pending: i64, sooner: i64) -> i64 {
    let due: jiff::Timestamp = since.parse().unwrap_or_default();
    let moved = due.as_second() - pending + sooner;
    let now = jiff::Timestamp::try_from(op.now).unwrap_or_default().as_second();
    let (at, seconds) = if moved < now {
        (now, sooner.min(1))
    } else {
        (moved, sooner)
    };
    let time = jiff::Timestamp::from_second(at).unwrap_or(due).to_string();
    set_deletion(op.types(), tree, &time, seconds);
    seconds
}

/// An object without grace that finalizers hold.
fn mark_now(op: &Op<'_>, tree: &mut Struct) {
    let types = op.types();
    let now = rfc3339(op.now);
    let since = Ref::new(types, tree)
        .path("metadata.deletionTimestamp")
        .str()
        .to_owned();
    if since.is_empty() {
        bump(types, tree);
    }
    // Both are canonical texts of one form, which sort as the times do.
    let time = if since.is_empty() || since > now {
        now
    } else {
        since
    };
    set_deletion(types, tree, &time, 0);
    if is_namespace(op) {
        cursor::set(types, tree, "status.phase", Value::str("Terminating"));
    }
}

fn is_namespace(op: &Op<'_>) -> bool {
    op.served.def.kind == "Namespace" && op.served.def.group.is_empty()
}

/// A namespace is held by its own finalizers too, until its contents are gone.
fn holds_namespace(op: &Op<'_>, tree: &Struct) -> bool {
    is_namespace(op) && !Ref::new(op.types(), tree).path("spec.finalizers").is_empty()
}

/// Adds or takes off the garbage collector's finalizers, as the options or else the object say.
fn set_finalizers(op: &Op<'_>, tree: &mut Struct, options: &DeleteOptions) {
    if NO_DEPENDENTS.contains(&(&op.served.def.group, &op.served.def.plural)) {
        return;
    }
    let types = op.types();
    let old: Vec<String> = Ref::new(types, tree)
        .path("metadata.finalizers")
        .strings()
        .map(str::to_owned)
        .collect();
    let has = |name: &str| old.iter().any(|finalizer| finalizer == name);
    let own = match (has(ORPHAN), has(FOREGROUND)) {
        (true, _) => Some(Propagation::Orphan),
        (_, true) => Some(Propagation::Foreground),
        _ => op.strategy.orphan.then_some(Propagation::Orphan),
    };
    let add = match options.propagation.or(own) {
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Background) | None => None,
    };
    let others = old
        .iter()
        .map(String::as_str)
        .filter(|name| ![ORPHAN, FOREGROUND].contains(name));
    let new: Vec<Value> = others.chain(add).map(Value::str).collect();
    if new.is_empty() {
        cursor::remove(types, tree, "metadata.finalizers");
    } else {
        cursor::set(types, tree, "metadata.finalizers", Value::List(new));
    }
}
