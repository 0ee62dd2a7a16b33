//! `SelfSubjectRulesReview`: all that one may in a namespace, as far as it can be enumerated.

use auth::{PolicyRule, UserInfo, aggregate, node};
use schema::cursor::Ref;
use schema::status::Status;
use serde_json::{Value, json};

use crate::Answer;
use crate::server::State;

/// What a node may depends on what runs on it, which no list of rules can say.
const NODE: &str = "node authorizer does not support user rule resolution";

/// The status of a review.
///
/// # Errors
/// 400 without a namespace.
pub(super) fn of(state: &State, user: &UserInfo, spec: Ref<'_>) -> Answer<Value> {
    let namespace = spec.at("namespace").str();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request").into());
    }
    let found = state.authz.policy(state).rules(user, namespace);
    let of_paths = |rule: &&PolicyRule| !rule.non_resource_urls.is_empty();
    let (paths, resources): (Vec<_>, Vec<_>) = found.rules.iter().partition(of_paths);
    let mut why: Vec<String> = Vec::new();
    why.extend(node::node_of(user).map(|_| NODE.to_owned()));
    why.extend((!found.missing.is_empty()).then(|| aggregate(&found.missing)));
    let mut status = json!({
        "resourceRules": resources,
        "nonResourceRules": paths,
        "incomplete": !why.is_empty(),
    });
    match why.as_slice() {
        [] => {}
        [one] => status["evaluationError"] = one.as_str().into(),
        many => status["evaluationError"] = format!("[{}]", many.join(", ")).into(),
    }
    Ok(status)
}
