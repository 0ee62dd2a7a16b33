//! The ordered plugins that change and check what is written, before it is stored (upstream's `admission.Interface`).
//!
//! A write passes [`mutate`] once its owners are recorded and before the kind's rules prepare it, and [`validate`] once
//! it is what would be stored. Both run upstream's plugins in upstream's order: the compiled-in ones are the rows of
//! [`PLUGINS`], which decide at once from the watch cache; then come policies and webhooks, and the quotas last.
//! What nobody has set up costs nothing: a plugin looks at the resource first, then at whether a collection is empty.

mod certificates;
mod default_class;
mod ingress_class;
mod limit_ranger;
mod managed;
mod namespace_lifecycle;
mod node_restriction;
mod node_taint;
mod plugins;
mod pod_security;
mod pod_topology;
mod policy;
mod priority;
mod quota;
mod request;
mod rounds;
mod rules;
mod runtime_class;
mod service_account;
mod storage;
mod tolerations;
mod tree;
mod webhook;

use schema::cursor::Ref;
use schema::object::ScanError;
use schema::tree::Struct;
use serde::de::DeserializeOwned;

pub(crate) use policy::Policies;
pub(crate) use quota::{Ledger, Pass, count};
pub(crate) use request::{Kind, Operation, Request};
pub(crate) use rules::Rules;
pub(crate) use webhook::Webhooks;

use crate::Answer;
use plugins::PLUGINS;
use rounds::Rounds;

/// Lets every plugin change what is written; `object` is none for a deletion.
///
/// # Errors
/// The first plugin's that objects.
pub(crate) async fn mutate(request: &Request<'_>, mut object: Option<&mut Struct>) -> Answer<()> {
    request.op.state.rules.catch_up(request.op.state).await?;
    namespace_lifecycle::check(request).await?;
    service_account::wait_for_default(request, object.as_deref()).await;
    let before = managed::remember(request, object.as_deref());
    let mut rounds = Rounds::default();
    round(request, object.as_deref_mut(), &mut rounds).await?;
    if rounds.again() {
        round(request, object.as_deref_mut(), &mut rounds).await?;
    }
    managed::restore(request, object, before);
    Ok(())
}

/// Every plugin once; in a second round, policies and webhooks only as far as they asked for it.
async fn round(request: &Request<'_>, mut object: Option<&mut Struct>, rounds: &mut Rounds) -> Answer<()> {
    compiled_in(request, object.as_deref_mut())?;
    policy::mutate(request, object.as_deref_mut(), rounds)?;
    webhook::mutate(request, object, rounds).await
}

fn compiled_in(request: &Request<'_>, mut object: Option<&mut Struct>) -> Answer<()> {
    let mut changing = PLUGINS.iter().filter_map(|(_, plugin)| plugin.mutate);
    changing.try_for_each(|mutate| mutate(request, object.as_deref_mut()))
}

/// Lets every plugin judge what would be stored; `object` is none for a deletion. What comes back is dropped once the
/// write is stored, or is not: quotas are not counted before.
///
/// # Errors
/// The first plugin's that objects.
pub(crate) async fn validate<'a>(request: &Request<'a>, object: Option<Ref<'_>>) -> Answer<Option<Pass<'a>>> {
    let mut judging = PLUGINS.iter().filter_map(|(_, plugin)| plugin.validate);
    judging.try_for_each(|validate| validate(request, object))?;
    policy::validate(request, object)?;
    webhook::validate(request, object).await?;
    quota::validate(request, object).await
}

/// Reads a view from stored bytes.
fn read_view<T: DeserializeOwned>(body: &[u8]) -> Result<T, ScanError> {
    serde_json::from_slice(body).map_err(|error| ScanError::Unreadable(error.to_string()))
}
