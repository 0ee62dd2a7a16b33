//! How writes and counts go through the ledger.

use std::time::Duration;

use kinds::quota::Evaluator;
use schema::cursor::Ref;
use schema::status::Status;

use super::PREFIX;
use super::ledger::Resource;
use crate::registry::Op;
use crate::server::State;
use crate::{Answer, Verb};

/// How long a write waits for a count before it looks again, and how often it looks.
const PAUSE: (Duration, u32) = (Duration::from_millis(2), 500);

/// A write that is under way until this is dropped.
pub(crate) struct Pass<'a> {
    state: &'a State,
    namespace: &'a str,
    resource: Resource,
    /// Whether something may have been stored.
    pub(super) stores: bool,
}

impl<'a> Pass<'a> {
    /// Enters a write. A count that is being stored is waited for, but not for ever.
    pub(super) async fn enter(op: &Op<'a>) -> Pass<'a> {
        let def = &op.served.def;
        let resource = (def.group.as_ref().into(), def.plural.as_ref().into());
        let (state, namespace) = (op.state, op.namespace);
        let mut looks = 0;
        while !state.quotas.enter(namespace, &resource) {
            looks += 1;
            if looks > PAUSE.1 {
                state.quotas.open(namespace);
            }
            state.env.sleep(PAUSE.0).await;
        }
        let stores = !op.options.dry_run;
        Pass {
            state,
            namespace,
            resource,
            stores,
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let quotas = self.state.cache.snapshot(PREFIX);
        let has_quotas = |namespace: &str| quotas.range(&format!("{namespace}/"), "").next().is_some();
        self.state
            .quotas
            .leave(self.namespace, &self.resource, self.stores, has_quotas);
    }
}

/// A count that is being stored until this is dropped.
pub(crate) struct Count<'a>(&'a State, &'a str);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.quotas.counted(self.1);
    }
}

/// Begins to store what somebody has counted: an update of a quota's status. Nothing for other writes.
///
/// # Errors
/// 409 if something was under way that the count may not have seen.
pub(crate) fn count<'a>(op: &Op<'a>, quota: Ref<'_>) -> Answer<Option<Count<'a>>> {
    let def = &op.served.def;
    let is_count = def.group.is_empty()
        && def.plural == "resourcequotas"
        && op.subresource == "status"
        && op.call.info.verb == Verb::Update;
    if !is_count || op.options.dry_run {
        return Ok(None);
    }
    let lists = [quota.path("spec.hard"), quota.path("status.hard")];
    let limited: Vec<&str> = lists
        .into_iter()
        .flat_map(Ref::entries)
        .map(|(name, _)| name)
        .collect();
    let counts = |(group, plural): &Resource| {
        let evaluator = Evaluator::of(group, plural);
        evaluator.is_some_and(|evaluator| limited.iter().any(|name| evaluator.counts(name)))
    };
    if op.state.quotas.count(op.namespace, &op.name, counts) {
        return Ok(Some(Count(op.state, op.namespace)));
    }
    let why = "something that the quota counts was being written; please count again";
    Err(Status::conflict(op.served.group_resource(), &op.name, why).into())
}
