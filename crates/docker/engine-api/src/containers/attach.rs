//! `POST /containers/ID/attach`.

use engine::{Attach, Status};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::Api;
use crate::error::ApiError;
use crate::server::body::Body;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::stream::detach::DetachKeys;
use crate::stream::frame::Framing;
use crate::stream::hijack::{Ended, head, take_over};

/// `POST /containers/ID/attach`. What goes wrong is told as text: a client that hijacks expects no
/// JSON.
pub(crate) async fn attach(call: Call<Api>) -> Result<Reply, ApiError> {
    match begin(&call).await {
        Ok(reply) => Ok(reply),
        Err(error) => Ok(refusal(&error)),
    }
}

async fn begin(call: &Call<Api>) -> Result<Reply, ApiError> {
    let keys = DetachKeys::parse(call.query.get("detachKeys"))?;
    let container = call.state.find(&call.name)?;
    match container.state.status {
        Status::Paused => {
            let sentence = "is paused, unpause the container before attach";
            return Err(ApiError::conflict(format!("container {} {sentence}", call.name)));
        }
        Status::Restarting => {
            let sentence = "is restarting, wait until the container is running";
            return Err(ApiError::conflict(format!("container {} {sentence}", call.name)));
        }
        _ => {}
    }
    let query = &call.query;
    let streams = Attach {
        stdin: query.bool("stdin"),
        stdout: query.bool("stdout"),
        stderr: query.bool("stderr"),
        logs: query.bool("logs"),
        stream: query.bool("stream"),
    };
    let attached = call.state.engine.attach(&container.id, streams).await?;
    let framing = Framing::of(attached.tty);
    let head = head(
        call.wants_upgrade(),
        framing == Framing::Multiplexed && call.version.since(42),
    );
    let (api, id) = (call.state.clone(), container.id.clone());
    Ok(take_over(head, move |client| async move {
        if client.join(attached, framing, keys).await == Ended::Detached {
            api.publish_of(&id, "detach", []);
        }
    }))
}

fn refusal(error: &ApiError) -> Reply {
    let mut response = Response::new(Body::from(format!("{}\r\n", error.message).into_bytes()));
    *response.status_mut() = error.status;
    let media_type = HeaderValue::from_static("application/vnd.docker.raw-stream");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    Reply::Http(response)
}

/// `GET /containers/ID/attach/ws`.
pub(crate) async fn websocket(call: Call<Api>) -> Result<Reply, ApiError> {
    call.state.find(&call.name)?;
    Err(ApiError::unsupported(
        "attaching over a websocket is not supported yet: use POST /containers/{id}/attach",
    ))
}
