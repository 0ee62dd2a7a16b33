//! BuildKit's door beside the Engine API's: the two routes that leave HTTP/1, and the builder behind them.

mod builds;
mod caches;
mod calls;
mod containers;
mod contexts;
mod exports;
mod materials;
mod mounts;
mod origin;
mod program;
mod services;
mod solves;
mod vertices;

use std::sync::Arc;

use ::buildkit::{Buildkit, Code, SessionHead};
use builder::{Builder, HISTORY};
use disk::Disk;
use distribution::Registries;
use driver::Clock;
use engine::Engine;
use http::header::UPGRADE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::Api;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::{Boxed, Hijack, Reply};

/// The protocol's name in `Upgrade`.
const PROTOCOL: &str = "h2c";

/// What the door leads to.
pub(crate) struct Rooms {
    pub(crate) engine: Engine,
    pub(crate) builder: Builder,
    pub(crate) registries: Registries,
    pub(crate) disk: Disk,
}

/// BuildKit's protocol over the node's builder.
pub(crate) fn door(rooms: Rooms, clock: Arc<dyn Clock>) -> Buildkit {
    let Rooms {
        engine,
        builder,
        registries,
        disk,
    } = rooms;
    let history = builder.directory().join(HISTORY);
    let builds = builds::NodeBuilds {
        engine,
        builder,
        registries,
        disk,
    };
    Buildkit::new(Arc::new(builds), clock, Some(history))
}

/// `POST /grpc`: gRPC, served by the daemon, on the connection.
pub(crate) async fn grpc(call: Call<Api>) -> Result<Reply, ApiError> {
    check_upgrade(&call)?;
    let door = call.state.buildkit.clone();
    Ok(upgraded(move |stream| async move { door.serve(stream).await }))
}

/// `POST /session`: gRPC, served by the client, on the connection.
pub(crate) async fn session(call: Call<Api>) -> Result<Reply, ApiError> {
    check_upgrade(&call)?;
    let head = SessionHead::read(&call.headers).map_err(ApiError::bad)?;
    let door = call.state.buildkit.clone();
    door.sessions()
        .admits(&head)
        .map_err(|status| match status.code {
            Code::AlreadyExists => ApiError::new(http::StatusCode::CONFLICT, status.message),
            _ => ApiError::new(http::StatusCode::TOO_MANY_REQUESTS, status.message),
        })?;
    Ok(upgraded(
        move |stream| async move { door.session(head, stream).await },
    ))
}

/// gRPC from the first byte, on the socket itself.
pub(crate) fn direct(api: Arc<Api>, stream: UnixStream) -> Boxed<()> {
    let door = api.buildkit.clone();
    Box::pin(async move { door.serve(Box::new(stream)).await })
}

fn check_upgrade(call: &Call<Api>) -> Result<(), ApiError> {
    match call.header(UPGRADE.as_str()) {
        PROTOCOL => Ok(()),
        "" => Err(ApiError::bad("no upgrade proto in request")),
        other => Err(ApiError::bad(format!("protocol {other} not supported"))),
    }
}

/// Answers 101 and gives the connection, early bytes included, to `run`.
fn upgraded<F>(run: impl FnOnce(Box<dyn ::buildkit::grpc::Stream>) -> F + Send + 'static) -> Reply
where
    F: Future<Output = ()> + Send + 'static,
{
    const HEAD: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    Reply::Hijack(Hijack {
        run: Box::new(move |mut stream: UnixStream, early| {
            Box::pin(async move {
                if stream.write_all(HEAD).await.is_ok() {
                    let (reader, writer) = stream.into_split();
                    let reader = std::io::Cursor::new(early).chain(reader);
                    run(Box::new(tokio::io::join(reader, writer))).await;
                }
            })
        }),
    })
}
