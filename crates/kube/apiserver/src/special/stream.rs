//! Exec, attach and port-forward: requests are judged here and handed on to the pod's kubelet, and so is the connection.

use auth::Attributes;
use form_urlencoded::Serializer;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName};
use http::{HeaderMap, Request};
use schema::cursor::Ref;
use schema::status::Status;

use super::{connect, pod};
use crate::authz::attributes;
use crate::registry::{Op, Options};
use crate::request_info::is_true;
use crate::server::State;
use crate::{Answer, Call, Query, Reply, Served, Verb};

/// What connects with a container, and how the kubelet's API calls what is asked for.
const STREAMS: [(&str, &str); 4] = [
    ("stdin", "input"),
    ("stdout", "output"),
    ("stderr", "error"),
    ("tty", "tty"),
];

/// Hands a connection on.
///
/// # Errors
/// 400, 403, 404; 500 where the node does not answer.
pub(super) async fn connect(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    if call.query.get("dryRun").is_some() {
        return Err(Status::bad_request("dryRun is not supported").into());
    }
    may_change(state, call)?;
    let op = Op::new(state, call, served, Options::default());
    connect::admit(&op).await?;
    let tree = pod::live(&op, &op.name).await?;
    let pod = Ref::new(op.types(), &tree);
    let target = target(call, pod)?;
    let node = pod.path("spec.nodeName").str();
    if node.is_empty() {
        let why = format!("pod {} does not have a host assigned", op.name);
        return Err(Status::bad_request(why).into());
    }
    let node = pod::target(state, node)?;
    if !asks_for_upgrade(&call.headers) {
        return Err(Status::bad_request("Upgrade request required").into());
    }
    let request = handed_on(call, &target);
    let answer = state
        .config
        .nodes
        .call(&node, request, call.upgrade.clone())
        .await;
    let answer = answer.map_err(|error| pod::failed(format!("error dialing backend: {error}")))?;
    Ok(Reply::Http(answer))
}

/// Whoever connects changes something, with whichever method and protocol the connection begins (upstream's
/// `ensureAuthorizedForVerb`): a WebSocket begins with GET, and SPDY may.
fn may_change(state: &State, call: &Call) -> Answer<()> {
    if call.info.verb == Verb::Create {
        return Ok(());
    }
    let verb = Verb::Create.name();
    state.authz.require(
        state,
        &Attributes {
            verb,
            ..attributes(&call.user, &call.info)
        },
    )
}

/// The kubelet's path and query for what is asked.
fn target(call: &Call, pod: Ref<'_>) -> Answer<String> {
    let (namespace, name) = (&call.info.namespace, &call.info.name);
    let (query, path) = (&call.query, call.info.subresource.as_str());
    if path == "portforward" {
        return Ok(format!("/portForward/{namespace}/{name}{}", ports(query)));
    }
    let container = pod::container(pod, query.get("container").unwrap_or_default())?;
    let mut parameters = Serializer::new(String::new());
    query.all("command").filter(|_| path == "exec").for_each(|word| {
        parameters.append_pair("command", word);
    });
    for (_, own) in STREAMS.iter().filter(|(name, _)| is_true(query, name)) {
        parameters.append_pair(own, "1");
    }
    Ok(format!(
        "/{path}/{namespace}/{name}/{container}?{}",
        parameters.finish()
    ))
}

/// The ports that a client without SPDY names.
fn ports(query: &Query) -> String {
    let all: Vec<&str> = query.all("ports").collect();
    if all.is_empty() {
        return String::new();
    }
    let mut parameters = Serializer::new(String::new());
    parameters.append_pair("port", &all.join(","));
    format!("?{}", parameters.finish())
}

fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let mut lines = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.any(|line| line.to_ascii_lowercase().contains("upgrade"))
}

/// The client's request as the kubelet gets it: from this server, not from the client.
fn handed_on(call: &Call, target: &str) -> Request<bytes::Bytes> {
    let mut request = Request::new(bytes::Bytes::new());
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = target.parse().unwrap_or_default();
    let mut headers = call.headers.clone();
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            [AUTHORIZATION, HOST, CONTENT_LENGTH].contains(name) || name.as_str().starts_with("impersonate-")
        })
        .cloned()
        .collect();
    own.iter().for_each(|name| drop(headers.remove(name)));
    *request.headers_mut() = headers;
    request
}
