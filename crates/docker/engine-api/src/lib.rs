//! The Docker Engine API 1.50 (1.24 and newer) over a unix socket: a door to the engine.
//!
//! `server` is HTTP as docker speaks it; `routes` is the table of endpoints; one file or folder per
//! area holds the handlers; `wire` the JSON shapes; `convert` the pure functions between those and
//! the engine's types; `coverage` the table of which property of a request is honoured, inert or
//! refused. Nothing here decides about containers.

#![forbid(unsafe_code)]

mod api;
mod build;
mod buildkit;
mod containers;
mod convert;
mod coverage;
mod error;
mod filters;
mod go_json;
mod host;
mod images;
mod networks;
mod prune;
mod routes;
mod server;
mod stream;
mod swarm;
mod system;
mod volumes;
mod wire;

use std::io;
use std::sync::Arc;

use builder::Builder;
use disk::Disk;
use distribution::Registries;
use driver::Clock;
use engine::Engine;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use tokio::net::UnixListener;

pub use error::ApiError;
pub use host::HostInfo;
pub use server::version::{ApiVersion, NEWEST, OLDEST};

use server::dispatch::Dispatch;

/// What the handlers work on.
pub struct Api {
    /// The node's containers, images, networks and volumes.
    pub engine: Engine,
    /// What makes images of Dockerfiles.
    pub builder: Builder,
    /// Where images are pulled from and pushed to.
    pub registries: Registries,
    /// What lies on the disk, and what of it may go.
    pub disk: Disk,
    /// What `GET /info` and `GET /version` say of the machine and of this build.
    pub host: HostInfo,
    /// Time of day, for ages and for `SystemTime`.
    pub clock: Arc<dyn Clock>,
    buildkit: ::buildkit::Buildkit,
}

impl Api {
    /// Everything that the handlers need, of a node's parts.
    #[must_use]
    pub fn new(
        (engine, builder): (Engine, Builder),
        registries: Registries,
        disk: Disk,
        host: HostInfo,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let rooms = buildkit::Rooms {
            engine: engine.clone(),
            builder: builder.clone(),
            registries: registries.clone(),
            disk: disk.clone(),
        };
        let buildkit = buildkit::door(rooms, clock.clone());
        Self {
            engine,
            builder,
            registries,
            disk,
            host,
            clock,
            buildkit,
        }
    }
}

/// Serves clients of the socket until `shutdown` resolves; requests that are under way then have
/// five seconds to end.
///
/// # Errors
/// None today: what accepting fails with is logged and tried again.
pub fn serve(
    listener: UnixListener,
    api: Api,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> BoxFuture<'static, io::Result<()>> {
    served(listener, api, Box::pin(shutdown))
}

/// Boxed here, so that the code of all routes stands in this crate and not in each caller's.
fn served(
    listener: UnixListener,
    api: Api,
    shutdown: BoxFuture<'static, ()>,
) -> BoxFuture<'static, io::Result<()>> {
    let server = HeaderValue::try_from(format!("Docker/{} (linux)", api.host.version))
        .unwrap_or(HeaderValue::from_static("Docker"));
    let dispatch = Dispatch {
        routes: routes::ROUTES,
        state: Arc::new(api),
        server,
        http2: Some(buildkit::direct),
    };
    Box::pin(server::serve(listener, Arc::new(dispatch), shutdown))
}
