//! A changed object: the loop over what is live. What the client wants is recorded as its own, changed and judged by
//! admission, prepared and validated by the kind's rules, and not written when nothing has changed.

mod prepare;
mod version;

use schema::cursor::Ref;
use schema::status::Status;
use schema::tree::Struct;
use store::Expect;

use super::admit::admit;
use super::live::{Live, Put, put, remove};
use super::op::{Op, Stored};
use super::owners;
use super::services::Hold;
use crate::admission::{self, Kind, Pass, Request};
use crate::{Answer, Refused};
use prepare::before_update;
use version::{check_version, uid_differs};

/// What an update left.
#[derive(Debug)]
pub(crate) struct Updated {
    /// The object.
    pub(crate) stored: Stored,
    /// Whether there was none before.
    pub(crate) created: bool,
}

/// How an update goes about.
pub(crate) struct Plan<M> {
    /// Whether an object that is not there is created.
    pub(crate) may_create: bool,
    /// The uid that the object must have.
    pub(crate) uid: Option<String>,
    /// Whether admission and the kind's rules change and judge what is made, and the writer owns it. The server's own
    /// writes (a binding, a budget's count) have their own rules.
    pub(crate) by_rules: bool,
    /// Through what the client sees the object, if not as a whole.
    pub(crate) view: Option<View>,
    /// Makes what the client wants from what is live: the new tree, of the stored version, or that of the view. Asked
    /// again when somebody else was first.
    pub(crate) make: M,
}

/// A smaller object through which clients see and change the whole one (`scale`). Admission sees the small one.
pub(crate) struct View {
    /// Its kind.
    pub(crate) kind: Kind<'static>,
    /// What clients see of an object.
    pub(crate) show: fn(&Op<'_>, &Struct) -> Answer<Struct>,
    /// The object, changed as the small one says, with the owners of what has changed.
    pub(crate) take: fn(&Op<'_>, &Live, &Struct) -> Answer<Struct>,
}

/// Updates an object, or creates it where the plan says so.
///
/// # Errors
/// 404, 409, 422, what the plan's functions and admission say, and the store's.
pub(crate) async fn update<M>(op: &Op<'_>, plan: Plan<M>) -> Answer<Updated>
where
    M: Fn(Option<&Live>) -> Answer<Struct>,
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
async fn insert<M>(op: &Op<'_>, plan: &Plan<M>) -> Answer<Option<Updated>>
where
    M: Fn(Option<&Live>) -> Answer<Struct>,
{
    if let Some(uid) = &plan.uid {
        return Err(uid_differs(op, uid, ""));
    }
    let tree = (plan.make)(None)?;
    match super::create(op, tree).await {
        Ok(stored) => Ok(Some(Updated {
            stored,
            created: true,
        })),
        Err(Refused(status)) if status.reason == "AlreadyExists" => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// Replaces the live object; nothing if somebody else has meanwhile.
async fn replace<M>(op: &Op<'_>, plan: &Plan<M>, live: &Live) -> Answer<Option<Updated>>
where
    M: Fn(Option<&Live>) -> Answer<Struct>,
{
    if let Some(uid) = plan.uid.as_deref().filter(|uid| **uid != *live.object.meta.uid) {
        return Err(uid_differs(op, uid, &live.object.meta.uid));
    }
    let mut tree = wanted(op, plan, live).await?;
    check_version(op, &mut tree, live)?;
    let (mut hold, mut pass) = (None, None);
    if plan.by_rules {
        hold = op.state.services.hold(op, &mut tree, Some(&live.tree))?;
        before_update(op, &mut tree, live)?;
        owners::keep_times(op, &live.tree, &mut tree);
        pass = judge(op, plan, live, &tree).await?;
    }
    if ends(op, &tree, live) {
        return finish(op, tree, live).await;
    }
    let _count = match plan.by_rules {
        true => admission::count(op, Ref::new(op.types(), &tree))?,
        false => None,
    };
    let written = write(op, tree, live, hold).await;
    drop(pass);
    written
}

/// What the client wants, recorded as its own and changed by admission.
async fn wanted<M>(op: &Op<'_>, plan: &Plan<M>, live: &Live) -> Answer<Struct>
where
    M: Fn(Option<&Live>) -> Answer<Struct>,
{
    let mut tree = (plan.make)(Some(live))?;
    if !plan.by_rules {
        return Ok(tree);
    }
    let Some(view) = &plan.view else {
        let request = Request::update(op, Ref::new(op.types(), &live.tree));
        admit(op, &request, Some(&live.tree), &mut tree).await?;
        return Ok(tree);
    };
    let old = (view.show)(op, &live.tree)?;
    admission::mutate(&Request::view(op, view.kind, &old), Some(&mut tree)).await?;
    (view.take)(op, live, &tree)
}

/// Validating admission.
async fn judge<'a, M>(
    op: &'a Op<'_>,
    plan: &Plan<M>,
    live: &'a Live,
    tree: &Struct,
) -> Answer<Option<Pass<'a>>> {
    let Some(view) = &plan.view else {
        let request = Request::update(op, Ref::new(op.types(), &live.tree));
        return admission::validate(&request, Some(Ref::new(op.types(), tree))).await;
    };
    let (old, new) = ((view.show)(op, &live.tree)?, (view.show)(op, tree)?);
    let request = Request::view(op, view.kind, &old);
    // Quotas do not count through a view.
    drop(admission::validate(&request, Some(Ref::new(request.types, &new))).await?);
    Ok(None)
}

/// Writes the object unless nothing has changed.
async fn write(op: &Op<'_>, tree: Struct, live: &Live, hold: Option<Hold<'_>>) -> Answer<Option<Updated>> {
    if op.options.dry_run {
        return Ok(Some(updated(Stored::Dry(Box::new(tree)))));
    }
    let value = op.value(&tree).await?;
    if live.object.is_stored_as(&value) {
        return Ok(Some(updated(Stored::Object(live.object.clone()))));
    }
    let expect = Expect::At(store::Revision(live.object.rev.0));
    let renewal = is_renewal(op, &tree, live);
    match put(op, &live.key, value, expect, renewal).await? {
        Put::Done(object) => {
            if let Some(hold) = hold {
                hold.commit(op, &tree).await;
            }
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
    let gone = remove(op, &live.key, live.object.rev).await?;
    if gone {
        op.state
            .services
            .release(op, Ref::new(op.types(), &live.tree))
            .await;
    }
    Ok(gone.then(|| updated(Stored::Dry(Box::new(tree)))))
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
