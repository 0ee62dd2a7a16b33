//! Nothing is made in a namespace that is not there or is ending, and the first namespaces stay
//! (upstream's `NamespaceLifecycle`).

use schema::status::{Cause, GroupName, Status};

use crate::registry::{Op, store_failed};
use crate::{Answer, Refused};

const NAMESPACES: GroupName<'static> = GroupName {
    group: "",
    name: "namespaces",
};

/// What the rest of the system cannot do without.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Whether the namespace of a new object takes it.
///
/// # Errors
/// 404 if it is not there, 403 if it is ending, and the store's.
pub(crate) async fn may_create(op: &Op<'_>) -> Answer<()> {
    if op.namespace.is_empty() {
        return Ok(());
    }
    let key = format!("/registry/namespaces/{}", op.namespace);
    let row = op.state.store.get(key.as_bytes()).await;
    let Some(row) = row.map_err(|error| store_failed(&error))? else {
        return Err(Status::not_found(NAMESPACES, op.namespace).into());
    };
    let ending = schema::object::scan(&row.value, schema::object::Order::Declared)
        .is_ok_and(|(meta, _)| meta.deletion_timestamp.is_some());
    if ending { Err(terminating(op)) } else { Ok(()) }
}

fn terminating(op: &Op<'_>) -> Refused {
    let namespace = op.namespace;
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = Status::forbidden(op.served.group_resource(), &op.name, &why);
    let cause = Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".to_owned(),
    };
    status.details.get_or_insert_default().causes.push(cause);
    status.into()
}

/// Whether an object may be deleted.
///
/// # Errors
/// 403 for a namespace that must stay.
pub(crate) fn may_delete(op: &Op<'_>) -> Answer<()> {
    let namespace = op.served.group_resource() == NAMESPACES;
    if namespace && IMMORTAL.contains(&op.name.as_str()) {
        let why = "this namespace may not be deleted";
        return Err(Status::forbidden(NAMESPACES, &op.name, why).into());
    }
    Ok(())
}
