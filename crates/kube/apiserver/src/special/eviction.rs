//! `pods/eviction`: a deletion that disruption budgets may refuse (upstream's `EvictionREST`).

use http::StatusCode;
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::json::{self, Options as Decoding};
use schema::resource::type_of_kind;
use schema::status::{Cause, Details, Status};
use schema::tree::{Struct, Value};
use store::{KeyRange, RangeRequest};

use crate::admission::{self, Kind, Request};
use crate::negotiate::{Expected, decode};
use crate::registry::{self, Judge, Live, Op, Options, Plan, store_failed};
use crate::select::LabelSelector;
use crate::server::State;
use crate::verbs::{delete_options_of, write_options};
use crate::{Answer, Call, Refused, Reply, Served};

const KIND: Kind<'_> = Kind {
    group: "policy",
    version: "v1",
    kind: "Eviction",
};

/// Deletes the pod unless a budget stands against it.
///
/// # Errors
/// 404, 429 where a budget allows no disruption, 500 where several budgets cover the pod.
pub(super) async fn create(state: &State, call: &Call, pods: &Served) -> Answer<Reply> {
    let options = write_options(call, "CreateOptions", None)?;
    let ty = type_of_kind("policy", "v1", "Eviction").ok_or_else(|| Status::internal("no Eviction"))?;
    let expected = Expected {
        types: &BUILTIN,
        ty,
        api_version: "policy/v1",
        kind: "Eviction",
    };
    let mut eviction = decode(call, &call.body, expected, options.fields)?;
    if Ref::new(&BUILTIN, &eviction).path("metadata.name").str() != call.info.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object").into());
    }
    admit(&Op::new(state, call, pods, options.clone()), &mut eviction).await?;
    let eviction = Ref::new(&BUILTIN, &eviction);
    let told = eviction.at("deleteOptions");
    let text = if told.exists() {
        told.json()
    } else {
        "{}".to_owned()
    };
    let (delete, said) = delete_options_of(&text)?;
    let op = Op::new(
        state,
        call,
        pods,
        Options {
            dry_run: options.dry_run || said.dry_run,
            ..options
        },
    );
    let Some(live) = Live::read(&op, &op.name).await? else {
        return Err(Status::not_found(pods.group_resource(), &op.name).into());
    };
    if !ended(&op, &live) {
        spend_budget(&op, &live).await?;
    }
    registry::delete(&op, &delete, Judge::Done).await?;
    let mut done = Status::success(None);
    done.code = StatusCode::CREATED.as_u16();
    Ok(done.into())
}

async fn admit(op: &Op<'_>, eviction: &mut Struct) -> Answer<()> {
    let request = Request::post(op, KIND);
    admission::mutate(&request, Some(eviction)).await?;
    admission::validate(&request, Some(Ref::new(&BUILTIN, eviction)))
        .await
        .map(drop)
}

/// A pod that has ended, is ending or runs nowhere yet disrupts nobody.
fn ended(op: &Op<'_>, live: &Live) -> bool {
    let phase = Ref::new(op.types(), &live.tree).path("status.phase").str();
    ["Succeeded", "Failed", "Pending"].contains(&phase) || live.object.meta.deletion_timestamp.is_some()
}

/// Takes one disruption from the budget that covers the pod, if one does.
async fn spend_budget(op: &Op<'_>, pod: &Live) -> Answer<()> {
    let budgets = op.state.resources.lookup("policy", "v1", "poddisruptionbudgets");
    let Some(budgets) = budgets else { return Ok(()) };
    let covering = covering(op, &budgets, pod).await?;
    let name = match covering.as_slice() {
        [] => return Ok(()),
        [name] => name.clone(),
        _ => {
            let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Status::failure(500, "InternalError", why).into());
        }
    };
    let budget = Op {
        name: name.clone(),
        subresource: "status",
        ..Op::new(op.state, op.call, &budgets, op.options.clone())
    };
    let plan = Plan {
        may_create: false,
        uid: None,
        by_rules: false,
        view: None,
        make: |live: Option<&Live>| spend(&budget, live, &op.name),
    };
    registry::update(&budget, plan).await.map(drop)
}

async fn covering(op: &Op<'_>, budgets: &Served, pod: &Live) -> Answer<Vec<String>> {
    let prefix = format!("{}{}/", budgets.key_prefix(), op.namespace);
    let request = RangeRequest {
        range: KeyRange::prefix(prefix.as_bytes()),
        revision: None,
        limit: None,
    };
    let found = op
        .state
        .store
        .range(&request)
        .await
        .map_err(|error| store_failed(&error))?;
    let ty = budgets.version().schema;
    let mut names = Vec::new();
    for row in found.rows {
        let budget = json::decode(&BUILTIN, ty, &row.value, Decoding::default()).map_err(Status::internal)?;
        let budget = Ref::new(&BUILTIN, &budget.object);
        let selector = LabelSelector::of(budget.path("spec.selector")).map_err(Status::internal)?;
        if selector.is_some_and(|selector| selector.matches(|key| pod.object.meta.label(key))) {
            names.push(budget.path("metadata.name").str().to_owned());
        }
    }
    Ok(names)
}

fn spend(op: &Op<'_>, live: Option<&Live>, pod: &str) -> Answer<Struct> {
    let Some(live) = live else {
        return Err(Status::not_found(op.served.group_resource(), &op.name).into());
    };
    let budget = Ref::new(op.types(), &live.tree);
    let allowed = budget.path("status.disruptionsAllowed").int();
    if allowed <= 0 {
        return Err(refused(&op.name, budget));
    }
    let mut tree = live.tree.clone();
    let types = op.types();
    cursor::set(
        types,
        &mut tree,
        "status.disruptionsAllowed",
        Value::Int(allowed - 1),
    );
    if let Some(disrupted) = cursor::map_mut(types, &mut tree, "status.disruptedPods") {
        disrupted.insert(pod, Value::Str(registry::rfc3339(op.now).into()));
    }
    Ok(tree)
}

fn refused(name: &str, budget: Ref<'_>) -> Refused {
    let desired = budget.path("status.desiredHealthy").int();
    let healthy = budget.path("status.currentHealthy").int();
    let why = "Cannot evict pod as it would violate the pod's disruption budget.";
    let cause = Cause {
        reason: "DisruptionBudget".to_owned(),
        message: format!(
            "The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        ),
        field: String::new(),
    };
    Status::failure(429, "TooManyRequests", why)
        .with(Details {
            causes: vec![cause],
            ..Details::default()
        })
        .into()
}
