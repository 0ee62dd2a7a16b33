//! Paths below an object that are more than the object: binding, eviction, scale, tokens, and what only a kubelet can answer.
//!
//! `status`, `finalize`, `approval`, `resize` and the like are not here: their body is the object, so the verbs serve
//! them, and the kind's row says what they may change.

mod binding;
mod components;
mod connect;
mod eviction;
mod logs;
mod pod;
mod proxy;
mod scale;
mod stream;
mod token;

use std::sync::Arc;

use crate::server::State;
use crate::{Answer, Call, Reply, Served, Verb, reviews};

pub(crate) use components::Components;

/// Carries out a request that one of the paths here answers; nothing for all others.
///
/// # Errors
/// The path's.
pub(crate) async fn dispatch(state: &Arc<State>, call: &Call, served: &Served) -> Option<Answer<Reply>> {
    let (info, create) = (&call.info, call.info.verb == Verb::Create);
    let core = served.def.group.is_empty();
    if let Some(answer) = reviews::dispatch(state, call, served).await {
        return Some(answer);
    }
    Some(match (&*info.resource, &*info.subresource) {
        ("bindings", "") | ("pods", "binding") if core && create => {
            binding::create(state, call, served).await
        }
        ("pods", "eviction") if core && create => eviction::create(state, call, served).await,
        ("componentstatuses", "") if core => components::show(state, call, served),
        ("serviceaccounts", "token") if core && create => token::create(state, call, served).await,
        ("pods", "log") if core => logs::get(state, call, served).await,
        ("pods", "attach" | "exec" | "portforward") if core => stream::connect(state, call, served).await,
        ("nodes" | "pods" | "services", "proxy") if core => proxy::connect(state, call, served).await,
        (_, "scale") => match info.verb {
            Verb::Get => scale::get(state, call, served).await,
            Verb::Update => scale::update(state, call, served).await,
            Verb::Patch => scale::patch(state, call, served).await,
            _ => return None,
        },
        _ => return None,
    })
}
