//! `componentstatuses`: how the parts of the control plane are, found out when somebody asks.
//!
//! Upstream asks the ports of other processes. Here every part runs in this process: the store says for itself whether
//! it answers, the others are registered by whoever starts them, and what nobody has started is not healthy.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use schema::json::{self, Options};
use schema::object::{Obj, Order, Revision};
use schema::row::{TypeId, TypesRef};
use schema::status::Status;
use schema::{BUILTIN, tree::Struct};
use serde_json::{Value, json};

use crate::server::State;
use crate::verbs::options::ListOptions;
use crate::{Answer, Call, Reply, Served, Verb};

/// What says whether a part works; the error tells why not.
type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The parts that upstream lists.
const PARTS: [&str; 3] = ["controller-manager", "etcd-0", "scheduler"];

/// The parts that were started beside the server.
#[derive(Default)]
pub(crate) struct Components(Mutex<Vec<(&'static str, Probe)>>);

impl Components {
    /// Adds a part, or replaces what said how it is.
    pub(crate) fn register(&self, name: &'static str, probe: Probe) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| *known != name);
        all.push((name, probe));
    }

    fn probe(&self, name: &str) -> Option<Probe> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|(known, _)| *known == name);
        found.map(|(_, probe)| probe.clone())
    }
}

/// Shows one or all.
///
/// # Errors
/// 500 for a part that there is not, as upstream; 400 for options that are none.
pub(super) fn show(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let version = served.version();
    if call.info.verb == Verb::Get {
        let name = PARTS.iter().find(|part| **part == call.info.name);
        let name = name.ok_or_else(|| missing(&call.info.name))?;
        return reply(&served.def.kind, version.schema, &component(state, name));
    }
    let selection = ListOptions::of(call, served, false)?.selection;
    let selected = |item: &Value| as_stored(item).is_some_and(|object| selection.matches(&object));
    let items = PARTS.iter().map(|name| component(state, name)).filter(selected);
    let items: Vec<Value> = items.collect();
    let list = json!({"metadata": {}, "items": items});
    reply(&served.list_kind(), version.list.unwrap_or(version.schema), &list)
}

/// What selectors look at.
fn as_stored(item: &Value) -> Option<Obj> {
    Obj::new("", Revision(0), Bytes::from(item.to_string()), Order::Declared).ok()
}

fn missing(name: &str) -> Status {
    Status::failure(500, "", format!("Component not found: {name}"))
}

fn component(state: &State, name: &str) -> Value {
    let (status, message, error) = match health(state, name) {
        Ok(()) => ("True", "ok", String::new()),
        Err(why) => ("False", "", why),
    };
    let mut condition = json!({"type": "Healthy", "status": status});
    for (member, text) in [("message", message), ("error", error.as_str())] {
        if !text.is_empty() {
            condition[member] = text.into();
        }
    }
    json!({"metadata": {"name": name}, "conditions": [condition]})
}

fn health(state: &State, name: &str) -> Result<(), String> {
    if name == "etcd-0" {
        let answers = state.store_answers();
        return answers
            .then_some(())
            .ok_or_else(|| "the store does not answer".to_owned());
    }
    let probe = state.components.probe(name);
    probe.map_or_else(|| Err(format!("no {name} runs in this process")), |probe| probe())
}

fn reply(kind: &str, ty: TypeId, object: &Value) -> Answer<Reply> {
    let decoded = json::decode(&BUILTIN, ty, object.to_string().as_bytes(), Options::default());
    let object: Struct = decoded.map_err(Status::internal)?.object;
    Ok(Reply::Tree {
        code: StatusCode::OK,
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        types: TypesRef::Static(&BUILTIN),
        object: Box::new(object),
    })
}
