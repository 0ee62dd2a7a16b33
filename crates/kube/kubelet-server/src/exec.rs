//! `/exec` and `/attach`: a client at a container's program.

use std::sync::Arc;

use apiserver::Body;
use http::header::USER_AGENT;
use http::{HeaderMap, Response, StatusCode};
use streaming::remote::{self, Remote, Spoken, Version, Wanted};
use streaming::{ContainerRef, Io, handshake, websocket};

use crate::answer;
use crate::lookup::Pod;
use crate::server::{Call, State};

/// Runs a command.
pub(crate) async fn exec(state: Arc<State>, call: Call) -> Response<Body> {
    let command = call.query.all("command").map(str::to_owned).collect();
    connect(&state, call, Wanted::Exec(command)).unwrap_or_else(|refusal| *refusal)
}

/// Connects with what runs.
pub(crate) async fn attach(state: Arc<State>, call: Call) -> Response<Body> {
    connect(&state, call, Wanted::Attach).unwrap_or_else(|refusal| *refusal)
}

type Refusal = Box<Response<Body>>;

fn refused(code: StatusCode, why: &str) -> Refusal {
    Box::new(answer::text(code, why))
}

fn connect(state: &Arc<State>, mut call: Call, wanted: Wanted) -> Result<Response<Body>, Refusal> {
    let io = io(&call)?;
    let (pod, of) = find(state, &call.path)?;
    let io = match wanted {
        Wanted::Exec(_) => io,
        Wanted::Attach => attached(io, &pod, &of)?,
    };
    let (spoken, headers) = negotiate(&call)?;
    // From version 5 on a client hears on its error channel what is wrong.
    if spoken.version() < Version::V5 && !state.parts.streams.runs(&of) {
        return Err(refused(StatusCode::INTERNAL_SERVER_ERROR, &wanted.missing(&of)));
    }
    let node = state.parts.streams.clone();
    let agent = call.request.headers().get(USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let remote = Remote {
        node,
        of,
        wanted,
        io,
        settling: remote::settling(spoken, agent),
    };
    state.take_over(&mut call, headers, move |connection| {
        remote.serve(connection, spoken)
    })
}

/// What the client wants to be connected with.
fn io(call: &Call) -> Result<Io, Refusal> {
    let tty = call.query.is_set("tty");
    let io = Io {
        stdin: call.query.is_set("input"),
        stdout: call.query.is_set("output"),
        // A terminal has one output.
        stderr: call.query.is_set("error") && !tty,
        tty,
    };
    if io.stdin || io.stdout || io.stderr {
        return Ok(io);
    }
    let why = "you must specify at least 1 of stdin, stdout, stderr";
    Err(refused(StatusCode::BAD_REQUEST, why))
}

/// The pod and container of `/exec/NS/POD[/UID]/CONTAINER`.
pub(crate) fn find(state: &State, path: &[String]) -> Result<(Pod, ContainerRef), Refusal> {
    let missing = || refused(StatusCode::NOT_FOUND, "pod does not exist");
    let (namespace, name, uid, container) = match path {
        [_, namespace, name, container] => (namespace, name, None, container),
        [_, namespace, name, uid, container] => (namespace, name, Some(uid), container),
        _ => return Err(missing()),
    };
    let pod = state.lookup.pod(namespace, name).ok_or_else(missing)?;
    if uid.is_some_and(|uid| *uid != pod.metadata.uid) {
        return Err(missing());
    }
    let of = ContainerRef {
        pod: pod.reference(),
        container: container.clone(),
    };
    Ok((pod, of))
}

/// Whether there is a terminal has been decided when the container started.
fn attached(io: Io, pod: &Pod, of: &ContainerRef) -> Result<Io, Refusal> {
    let Some(container) = pod.container(&of.container) else {
        let why = Wanted::Attach.missing(of);
        return Err(refused(StatusCode::INTERNAL_SERVER_ERROR, &why));
    };
    if container.tty && io.stderr {
        let why = "tty and stderr cannot both be true";
        return Err(refused(StatusCode::INTERNAL_SERVER_ERROR, why));
    }
    Ok(Io {
        tty: container.tty,
        ..io
    })
}

/// How the client speaks, and what it is answered.
fn negotiate(call: &Call) -> Result<(Spoken, HeaderMap), Refusal> {
    let (method, headers) = (call.request.method(), call.request.headers());
    if websocket::is_asked(headers) {
        let offered = remote::WEBSOCKET.map(|(name, ..)| name);
        let accepted = websocket::accept(method, headers, &offered);
        let accepted = accepted.map_err(|why| refused(why.status(), &why.to_string()))?;
        let row = remote::WEBSOCKET
            .iter()
            .find(|(name, ..)| *name == accepted.protocol);
        let (version, coding) = row.map_or((Version::V1, websocket::Coding::Binary), |row| (row.1, row.2));
        return Ok((Spoken::WebSocket(version, coding), accepted.headers));
    }
    let offered = remote::SPDY.map(|(name, _)| name);
    let accepted = handshake::accept(headers, &offered);
    let accepted = accepted.map_err(|why| crate::forward::unspoken(&why))?;
    let row = remote::SPDY.iter().find(|(name, _)| *name == accepted.protocol);
    let version = row.map_or(Version::V1, |row| row.1);
    Ok((Spoken::Spdy(version), accepted.headers))
}
