//! `Priority` (upstream's plugin of this name): a pod's class says its priority, and one class at most is everybody's.

use schema::cursor::{self, Ref};
use schema::object::{Meta, ScanError, View};
use schema::status::Status;
use schema::tree::{Struct, Value};
use serde::Deserialize;

use super::{Operation, Request};
use crate::Answer;

const PREFIX: &str = "/registry/priorityclasses/";

/// What admission looks at of a class.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Class {
    metadata: Metadata,
    value: i64,
    global_default: bool,
    preemption_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

impl View for Class {
    fn read(_: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        super::read_view(body)
    }
}

/// Gives a new pod the priority of its class, and an updated one that it had.
///
/// # Errors
/// 403 for a class that does not exist, and for another priority than the class's.
pub(super) fn mutate(request: &Request<'_>, pod: Option<&mut Struct>) -> Answer<()> {
    let Some(pod) = pod.filter(|_| request.is("", "pods")) else {
        return Ok(());
    };
    match (request.operation, request.old) {
        (Operation::Create, _) => resolve(request, pod),
        (Operation::Update, Some(old)) => {
            keep(request, pod, old);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn keep(request: &Request<'_>, pod: &mut Struct, old: Ref<'_>) {
    for path in ["spec.priority", "spec.preemptionPolicy"] {
        if let Some(value) = old.path(path).value() {
            cursor::set_default(request.types, pod, path, value.clone());
        }
    }
}

fn resolve(request: &Request<'_>, pod: &mut Struct) -> Answer<()> {
    let (types, read) = (request.types, Ref::new(request.types, pod));
    let named = read.path("spec.priorityClassName").str().to_owned();
    let class = if named.is_empty() {
        everybodys(request)?.unwrap_or_else(|| Class {
            preemption_policy: Some("PreemptLowerPriority".to_owned()),
            ..Class::default()
        })
    } else {
        find(request, read, &named)?
    };
    agree(request, read, &class)?;
    if named.is_empty() && !class.metadata.name.is_empty() {
        cursor::set(
            types,
            pod,
            "spec.priorityClassName",
            Value::str(&class.metadata.name),
        );
    }
    cursor::set(types, pod, "spec.priority", Value::Int(class.value));
    if let Some(policy) = &class.preemption_policy {
        cursor::set(types, pod, "spec.preemptionPolicy", Value::str(policy));
    }
    Ok(())
}

fn find(request: &Request<'_>, pod: Ref<'_>, name: &str) -> Answer<Class> {
    let classes = request.op.state.cache.snapshot(PREFIX);
    let Some(found) = classes.get(name) else {
        let why = format!("no PriorityClass with name {name} was found");
        return Err(request.forbidden(Some(pod), &why));
    };
    let class = found.view::<Class>().map_err(Status::internal)?;
    Ok(Class::clone(&class))
}

/// What the pod says itself must be what the class says.
fn agree(request: &Request<'_>, pod: Ref<'_>, class: &Class) -> Answer<()> {
    if let Some(own) = pod
        .path("spec.priority")
        .integer()
        .filter(|own| *own != class.value)
    {
        let why = format!(
            "the integer value of priority ({own}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
            class.value
        );
        return Err(request.forbidden(Some(pod), &why));
    }
    let own = pod.path("spec.preemptionPolicy").text();
    match (own, class.preemption_policy.as_deref()) {
        (Some(own), Some(policy)) if own != policy => {
            let why = format!(
                "the string value of PreemptionPolicy ({own}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
            );
            Err(request.forbidden(Some(pod), &why))
        }
        _ => Ok(()),
    }
}

/// The class of pods that name none; of several (a race made them) the lowest.
fn everybodys(request: &Request<'_>) -> Answer<Option<Class>> {
    let mut lowest: Option<Class> = None;
    for object in request.op.state.cache.snapshot(PREFIX).iter() {
        let class = object.view::<Class>().map_err(Status::internal)?;
        if class.global_default && lowest.as_ref().is_none_or(|lowest| class.value < lowest.value) {
            lowest = Some(Class::clone(&class));
        }
    }
    Ok(lowest)
}

/// Refuses a second class for everybody.
///
/// # Errors
/// 403
pub(super) fn validate(request: &Request<'_>, class: Option<Ref<'_>>) -> Answer<()> {
    let wanted = class.filter(|class| {
        request.is("scheduling.k8s.io", "priorityclasses") && class.at("globalDefault").bool()
    });
    let Some(class) = wanted else { return Ok(()) };
    let Some(other) = everybodys(request)? else {
        return Ok(());
    };
    let own = class.path("metadata.name").str() == other.metadata.name;
    if own && request.operation == Operation::Update {
        return Ok(());
    }
    let why = format!(
        "PriorityClass {} is already marked as default. Only one default can exist",
        other.metadata.name
    );
    Err(request.forbidden(Some(class), &why))
}
