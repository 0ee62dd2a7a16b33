//! The condition `Available` of an APIService.

use schema::BUILTIN;
use schema::object::Obj;

use super::PREFIX;
use super::check::Verdict;
use crate::custom::{Condition, conditions, own};
use crate::registry::rfc3339;
use crate::server::State;

/// Whose objects are written.
const APISERVICES: own::Kind = own::Kind {
    group: "apiregistration.k8s.io",
    api_version: "apiregistration.k8s.io/v1",
    kind: "APIService",
    prefix: PREFIX,
};

/// Writes the condition where it does not say so already. A write that comes too late is made up for by the next turn:
/// whatever overtook it wakes the task.
pub(super) async fn write(state: &State, object: &Obj, verdict: &Verdict) {
    let Some(tree) = APISERVICES.read(object) else {
        return;
    };
    let mut new = tree.clone();
    let condition = Condition {
        ty: "Available",
        status: verdict.status,
        reason: verdict.reason,
        message: verdict.message.clone(),
    };
    conditions::set(&BUILTIN, &mut new, &condition, &rfc3339(state.env.wall()));
    if new == tree {
        return;
    }
    if let Err(refused) = APISERVICES.write(state, object, &tree, new).await {
        tracing::warn!(name = %object.meta.name, error = %refused.0.message, "the status of an APIService was not written");
    }
}
