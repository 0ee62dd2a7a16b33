//! Whether an APIService's server is there (`controllers/status/remote`).

use std::sync::Arc;
use std::time::Duration;

use auth::UserInfo;
use futures_util::future::select_ok;
use http::{HeaderMap, Method};
use schema::json::go_quote;
use schema::object::Obj;
use serde_json::Value;

use super::Remote;
use super::forward::{introduce, outgoing};
use crate::outbound::exchange;
use crate::server::State;

/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Times that it is asked at once: one endpoint that answers is enough.
const ATTEMPTS: usize = 5;
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// What the condition `Available` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Verdict {
    fn no(reason: &'static str, message: String) -> Self {
        Self {
            status: "False",
            reason,
            message,
        }
    }

    /// That of a version which this server itself serves.
    pub(super) fn local() -> Self {
        Self {
            status: "True",
            reason: "Local",
            message: "Local APIServices are always available".to_owned(),
        }
    }
}

/// Looks at the Service, its endpoints, and whether one of them answers.
pub(super) async fn verdict(state: &State, remote: &Remote) -> Verdict {
    if let Err(verdict) = service(state, remote) {
        return verdict;
    }
    let attempts = (0..ATTEMPTS).map(|_| Box::pin(answers(state, remote)));
    match select_ok(attempts).await {
        Ok(_) => Verdict {
            status: "True",
            reason: "Passed",
            message: "all checks passed".to_owned(),
        },
        Err(why) => Verdict::no("FailedDiscoveryCheck", why),
    }
}

fn service(state: &State, remote: &Remote) -> Result<(), Verdict> {
    let to = &remote.to;
    let named = format!("service/{} in {}", to.name, go_quote(&to.namespace));
    let services = state.cache.snapshot("/registry/services/specs/");
    let service = services
        .get(&format!("{}/{}", to.namespace, to.name))
        .and_then(read);
    let Some(service) = service else {
        return Err(Verdict::no("ServiceNotFound", format!("{named} is not present")));
    };
    if !matches!(service["spec"]["type"].as_str(), None | Some("ClusterIP")) {
        return Ok(());
    }
    let port = list(&service["spec"]["ports"]).find(|port| port["port"] == to.port);
    let Some(port) = port else {
        let why = format!("{named} is not listening on port {}", to.port);
        return Err(Verdict::no("ServicePortError", why));
    };
    let name = port["name"].as_str().unwrap_or_default();
    let slices = slices(state, remote);
    if slices.is_empty() {
        let why = format!("cannot find endpointslices for {named}");
        return Err(Verdict::no("EndpointsNotFound", why));
    }
    if slices.iter().any(|slice| has_endpoint(slice, name)) {
        return Ok(());
    }
    let why = format!(
        "endpointslices for {named} have no addresses with port name {}",
        go_quote(name)
    );
    Err(Verdict::no("MissingEndpoints", why))
}

fn slices(state: &State, remote: &Remote) -> Vec<Value> {
    let below = format!("{}/", remote.to.namespace);
    let of_service =
        |object: &&Arc<Obj>| object.meta.label("kubernetes.io/service-name") == Some(remote.to.name.as_str());
    let all = state.cache.snapshot("/registry/endpointslices/");
    all.range(&below, "")
        .filter(of_service)
        .filter_map(read)
        .collect()
}

fn has_endpoint(slice: &Value, port: &str) -> bool {
    // Not said is ready.
    let ready = |endpoint: &Value| endpoint["conditions"]["ready"] != false;
    let named =
        |found: &Value| found["name"].as_str().unwrap_or_default() == port && found["port"].is_number();
    list(&slice["endpoints"]).any(ready) && list(&slice["ports"]).any(named)
}

fn read(object: &Arc<Obj>) -> Option<Value> {
    serde_json::from_slice(object.body()).ok()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

async fn answers(state: &State, remote: &Remote) -> Result<(), String> {
    get(state, remote, &remote.root(), "application/json")
        .await
        .map(drop)
}

/// Asks the server for a document, as the aggregator itself.
///
/// # Errors
/// Why there is none, in upstream's words.
pub(super) async fn get(state: &State, remote: &Remote, path: &str, accept: &str) -> Result<Answer, String> {
    let mut outgoing = outgoing(state, remote, Method::GET, path).map_err(|why| why.to_string())?;
    let headers = outgoing.request.headers_mut();
    introduce(headers, &aggregator());
    if let Ok(accept) = accept.parse() {
        headers.insert(http::header::ACCEPT, accept);
    }
    let place = outgoing.address.map_or_else(
        || remote.to.host() + ":" + &remote.to.port.to_string(),
        |address| address.to_string(),
    );
    let url = format!("https://{place}{path}");
    let failing = |why: String| format!("failing or missing response from {url}: {why}");
    let deadline = state.env.now().saturating_add(TIMEOUT);
    let answer = exchange(state, outgoing, MAX_ANSWER, deadline).await;
    let answer = answer.map_err(|error| failing(format!("Get {}: {error}", go_quote(&url))))?;
    let code = answer.status().as_u16();
    if !(200..300).contains(&code) {
        return Err(failing(format!("bad status from {url}: {code}")));
    }
    let (head, body) = answer.into_parts();
    Ok(Answer {
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

/// A document and what it is.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    /// Null for what is no JSON.
    pub(super) body: Value,
}

fn aggregator() -> UserInfo {
    UserInfo {
        name: "system:kube-aggregator".to_owned(),
        groups: vec!["system:masters".to_owned()],
        ..UserInfo::default()
    }
}
