//! DELETE of an object.

use http::StatusCode;
use schema::object::Obj;
use schema::status::{Details, Status};

use super::write_options::delete_options;
use crate::registry::{self, DeleteOptions, Deleted, Judge, Op};
use crate::server::State;
use crate::{Answer, Call, Reply, Served};

/// Kinds of which the client gets the object as it was last, instead of a Status.
const RETURNS_OBJECT: [&str; 8] = [
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourcequotas",
    "serviceaccounts",
    "services",
    "limitranges",
];

/// Deletes the object, or begins to.
///
/// # Errors
/// What the options, admission and the store say.
pub(super) async fn delete(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let (delete, options) = delete_options(call)?;
    let op = Op::new(state, call, served, options);
    warn(&op, &delete);
    let deleted = registry::delete(&op, &delete, Judge::Admission).await?;
    reply(&op, &delete, deleted)
}

fn warn(op: &Op<'_>, delete: &DeleteOptions) {
    let warning = op.strategy.orphan_warning;
    if delete.propagation.is_none() && !warning.is_empty() {
        op.call.warnings.add(warning);
    }
}

/// The object where it stays, 202 if the client asked for its dependents to go too in the old way; else a Status.
///
/// # Errors
/// 500 when the object cannot be had in the served version.
pub(super) fn reply(op: &Op<'_>, delete: &DeleteOptions, deleted: Deleted) -> Answer<Reply> {
    match deleted {
        Deleted::Pending(stored) => {
            let code = if delete.by_orphan_flag {
                StatusCode::ACCEPTED
            } else {
                StatusCode::OK
            };
            stored.reply(op.served, code)
        }
        Deleted::Gone(object) if returns_object(op.served) => Ok(Reply::Object {
            code: StatusCode::OK,
            served: op.served.clone(),
            object,
        }),
        Deleted::Gone(object) => Ok(success(op.served, &object).into()),
    }
}

fn returns_object(served: &Served) -> bool {
    served.def.group.is_empty() && RETURNS_OBJECT.contains(&&*served.def.plural)
}

/// Upstream names the resource as the kind here.
fn success(served: &Served, object: &Obj) -> Status {
    Status::success(Some(Details {
        name: object.meta.name.to_string(),
        group: served.def.group.to_string(),
        kind: served.def.plural.to_string(),
        uid: object.meta.uid.to_string(),
        ..Details::default()
    }))
}
