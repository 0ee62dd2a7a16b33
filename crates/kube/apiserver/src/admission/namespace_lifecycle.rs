//! `NamespaceLifecycle` (upstream's plugin of this name): nothing is written in a namespace that does not exist, or made
//! in one that is on its way out, and the namespaces that a cluster cannot do without stay.

use schema::object::{Order, scan};
use schema::status::{Cause, GroupName, Status};

use super::{Operation, Request};
use crate::registry::store_failed;
use crate::{Answer, Refused};

const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

const PREFIX: &str = "/registry/namespaces/";

const NAMESPACES: GroupName<'_> = GroupName {
    group: "",
    name: "namespaces",
};

/// Refuses what would be written where it cannot be.
///
/// # Errors
/// 404, 403 with the cause `NamespaceTerminating`, 403 for the end of an immortal namespace.
pub(super) async fn check(request: &Request<'_>) -> Answer<()> {
    if request.is("", "namespaces") && request.operation == Operation::Delete {
        return immortal(request.name);
    }
    let free = matches!(request.operation, Operation::Delete | Operation::Connect);
    if free || request.op.namespace.is_empty() || is_review(request) {
        return Ok(());
    }
    let Some(ending) = ending(request).await? else {
        return Err(Status::not_found(NAMESPACES, request.op.namespace).into());
    };
    if ending && request.operation == Operation::Create {
        return Err(terminating(request));
    }
    Ok(())
}

fn immortal(name: &str) -> Answer<()> {
    if IMMORTAL.contains(&name) {
        return Err(Status::forbidden(NAMESPACES, name, "this namespace may not be deleted").into());
    }
    Ok(())
}

/// A review is a question about a namespace, and its answer must not say whether there is one.
fn is_review(request: &Request<'_>) -> bool {
    request.is("authorization.k8s.io", "localsubjectaccessreviews")
}

/// Whether the namespace is being ended; none if there is no such namespace. The cache has every write of this server
/// to a namespace ([`super::Rules`]); what it does not have may have come by way of another server.
async fn ending(request: &Request<'_>) -> Answer<Option<bool>> {
    let (state, name) = (request.op.state, request.op.namespace);
    if let Some(namespace) = state.cache.snapshot(PREFIX).get(name) {
        return Ok(Some(namespace.meta.deletion_timestamp.is_some()));
    }
    let row = state.store.get(format!("{PREFIX}{name}").as_bytes()).await;
    let row = row.map_err(|error| store_failed(&error))?;
    let meta = row.map(|row| scan(&row.value, Order::Declared)).transpose();
    let meta = meta.map_err(Status::internal)?;
    Ok(meta.map(|(meta, _)| meta.deletion_timestamp.is_some()))
}

fn terminating(request: &Request<'_>) -> Refused {
    let namespace = request.op.namespace;
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut refused = request.forbidden(None, &why);
    if let Some(details) = refused.0.details.as_mut() {
        details.causes = vec![Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        }];
    }
    refused
}
