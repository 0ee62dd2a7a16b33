//! `ValidatingAdmissionPolicy` and `MutatingAdmissionPolicy`: rules in CEL that are asked before an object is stored
//! (upstream's `plugin/policy`).
//!
//! [`read`] compiles policies and joins them with their bindings, once a change; [`matching`] decides whom a write
//! concerns; [`params`] finds what a binding parameterises its policy with; [`inputs`] is what expressions see;
//! [`validating`] and [`mutating`] carry policies out, [`mutation`] one change. All of it is decided at once: nothing here waits.

mod authorizer;
mod evaluation;
mod inputs;
mod matching;
mod mutating;
mod mutation;
mod params;
mod read;
mod validating;

use schema::cursor::Ref;
use schema::tree::Struct;

use super::Request;
use super::rounds::Rounds;
use super::webhook::matching::Told;
use crate::Answer;

pub(super) use read::Expression;
pub(crate) use read::Policies;
pub(super) use read::conditions as read_conditions;

/// Whether the conditions of a webhook are met.
///
/// # Errors
/// 403 where that cannot be said and the webhook may not be ignored.
pub(super) fn met(
    request: &Request<'_>,
    told: &Told,
    object: Option<Ref<'_>>,
    conditions: &[Expression],
    ignores_failure: bool,
) -> Answer<bool> {
    let inputs = inputs::Inputs::new(request, told, object)?;
    let namespace = cel::policy::namespace();
    let variables = inputs.of_conditions(&namespace, None);
    let mut evaluation = evaluation::Evaluation::new(&[], variables, cel::policy::CONDITIONS_BUDGET);
    evaluation::met(conditions, ignores_failure, &mut evaluation)
        .map_err(|why| request.forbidden(object, &why))
}

/// Whether there is a mutating policy at all.
pub(super) fn mutates(request: &Request<'_>) -> bool {
    !exempt(request) && !request.op.state.policies.mutating(request.op.state).is_empty()
}

/// Lets the policies change what is written.
///
/// # Errors
/// What a policy says.
pub(super) fn mutate(request: &Request<'_>, object: Option<&mut Struct>, rounds: &mut Rounds) -> Answer<()> {
    let Some(object) = object else {
        return Ok(());
    };
    if !mutates(request) {
        return Ok(());
    }
    let policies = request.op.state.policies.mutating(request.op.state);
    mutating::change(request, object, &policies, rounds)
}

/// Lets the policies judge what would be stored.
///
/// # Errors
/// What a policy says.
pub(super) fn validate(request: &Request<'_>, object: Option<Ref<'_>>) -> Answer<()> {
    if exempt(request) {
        return Ok(());
    }
    let policies = request.op.state.policies.validating(request.op.state);
    if policies.is_empty() {
        return Ok(());
    }
    validating::judge(request, object, &policies)
}

/// What no policy is asked about: policies themselves, so that a broken one can be taken away, and reviews. Webhooks'
/// configurations may be judged.
fn exempt(request: &Request<'_>) -> bool {
    const POLICIES: [&str; 4] = [
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ];
    match &*request.op.served.def.group {
        "admissionregistration.k8s.io" => POLICIES.contains(&&*request.op.served.def.plural),
        "authentication.k8s.io" | "authorization.k8s.io" => request.op.subresource.is_empty(),
        _ => false,
    }
}
