//! Proxies of nodes, pods and Services: a request is sent on to where the object is, as the caller's own
//! (upstream's `UpgradeAwareHandler`).
//!
//! `name` reads what stands where other paths have a name, `place` finds the address, `rewrite` makes redirections lead
//! back here. A connection that is upgraded is joined with the client's by whoever sends.

mod name;
mod place;
mod rewrite;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, LOCATION, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use schema::status::Status;

use super::connect;
use crate::aggregation::{drop_hop_by_hop, forwarded_for};
use crate::nodes::Upgrade;
use crate::outbound::{Credentials, Outgoing, Trust};
use crate::registry::{Op, Options};
use crate::server::State;
use crate::{Answer, Body, Call, Reply, Served};
use name::Name;
use place::Place;

/// Sends a request on.
///
/// # Errors
/// 400, 404; 503 where nobody answers.
pub(super) async fn connect(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let op = Op::new(state, call, served, Options::default());
    connect::admit(&op).await?;
    let name = Name::parse(&op.name).ok_or_else(|| {
        let kind = served.def.singular.as_ref();
        Status::bad_request(format!("invalid {kind} request {:?}", op.name))
    })?;
    let place = place::find(&op, &name).await?;
    let (before, behind) = split(call.uri.path());
    let upgrades = asks_for_upgrade(&call.headers);
    if behind.is_empty() && !upgrades && [Method::GET, Method::HEAD].contains(&call.method) {
        return Ok(Reply::Http(to_the_root(&call.uri)));
    }
    let target = match call.uri.query() {
        Some(query) => format!("{}?{query}", slashed(behind)),
        None => slashed(behind).to_owned(),
    };
    let answer = send(state, call, &place, &target, before).await;
    let mut answer = answer
        .map_err(|error| Status::service_unavailable(format!("error trying to reach service: {error}")))?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        drop_hop_by_hop(answer.headers_mut());
    }
    lead_back(answer.headers_mut(), call, before, &place.authority());
    Ok(Reply::Http(answer))
}

async fn send(
    state: &State,
    call: &Call,
    place: &Place,
    target: &str,
    before: &str,
) -> Result<Response<Body>, crate::outbound::OutboundError> {
    let mut request = dressed(call, before);
    let upgrade = if asks_for_upgrade(&call.headers) {
        call.upgrade.clone()
    } else {
        Upgrade::default()
    };
    match place {
        Place::Kubelet(node) => {
            *request.uri_mut() = target.parse().unwrap_or_default();
            state.config.nodes.call(node, request, upgrade).await
        }
        Place::Address { address, tls } => {
            let scheme = if *tls { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(address.to_string());
            *request.uri_mut() = uri.path_and_query(target).build().unwrap_or_default();
            let outgoing = Outgoing {
                request,
                address: Some(*address),
                dial: None,
                server_name: None,
                trust: if *tls { Trust::Anyone } else { Trust::Plain },
                credentials: Credentials::None,
                upgrade,
            };
            state.config.outbound.send(outgoing).await
        }
    }
}

/// A path up to `/proxy`, and what stands behind it.
fn split(path: &str) -> (&str, &str) {
    // /api/v1/nodes/NAME/proxy, /api/v1/namespaces/NS/pods/NAME/proxy
    let elements = if path.starts_with("/api/v1/namespaces/") {
        7
    } else {
        5
    };
    let end = path
        .match_indices('/')
        .nth(elements)
        .map_or(path.len(), |(at, _)| at);
    path.split_at(end)
}

fn slashed(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// A browser that asks for a place without a slash would lose its last element with the first relative link.
fn to_the_root(uri: &Uri) -> Response<Body> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(location) = HeaderValue::try_from(format!("{}/{query}", uri.path())) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let mut lines = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.any(|line| line.to_ascii_lowercase().contains("upgrade"))
}

/// The client's request, without what it told this server alone.
fn dressed(call: &Call, before: &str) -> Request<bytes::Bytes> {
    let mut headers = call.headers.clone();
    let upgrade = headers
        .get(UPGRADE)
        .cloned()
        .filter(|_| asks_for_upgrade(&headers));
    drop_hop_by_hop(&mut headers);
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            [AUTHORIZATION, CONTENT_LENGTH].contains(name) || name.as_str().starts_with("impersonate-")
        })
        .cloned()
        .collect();
    own.iter().for_each(|name| drop(headers.remove(name)));
    let path = &call.uri.path()[before.len()..];
    for (name, text) in [
        ("x-forwarded-for", forwarded_for(call)),
        ("x-forwarded-uri", format!("{before}{path}")),
    ] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    // HTTP/2 has no such header; who is asked there is part of the target.
    if let Some(authority) = call.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.entry(HOST).or_insert(host);
    }
    let mut request = Request::new(call.body.clone());
    *request.method_mut() = call.method.clone();
    *request.headers_mut() = headers;
    request
}

/// A redirection to the place itself leads through this server.
fn lead_back(headers: &mut HeaderMap, call: &Call, before: &str, authority: &str) {
    let host = call.headers.get(HOST).and_then(|host| host.to_str().ok());
    let asked = host.or_else(|| call.uri.authority().map(|authority| authority.as_str()));
    let given = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let led = given
        .and_then(|location| rewrite::location(location, before, &[authority, asked.unwrap_or_default()]));
    if let Some(Ok(led)) = led.map(HeaderValue::try_from) {
        headers.insert(LOCATION, led);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_behind_the_proxy() {
        for (path, before, behind) in [
            ("/api/v1/nodes/n/proxy", "/api/v1/nodes/n/proxy", ""),
            (
                "/api/v1/nodes/n:10250/proxy/pods/",
                "/api/v1/nodes/n:10250/proxy",
                "/pods/",
            ),
            (
                "/api/v1/namespaces/d/pods/https:p:443/proxy/",
                "/api/v1/namespaces/d/pods/https:p:443/proxy",
                "/",
            ),
            (
                "/api/v1/namespaces/d/services/s/proxy/a%2Fb//c",
                "/api/v1/namespaces/d/services/s/proxy",
                "/a%2Fb//c",
            ),
        ] {
            assert_eq!(split(path), (before, behind));
        }
    }
}
