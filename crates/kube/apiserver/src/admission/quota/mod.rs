//! `ResourceQuota` (upstream's plugin of this name): what is written must fit into every quota of its namespace that
//! counts it, and is charged to them before it is stored.
//!
//! A charge is a compare-and-swap of the quota's `status.used`. All quotas are looked at before the first is charged;
//! should a later one have filled up meanwhile, what the earlier ones were charged is given back when the quota
//! controller counts next, as in upstream.

mod charge;
mod check;

use kinds::quota::Evaluator;
use schema::cursor::Ref;

use super::{Operation, Request};
use crate::Answer;
use check::Demand;

const PREFIX: &str = "/registry/resourcequotas/";

/// Charges the quotas of the namespace.
///
/// # Errors
/// 403 for what does not fit, or does not state what a quota must know; the store's.
pub(super) async fn validate(request: &Request<'_>, object: Option<Ref<'_>>) -> Answer<()> {
    let Some(object) = object.filter(|_| !request.op.namespace.is_empty()) else {
        return Ok(());
    };
    let quotas = request.op.state.cache.snapshot(PREFIX);
    if quotas.is_empty() {
        return Ok(());
    }
    let def = &request.op.served.def;
    let (creates, updates) = (
        request.operation == Operation::Create,
        request.operation == Operation::Update,
    );
    let evaluator = Evaluator::of(&def.group, &def.plural);
    let handles = |evaluator: &Evaluator| evaluator.handles(creates, updates, request.op.subresource);
    let Some(evaluator) = evaluator.filter(handles) else {
        return Ok(());
    };
    let below = format!("{}/", request.op.namespace);
    let mut found = quotas.range(&below, "").peekable();
    if found.peek().is_none() {
        return Ok(());
    }
    let demand = Demand::new(request, evaluator, object);
    Box::pin(charge::all(&demand, found.cloned().collect())).await
}
