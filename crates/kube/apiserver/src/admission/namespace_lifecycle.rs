//! `NamespaceLifecycle` (upstream's plugin of this name).
//!
//! It asks the store, not the cache: a namespace that was just made is there for the next request, as upstream's
//! live look-up promises.

use std::task::{Context, Poll, Waker};

use schema::object::{Order, scan};
use schema::status::{Cause, GroupName, Status};

use crate::Answer;
use crate::registry::Op;

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

const NAMESPACES: GroupName<'_> = GroupName {
    group: "",
    name: "namespaces",
};

/// Refuses what would be made in a namespace that is not there, or is being ended.
///
/// # Errors
/// 404, 403 with the cause `NamespaceTerminating`.
pub(super) fn create(op: &Op<'_>) -> Answer<()> {
    if op.namespace.is_empty() || is_review(op) {
        return Ok(());
    }
    match ending(op) {
        Some(false) => Ok(()),
        None => Err(Status::not_found(NAMESPACES, op.namespace).into()),
        Some(true) => Err(terminating(op).into()),
    }
}

/// Access reviews are questions about a namespace, not things in it.
fn is_review(op: &Op<'_>) -> bool {
    op.served.def.group == "authorization.k8s.io"
}

/// Whether the namespace is being ended; none if there is no such namespace.
fn ending(op: &Op<'_>) -> Option<bool> {
    let key = format!("/registry/namespaces/{}", op.namespace);
    // A read of the embedded store is in memory and ready at once.
    let mut read = std::pin::pin!(op.state.store.get(key.as_bytes()));
    let Poll::Ready(Ok(row)) = read.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        return None;
    };
    let (meta, _) = scan(&row?.value, Order::Declared).ok()?;
    Some(meta.deletion_timestamp.is_some())
}

fn terminating(op: &Op<'_>) -> Status {
    let why = format!(
        "unable to create new content in namespace {} because it is being terminated",
        op.namespace
    );
    let mut status = Status::forbidden(op.served.group_resource(), &op.name, &why);
    if let Some(details) = status.details.as_mut() {
        details.causes = vec![Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {} is being terminated", op.namespace),
            field: "metadata.namespace".to_owned(),
        }];
    }
    status
}

/// Keeps the namespaces that a cluster cannot do without.
///
/// # Errors
/// 403
pub(super) fn delete(op: &Op<'_>) -> Answer<()> {
    let namespace = op.served.def.kind == "Namespace" && op.served.def.group.is_empty();
    if namespace && IMMORTAL.contains(&op.name.as_str()) {
        return Err(Status::forbidden(NAMESPACES, &op.name, "this namespace may not be deleted").into());
    }
    Ok(())
}
