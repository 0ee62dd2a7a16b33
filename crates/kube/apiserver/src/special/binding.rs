//! `pods/binding` and `bindings`: the scheduler's word on where a pod runs (upstream's `BindingREST`).

use http::StatusCode;
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::resource::type_of_kind;
use schema::status::{GroupName, Status};
use schema::tree::{Struct, Value};

use crate::admission::{self, Kind, Request};
use crate::negotiate::{Expected, decode};
use crate::registry::{self, Live, Op, Plan};
use crate::server::State;
use crate::verbs::write_options;
use crate::{Answer, Call, Reply, Served};

const KIND: Kind<'_> = Kind {
    group: "",
    version: "v1",
    kind: "Binding",
};

/// Binds the pod to the node that the body names.
///
/// # Errors
/// 422 for a binding that says no node, 404, 409 for a pod that has one or is being deleted.
pub(super) async fn create(state: &State, call: &Call, _: &Served) -> Answer<Reply> {
    let options = write_options(call, "CreateOptions", None)?;
    let ty = type_of_kind("", "v1", "Binding").ok_or_else(|| Status::internal("no Binding"))?;
    let expected = Expected {
        types: &BUILTIN,
        ty,
        api_version: "v1",
        kind: "Binding",
    };
    let mut binding = decode(call, &call.body, expected, options.fields)?;
    let asked = Ref::new(&BUILTIN, &binding);
    let name = asked.path("metadata.name").str();
    if !call.info.name.is_empty() && name != call.info.name {
        let why = "name in URL does not match name in Binding object";
        return Err(Status::bad_request(why).into());
    }
    validate(asked, name)?;
    let pods = state.resources.lookup("", "v1", "pods");
    let pods = pods.ok_or_else(|| Status::internal("pods are not served"))?;
    let op = Op {
        name: name.to_owned(),
        subresource: "binding",
        ..Op::new(state, call, &pods, options)
    };
    let request = Request::post(&op, KIND);
    admission::mutate(&request, Some(&mut binding)).await?;
    let binding = Ref::new(&BUILTIN, &binding);
    drop(admission::validate(&request, Some(binding)).await?);
    let plan = Plan {
        may_create: false,
        uid: binding
            .path("metadata.uid")
            .text()
            .filter(|uid| !uid.is_empty())
            .map(str::to_owned),
        by_rules: false,
        view: None,
        make: |live: Option<&Live>| assign(&op, binding, live),
    };
    registry::update(&op, plan).await?;
    let mut done = Status::success(None);
    done.code = StatusCode::CREATED.as_u16();
    Ok(done.into())
}

fn validate(binding: Ref<'_>, name: &str) -> Answer<()> {
    let mut errors = Errors::new();
    let target = Path::new("target");
    let kind = binding.path("target.kind").str();
    if !["", "Node"].contains(&kind) {
        errors.push(Error::not_supported(
            &target.child("kind"),
            kind,
            &["Node", "<empty>"],
        ));
    }
    if binding.path("target.name").is_empty() {
        errors.push(Error::required(&target.child("name"), ""));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let kind = GroupName {
        group: "",
        name: "Binding",
    };
    Err(Status::invalid(kind, name, &errors).into())
}

fn assign(op: &Op<'_>, binding: Ref<'_>, live: Option<&Live>) -> Answer<Struct> {
    let resource = op.served.group_resource();
    let Some(live) = live else {
        return Err(Status::not_found(resource, &op.name).into());
    };
    let mut pod = live.tree.clone();
    let before = Ref::new(op.types(), &live.tree);
    let node = before.path("spec.nodeName").str();
    let refuse = |why: String| {
        Err(Status::conflict(
            GroupName {
                group: "",
                name: "pods/binding",
            },
            &op.name,
            &why,
        )
        .into())
    };
    if live.object.meta.deletion_timestamp.is_some() {
        return refuse(format!(
            "pod {} is being deleted, cannot be assigned to a host",
            op.name
        ));
    }
    if !node.is_empty() {
        return refuse(format!("pod {} is already assigned to node {node:?}", op.name));
    }
    if !before.path("spec.schedulingGates").is_empty() {
        return refuse(format!("pod {} has non-empty .spec.schedulingGates", op.name));
    }
    let target = binding.path("target.name").str();
    cursor::set(op.types(), &mut pod, "spec.nodeName", Value::str(target));
    for map in ["metadata.annotations", "metadata.labels"] {
        copy(op, binding.path(map), &mut pod, map);
    }
    condition(op, &mut pod);
    Ok(pod)
}

fn copy(op: &Op<'_>, from: Ref<'_>, pod: &mut Struct, path: &str) {
    for (key, value) in from.entries() {
        if let Some(map) = cursor::map_mut(op.types(), pod, path) {
            map.insert(key, Value::str(value.str()));
        }
    }
}

/// `PodScheduled` is true from now on.
fn condition(op: &Op<'_>, pod: &mut Struct) {
    let types = op.types();
    let Some(ty) = type_of_kind("", "v1", "PodCondition").or_else(|| types.find("core/v1", "PodCondition"))
    else {
        return;
    };
    let mut scheduled = Struct::new(ty);
    for (name, value) in [("type", "PodScheduled"), ("status", "True")] {
        cursor::set(types, &mut scheduled, name, Value::str(value));
    }
    let now = registry::rfc3339(op.now);
    cursor::set(
        types,
        &mut scheduled,
        "lastTransitionTime",
        Value::Str(now.into()),
    );
    let old = cursor::remove(types, pod, "status.conditions");
    let mut all = if let Some(Value::List(items)) = old {
        items
    } else {
        Vec::new()
    };
    all.retain(|item| Ref::of(types, item).at("type").str() != "PodScheduled");
    all.push(Value::Struct(Box::new(scheduled)));
    cursor::set(types, pod, "status.conditions", Value::List(all));
}
