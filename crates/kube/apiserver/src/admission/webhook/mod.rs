//! Webhooks: servers outside that are asked before an object is stored (upstream's `plugin/webhook`).
//!
//! [`hooks`] reads the configurations once a change; [`matching`] decides whom a write concerns; [`review`] writes and
//! reads `AdmissionReview`; [`call`] asks one server. Mutating ones are asked one after the other, by the names of their
//! configurations, each seeing what the one before left; validating ones all at once.

mod call;
pub(in crate::admission) mod hooks;
pub(in crate::admission) mod matching;
mod mutating;
pub(in crate::admission) mod object;
pub(in crate::admission) mod review;
mod validating;

use schema::cursor::Ref;

use super::Request;
use crate::Answer;

pub(crate) use hooks::Webhooks;
pub(super) use mutating::mutate;

/// Whether there is a mutating webhook at all.
pub(super) fn mutates(request: &Request<'_>) -> bool {
    !exempt(request) && !request.op.state.webhooks.mutating(request.op.state).is_empty()
}

/// Lets the webhooks judge what would be stored.
///
/// # Errors
/// What a webhook says, or what its failure is to the client.
pub(super) async fn validate(request: &Request<'_>, object: Option<Ref<'_>>) -> Answer<()> {
    if exempt(request) {
        return Ok(());
    }
    let hooks = request.op.state.webhooks.validating(request.op.state);
    if hooks.is_empty() {
        return Ok(());
    }
    // Boxed, so that a write which concerns no webhook carries none of this.
    Box::pin(validating::judge(request, object, &hooks)).await
}

/// What no webhook is asked about: itself, so that a broken one can be taken away, and reviews, without which nobody
/// could say who may (KEP-5793).
fn exempt(request: &Request<'_>) -> bool {
    match &*request.op.served.def.group {
        "admissionregistration.k8s.io" => true,
        "authentication.k8s.io" | "authorization.k8s.io" => request.op.subresource.is_empty(),
        _ => false,
    }
}
