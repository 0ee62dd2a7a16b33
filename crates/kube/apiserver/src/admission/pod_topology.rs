//! `PodTopologyLabels` (upstream's plugin of this name): a pod that is put on a node carries where that is, so that its
//! containers can know by the downward API.

use schema::cursor;
use schema::cursor::Ref;
use schema::tree::{Struct, Value};

use super::{Operation, Request};
use crate::Answer;

const NODES: &str = "/registry/minions/";
const LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// Labels a Binding, and a new pod that names its node, as the node is.
///
/// # Errors
/// None: a node that is not known has no place yet.
pub(super) fn mutate(request: &Request<'_>, object: Option<&mut Struct>) -> Answer<()> {
    let creates = request.is_of("", "pods") && request.operation == Operation::Create;
    let Some(object) = object.filter(|_| creates) else {
        return Ok(());
    };
    let node = match request.op.subresource {
        "" => Ref::new(request.types, object).path("spec.nodeName"),
        "binding" => Ref::new(request.types, object).path("target.name"),
        _ => return Ok(()),
    };
    let nodes = request.op.state.cache.snapshot(NODES);
    let Some(node) = nodes.get(node.str()) else {
        return Ok(());
    };
    for label in LABELS {
        if let Some(place) = node.meta.label(label)
            && let Some(labels) = cursor::map_mut(request.types, object, "metadata.labels")
        {
            labels.insert(label, Value::str(place));
        }
    }
    Ok(())
}
