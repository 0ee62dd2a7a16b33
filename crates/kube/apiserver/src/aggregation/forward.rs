//! Sending requests on to the server of an APIService, in the name of who asked (`handler_proxy.go`).

use auth::UserInfo;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Remote;
use crate::nodes::Upgrade;
use crate::outbound::service::{Place, Unresolved, resolve};
use crate::outbound::{Credentials, Outgoing};
use crate::pipeline::plain;
use crate::server::State;
use crate::{Body, Call};

/// What is between two neighbours only (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What a client may not say for itself.
const OWN_PREFIXES: [&str; 2] = ["x-remote-", "impersonate-"];

/// Bytes of an `extra` key that stand in a header's name as they are (RFC 9110's token, without the percent sign).
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Sends a call on and hands back what comes, as it comes.
pub(crate) async fn forward(state: &State, call: &Call, remote: &Remote) -> Response<Body> {
    if !remote.available {
        return unavailable("service unavailable");
    }
    if call.headers.contains_key(UPGRADE) {
        return unavailable("error trying to reach service: this server does not pass upgrades on");
    }
    let target = call.uri.path_and_query().map_or("/", |target| target.as_str());
    let Ok(outgoing) = outgoing(state, remote, call.method.clone(), target) else {
        return unavailable("service unavailable");
    };
    let outgoing = Outgoing {
        request: dressed(call, outgoing.request),
        ..outgoing
    };
    match state.config.outbound.send(outgoing).await {
        Ok(mut response) => {
            drop_hop_by_hop(response.headers_mut());
            response
        }
        Err(error) => unavailable(&format!("error trying to reach service: {error}")),
    }
}

/// Sends the request for the document of one group version on: it stands at the same path there.
pub(crate) async fn openapi(state: &State, call: &Call) -> Option<Response<Body>> {
    let place = call.info.path.strip_prefix("/openapi/v3/apis/")?;
    let (group, version) = place.trim_end_matches('/').split_once('/')?;
    let remote = state.aggregation.remote(group, version)?;
    Some(forward(state, call, &remote).await)
}

fn unavailable(text: &str) -> Response<Body> {
    plain(StatusCode::SERVICE_UNAVAILABLE, text)
}

/// A request without headers to an endpoint of the remote's Service.
///
/// # Errors
/// The Service leads nowhere.
pub(super) fn outgoing(
    state: &State,
    remote: &Remote,
    method: Method,
    target: &str,
) -> Result<Outgoing, Unresolved> {
    let place = resolve(state, &remote.to, state.with_rng(driver::Rng::next_u64))?;
    let (host, port) = (remote.to.host(), remote.to.port);
    let uri = Uri::builder()
        .scheme("https")
        .authority(format!("{host}:{port}"))
        .path_and_query(target);
    let mut request = Request::new(bytes::Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri.build().unwrap_or_default();
    let (address, dial) = match place {
        Place::Address(address) => (Some(address), None),
        Place::Host(other) => (None, Some((other, port))),
    };
    Ok(Outgoing {
        request,
        address,
        dial,
        server_name: Some(host),
        trust: remote.trust.clone(),
        credentials: Credentials::FrontProxy,
        upgrade: Upgrade::default(),
    })
}

/// The call's headers and body, with who asks.
fn dressed(call: &Call, mut request: Request<bytes::Bytes>) -> Request<bytes::Bytes> {
    let mut headers = call.headers.clone();
    drop_hop_by_hop(&mut headers);
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            OWN_PREFIXES
                .iter()
                .any(|prefix| name.as_str().starts_with(prefix))
                || [AUTHORIZATION, HOST, CONTENT_LENGTH].contains(name)
        })
        .cloned()
        .collect();
    own.iter().for_each(|name| drop(headers.remove(name)));
    introduce(&mut headers, &call.user);
    trace(&mut headers, call, request.uri());
    *request.headers_mut() = headers;
    *request.body_mut() = call.body.clone();
    request
}

/// Takes out what is between two neighbours.
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Says who asks, in the headers that the ConfigMap `extension-apiserver-authentication` tells of.
pub(super) fn introduce(headers: &mut HeaderMap, user: &UserInfo) {
    let mut add = |name: &str, text: &str| {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(text)) {
            headers.append(name, value);
        }
    };
    add("x-remote-user", &user.name);
    if !user.uid.is_empty() {
        add("x-remote-uid", &user.uid);
    }
    for group in &user.groups {
        add("x-remote-group", group);
    }
    for (key, values) in &user.extra {
        let name = format!("x-remote-extra-{}", utf8_percent_encode(key, KEY)).to_lowercase();
        values.iter().for_each(|value| add(&name, value));
    }
}

/// Whence a request came, and through whom.
pub(crate) fn forwarded_for(call: &Call) -> String {
    let before = call.headers.get("x-forwarded-for");
    let before = before.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let client = call.peer.address.map(|address| address.ip().to_string());
    let from: Vec<String> = before.into_iter().chain(client).collect();
    from.join(", ")
}

/// Says whence the request came and where it was asked for.
fn trace(headers: &mut HeaderMap, call: &Call, uri: &Uri) {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    for (name, text) in [
        ("x-forwarded-for", forwarded_for(call).as_str()),
        ("x-forwarded-uri", uri.path()),
        ("x-forwarded-host", authority),
        ("x-forwarded-proto", "https"),
    ] {
        match HeaderValue::from_str(text) {
            Ok(value) if !text.is_empty() => drop(headers.insert(name, value)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_stands_in_headers_of_its_own() {
        let user = UserInfo {
            name: "jane".to_owned(),
            uid: "7".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            extra: [("example.com/Scopes".to_owned(), vec!["x".to_owned()])]
                .into_iter()
                .collect(),
        };
        let mut headers = HeaderMap::new();
        introduce(&mut headers, &user);
        let all = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(all("x-remote-user"), ["jane"]);
        assert_eq!(all("x-remote-uid"), ["7"]);
        assert_eq!(all("x-remote-group"), ["a", "b"]);
        assert_eq!(all("x-remote-extra-example.com%2fscopes"), ["x"]);
    }

    #[test]
    fn what_is_between_neighbours_goes_no_further() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "x-mine, close"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        drop_hop_by_hop(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["accept"]);
    }
}
