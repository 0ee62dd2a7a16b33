//! What differs between two versions of one resource, as data: members that are called differently, and for
//! autoscalers ([`autoscaler`]) what only one version has a member for.

use schema::json::{self, Options};
use schema::row::{TypeId, Types};
use schema::status::Status;
use schema::tree::Struct;
use serde_json::{Map, Value};

use super::autoscaler;
use crate::Answer;

/// Makes the tree one of another type: through JSON, since rarely asked for.
///
/// # Errors
/// 500 when what comes out is not an object of that type.
pub(crate) fn convert(types: &Types, tree: Struct, to: TypeId) -> Answer<Struct> {
    let mut text = Vec::new();
    json::encode(types, &tree, &mut text);
    let text = match (types.type_name(tree.ty), types.type_name(to)) {
        _ if types.is_custom() => text,
        (("events/v1", "Event"), ("core/v1", "Event")) => {
            edit(types, &text, |_, event| event_to_core(event))?
        }
        (("core/v1", "Event"), ("events/v1", "Event")) => {
            edit(types, &text, |_, event| event_from_core(event))?
        }
        (("autoscaling/v1", "HorizontalPodAutoscaler"), _) => edit(types, &text, autoscaler::to_v2)?,
        (_, ("autoscaling/v1", "HorizontalPodAutoscaler")) => edit(types, &text, autoscaler::from_v2)?,
        _ => text,
    };
    let decoded = json::decode(types, to, &text, Options::default());
    Ok(decoded.map_err(Status::internal)?.object)
}

fn edit(types: &Types, text: &[u8], change: fn(&Types, &mut Map<String, Value>)) -> Answer<Vec<u8>> {
    let mut object = serde_json::from_slice(text).map_err(Status::internal)?;
    change(types, &mut object);
    serde_json::to_vec(&object).map_err(|error| Status::internal(error).into())
}

/// `core/v1` name, `events.k8s.io/v1` name.
const EVENT_NAMES: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("source", "deprecatedSource"),
];

/// The same for members that the reporter fills in.
const REPORTER_NAMES: [(&str, &str); 1] = [("reportingComponent", "reportingController")];

fn event_to_core(event: &mut Map<String, Value>) {
    for (core, own) in EVENT_NAMES.into_iter().chain(REPORTER_NAMES) {
        rename(event, own, core);
    }
}

fn event_from_core(event: &mut Map<String, Value>) {
    for (core, own) in EVENT_NAMES.into_iter().chain(REPORTER_NAMES) {
        rename(event, core, own);
    }
}

fn rename(object: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = object.remove(from) {
        object.insert(to.to_owned(), value);
    }
}
