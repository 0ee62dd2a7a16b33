//! `ResourceQuota` (upstream's plugin of this name): what is written must fit into every quota of its namespace that
//! counts it, and is charged to them before it is stored.
//!
//! A charge is a compare-and-swap of the quota's `status.used`. All quotas are looked at before the first is charged;
//! should a later one have filled up meanwhile, what the earlier ones were charged is given back when the quota
//! controller counts next, as in upstream.

mod charge;
mod check;
mod ledger;
mod pass;

use kinds::quota::Evaluator;
use schema::cursor::Ref;

use super::{Operation, Request};
use crate::Answer;
use check::Demand;

pub(crate) use ledger::Ledger;
pub(crate) use pass::{Pass, count};

const PREFIX: &str = "/registry/resourcequotas/";

/// Charges the quotas of the namespace. What comes back is kept until the write is stored.
///
/// # Errors
/// 403 for what does not fit, or does not state what a quota must know; the store's.
pub(super) async fn validate<'a>(request: &Request<'a>, object: Option<Ref<'_>>) -> Answer<Option<Pass<'a>>> {
    let Some(object) = object.filter(|_| !request.op.namespace.is_empty()) else {
        return Ok(None);
    };
    let def = &request.op.served.def;
    let (creates, updates) = (
        request.operation == Operation::Create,
        request.operation == Operation::Update,
    );
    let evaluator = Evaluator::of(&def.group, &def.plural);
    let handles = |evaluator: &Evaluator| evaluator.handles(creates, updates, request.op.subresource);
    let Some(evaluator) = evaluator.filter(handles) else {
        return Ok(None);
    };
    let mut pass = Pass::enter(request.op).await;
    let charged = charge(request, evaluator, object).await;
    pass.stores &= charged.is_ok();
    charged.map(|()| Some(pass))
}

async fn charge(request: &Request<'_>, evaluator: Evaluator, object: Ref<'_>) -> Answer<()> {
    let state = request.op.state;
    state.rules.catch_up(state).await?;
    let quotas = state.cache.snapshot(PREFIX);
    let below = format!("{}/", request.op.namespace);
    let mut found = quotas.range(&below, "").peekable();
    if found.peek().is_none() {
        return Ok(());
    }
    let demand = Demand::new(request, evaluator, object);
    Box::pin(charge::all(&demand, found.cloned().collect())).await
}
