//! `/portForward`: connections to a pod's ports.

use std::sync::Arc;

use apiserver::Body;
use driver::env::Doing;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use https::Upgraded;
use streaming::forward::{self, Forward, Spoken};
use streaming::{handshake, websocket};

use crate::answer;
use crate::query::Query;
use crate::server::{Call, State};

type Refusal = Box<Response<Body>>;

fn refused(code: StatusCode, why: &str) -> Refusal {
    Box::new(answer::text(code, why))
}

pub(crate) async fn answer(state: Arc<State>, call: Call) -> Response<Body> {
    connect(&state, call).unwrap_or_else(|refusal| *refusal)
}

fn connect(state: &Arc<State>, mut call: Call) -> Result<Response<Body>, Refusal> {
    let tunnelled = tunnel(&call)?;
    let ports = match &tunnelled {
        None if websocket::is_asked(call.request.headers()) => {
            ports(&call.query).map_err(|why| refused(StatusCode::BAD_REQUEST, &why))?
        }
        _ => Vec::new(),
    };
    let (namespace, name) = (&call.path[1], &call.path[2]);
    let pod = state.lookup.pod(namespace, name);
    let pod = pod.ok_or_else(|| refused(StatusCode::NOT_FOUND, "pod does not exist"))?;
    if call.path.get(3).is_some_and(|uid| *uid != pod.metadata.uid) {
        return Err(refused(StatusCode::NOT_FOUND, "pod not found"));
    }
    let (spoken, headers) = match tunnelled {
        Some(headers) => (Spoken::Tunnel, headers),
        None => negotiate(&call, ports)?,
    };
    let forward = Forward {
        node: state.parts.streams.clone(),
        pod: pod.reference(),
    };
    state.take_over(&mut call, headers, move |connection| {
        forward.serve(connection, spoken)
    })
}

/// The answer to a client that sends SPDY inside a WebSocket; none to others.
fn tunnel(call: &Call) -> Result<Option<HeaderMap>, Refusal> {
    let headers = call.request.headers();
    if !websocket::is_asked(headers) {
        return Ok(None);
    }
    match websocket::accept(call.request.method(), headers, &[forward::TUNNEL]) {
        Ok(accepted) => Ok(Some(accepted.headers)),
        Err(websocket::Refused::Protocol { .. }) => Ok(None),
        Err(why) => Err(refused(why.status(), &why.to_string())),
    }
}

fn negotiate(call: &Call, ports: Vec<u16>) -> Result<(Spoken, HeaderMap), Refusal> {
    let headers = call.request.headers();
    if websocket::is_asked(headers) {
        let offered = forward::WEBSOCKET.map(|(name, _)| name);
        let accepted = websocket::accept(call.request.method(), headers, &offered);
        let accepted = accepted.map_err(|why| refused(why.status(), &why.to_string()))?;
        let row = forward::WEBSOCKET
            .iter()
            .find(|(name, _)| *name == accepted.protocol);
        let coding = row.map_or(websocket::Coding::Binary, |row| row.1);
        return Ok((Spoken::WebSocket(coding, ports), accepted.headers));
    }
    let accepted = handshake::accept(headers, &forward::SPDY).map_err(|why| unspoken(&why))?;
    Ok((Spoken::Spdy, accepted.headers))
}

/// The ports of `?port=80,81`, which a client without SPDY names at the start.
fn ports(query: &Query) -> Result<Vec<u16>, String> {
    let mut given = query.all("port").peekable();
    if given.peek().is_none() {
        return Err(r#"query parameter "port" is required"#.to_owned());
    }
    let mut ports = Vec::new();
    for list in given {
        if list.is_empty() {
            return Err(r#"query parameter "port" cannot be empty"#.to_owned());
        }
        for port in list.split(',') {
            match port.parse() {
                Ok(0) => return Err(format!("port {list:?} must be > 0")),
                Ok(port) => ports.push(port),
                Err(_) => return Err(unparsed(list, port)),
            }
        }
    }
    // A channel's number is one byte, and each port has two.
    if ports.len() > 128 {
        return Err("too many ports: at most 128 fit into one connection".to_owned());
    }
    Ok(ports)
}

/// As Go says it.
fn unparsed(list: &str, port: &str) -> String {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let why = if digits {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("unable to parse {list:?} as a port: strconv.ParseUint: parsing {port:?}: {why}")
}

/// What a client hears that speaks no SPDY, or not the right one.
pub(crate) fn unspoken(why: &handshake::Refused) -> Refusal {
    let mut response = answer::error(why.status(), &why.to_string());
    if let handshake::Refused::Protocol { offered, .. } = why {
        for name in offered {
            let header = HeaderName::from_static("x-accepted-stream-protocol-versions");
            response
                .headers_mut()
                .append(header, HeaderValue::from_static(name));
        }
    }
    Box::new(response)
}

impl State {
    /// Answers 101, and gives the connection to `serve` once that is sent.
    ///
    /// # Errors
    /// Too many have one already, or the request came on none that can be taken over (HTTP/2).
    pub(crate) fn take_over<F: Future<Output = ()> + Send + 'static>(
        &self,
        call: &mut Call,
        headers: HeaderMap,
        serve: impl FnOnce(Upgraded) -> F + Send + 'static,
    ) -> Result<Response<Body>, Refusal> {
        let Some(place) = self.sessions.take() else {
            let why = "maximum number of in-flight requests exceeded";
            let mut response = answer::text(StatusCode::TOO_MANY_REQUESTS, why);
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("60"));
            return Err(Box::new(response));
        };
        let mut request = Request::new(());
        *request.extensions_mut() = std::mem::take(&mut call.upgrade);
        let Some(upgraded) = https::upgraded(&mut request) else {
            let why = "unable to upgrade: the connection cannot be taken over";
            return Err(Box::new(answer::error(StatusCode::INTERNAL_SERVER_ERROR, why)));
        };
        let session: Doing<()> = Box::pin(async move {
            match upgraded.await {
                Ok(connection) => serve(connection).await,
                Err(error) => tracing::debug!(%error, "a client left before its connection was taken over"),
            }
            drop(place);
        });
        self.parts.env.spawn(session);
        Ok(answer::switching(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_upstream_reads_them() {
        let read = |query: &str| ports(&Query::parse(Some(query)));
        assert_eq!(read("port=80,81&port=82"), Ok(vec![80, 81, 82]));
        for (query, why) in [
            ("", r#"query parameter "port" is required"#),
            ("port=", r#"query parameter "port" cannot be empty"#),
            ("port=0", r#"port "0" must be > 0"#),
            (
                "port=x",
                r#"unable to parse "x" as a port: strconv.ParseUint: parsing "x": invalid syntax"#,
            ),
            (
                "port=80,65536",
                r#"unable to parse "80,65536" as a port: strconv.ParseUint: parsing "65536": value out of range"#,
            ),
        ] {
            assert_eq!(read(query).unwrap_err(), why);
        }
    }
}
