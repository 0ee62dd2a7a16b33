//! Charging quotas: first all are looked at, then each is swapped for one that has more used.

use std::sync::Arc;

use kinds::quota::Amounts;
use schema::cursor::{self, Ref};
use schema::object::Obj;
use schema::status::Status;
use schema::tree::{Map, Struct, Value};

use super::check::Demand;
use crate::registry::{self, Live, Op, Options, Plan, convert};
use crate::{Answer, Refused, Served};

/// Charges each of the quotas that counts the object.
///
/// # Errors
/// 403, the store's.
pub(super) async fn all(demand: &Demand<'_>, quotas: Vec<Arc<Obj>>) -> Answer<()> {
    let op = demand.request.op;
    let served = op.state.resources.lookup("", "v1", "resourcequotas");
    let served = served.ok_or_else(|| Status::internal("resource quotas are not served"))?;
    let mut counting = Vec::new();
    for quota in quotas {
        let tree = convert::stored_tree(&served, &quota)?;
        if demand.charged(Ref::new(&served.def.types, &tree))?.is_some() {
            counting.push(quota.meta.name.to_string());
        }
    }
    if op.options.dry_run {
        return Ok(());
    }
    for name in counting {
        one(demand, &served, name).await?;
    }
    Ok(())
}

/// Charges one quota as it stands now. One that is gone limits nothing.
async fn one(demand: &Demand<'_>, served: &Served, name: String) -> Answer<()> {
    let op = Op {
        name,
        subresource: "status",
        ..Op::new(
            demand.request.op.state,
            demand.request.op.call,
            served,
            Options::default(),
        )
    };
    let plan = Plan {
        may_create: false,
        uid: None,
        by_rules: false,
        view: None,
        make: |live: Option<&Live>| charge(demand, &op, live),
    };
    match registry::update(&op, plan).await {
        Err(Refused(status)) if status.reason != "NotFound" => Err(Refused(status)),
        _ => Ok(()),
    }
}

fn charge(demand: &Demand<'_>, op: &Op<'_>, live: Option<&Live>) -> Answer<Struct> {
    let Some(live) = live else {
        return Err(Status::not_found(op.served.group_resource(), &op.name).into());
    };
    let mut quota = live.tree.clone();
    if let Some(used) = demand.charged(Ref::new(op.types(), &quota))? {
        cursor::set(op.types(), &mut quota, "status.used", texts(&used));
    }
    Ok(quota)
}

fn texts(amounts: &Amounts) -> Value {
    let entries = amounts.iter();
    let entries = entries.map(|(name, amount)| (name.as_str().into(), Value::Str(amount.to_string().into())));
    Value::Map(Box::new(Map::from_entries(entries.collect())))
}
