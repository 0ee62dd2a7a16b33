//! The door: which method is which function, and which is refused why.

mod attestations;
mod bridge;
mod cache;
mod caps;
mod containers;
mod content;
mod control;
mod export;
mod failed;
mod filters;
mod gateway;
mod history;
mod records;
mod sbom;
mod solve;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use driver::Clock;
use prost::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::build::Builds;
use crate::filesync::Kept;
use crate::grpc::{Boxed, Call, Reply, Service, Status, Stream, serve};
use crate::job::Jobs;
use crate::proto::filesync::BytesMessage;
use crate::session::{SessionHead, Sessions};
use crate::trace::Context;

/// BuildKit's protocol over a builder. Clones share it.
#[derive(Clone)]
pub struct Buildkit(Arc<Door>);

pub(crate) use containers::Containers;
pub use failed::FailedCommand;

pub(crate) struct Door {
    pub(crate) builds: Arc<dyn Builds>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) jobs: Jobs,
    pub(crate) kept: Arc<Kept>,
    /// Itself, for frontends that are served apart.
    me: Weak<Self>,
}

impl Buildkit {
    /// The door of a builder. The history of builds is kept in a directory, or in memory where there is none.
    pub fn new(builds: Arc<dyn Builds>, clock: Arc<dyn Clock>, history: Option<PathBuf>) -> Self {
        Self(Arc::new_cyclic(|me| Door {
            builds,
            clock,
            sessions: Arc::default(),
            jobs: Jobs::open(history),
            kept: Arc::default(),
            me: me.clone(),
        }))
    }

    /// The sessions.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Serves gRPC on a connection until the client goes (`POST /grpc`).
    pub async fn serve(&self, stream: Box<dyn Stream>) {
        serve(stream, self.0.clone()).await;
    }

    /// Keeps a session until its connection ends (`POST /session`).
    pub async fn session(&self, head: SessionHead, stream: Box<dyn Stream>) {
        if let Err(cause) = self.0.sessions.keep(head, stream).await {
            tracing::debug!(%cause, "no session");
        }
    }
}

/// What is done with a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It works.
    Works,
    /// It is refused, with this reason.
    Refused(&'static str),
}

/// Bytes of a session in a message.
const PIECE: usize = 32 << 10;

use Support::{Refused, Works};

/// Every method of BuildKit's daemon: `docs/coverage-buildkit.md` is printed from this.
pub const METHODS: &[(&str, Support)] = &[
    ("/containerd.services.content.v1.Content/Info", Works),
    ("/containerd.services.content.v1.Content/Read", Works),
    ("/grpc.health.v1.Health/Check", Works),
    ("/moby.buildkit.v1.Control/DiskUsage", Works),
    ("/moby.buildkit.v1.Control/Info", Works),
    ("/moby.buildkit.v1.Control/ListWorkers", Works),
    ("/moby.buildkit.v1.Control/ListenBuildHistory", Works),
    ("/moby.buildkit.v1.Control/Prune", Works),
    ("/moby.buildkit.v1.Control/Session", Works),
    ("/moby.buildkit.v1.Control/Solve", Works),
    ("/moby.buildkit.v1.Control/Status", Works),
    ("/moby.buildkit.v1.Control/UpdateBuildHistory", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/Evaluate", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ExecProcess", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/Inputs", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/NewContainer", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/Ping", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ReadDir", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ReadDirContainer", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ReadFile", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ReadFileContainer", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ReleaseContainer", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ResolveImageConfig", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/ResolveSourceMeta", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/Return", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/Solve", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/StatFile", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/StatFileContainer", Works),
    ("/moby.buildkit.v1.frontend.LLBBridge/Warn", Works),
    (
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Works,
    ),
];

impl Service for Door {
    fn answer<'a>(&'a self, call: Call, reply: &'a Reply) -> Boxed<'a, Result<(), Status>> {
        Box::pin(async move {
            let path = call.path.clone();
            let known = METHODS.iter().find(|(known, _)| *known == path);
            tracing::debug!(path, known = known.is_some(), "gRPC");
            match known {
                Some((_, Works)) => self.dispatch(&path, call, reply).await,
                Some((_, Refused(reason))) => Err(Status::unimplemented(*reason)),
                None => Err(Status::unimplemented(format!("unknown method {path}"))),
            }
        })
    }
}

/// `answer(call, reply, |request| self.method(request))`: one message each way.
macro_rules! unary {
    ($call:ident, $reply:ident, $method:expr) => {{
        let request = $call.incoming.single().await?;
        let answer = $method(request).await?;
        $reply.send(&answer).await
    }};
}

impl Door {
    async fn dispatch(&self, path: &str, mut call: Call, reply: &Reply) -> Result<(), Status> {
        let (service, method) = path.rsplit_once('/').unwrap_or_default();
        match (service, method) {
            ("/grpc.health.v1.Health", _) => {
                reply
                    .send(&crate::proto::health::HealthCheckResponse { status: 1 })
                    .await
            }
            ("/containerd.services.content.v1.Content", "Info") => {
                unary!(call, reply, |asked| self.content_info(asked))
            }
            ("/containerd.services.content.v1.Content", "Read") => {
                let asked = call.incoming.single().await?;
                self.read_content(asked, reply).await
            }
            ("/opentelemetry.proto.collector.trace.v1.TraceService", "Export") => {
                self.jobs.sent(call.incoming.single().await?).await;
                reply.send(&crate::trace::ExportAnswer {}).await
            }
            ("/moby.buildkit.v1.Control", "DiskUsage") => unary!(call, reply, |asked| self.disk_usage(asked)),
            ("/moby.buildkit.v1.Control", "Info") => unary!(call, reply, |asked| self.info(asked)),
            ("/moby.buildkit.v1.Control", "ListWorkers") => {
                unary!(call, reply, |asked| self.list_workers(asked))
            }
            ("/moby.buildkit.v1.Control", "ListenBuildHistory") => {
                let asked = call.incoming.single().await?;
                self.listen_history(asked, reply).await
            }
            ("/moby.buildkit.v1.Control", "Prune") => {
                let asked = call.incoming.single().await?;
                self.prune(asked, reply).await
            }
            ("/moby.buildkit.v1.Control", "Session") => self.session_in_call(call, reply).await,
            ("/moby.buildkit.v1.Control", "Solve") => {
                let parent = call.metadata.get("traceparent");
                let parent = parent.and_then(|value| Context::read(value.to_str().ok()?));
                unary!(call, reply, |asked| Box::pin(self.solve(asked, parent)))
            }
            ("/moby.buildkit.v1.Control", "Status") => {
                let asked = call.incoming.single().await?;
                self.status(asked, reply).await
            }
            ("/moby.buildkit.v1.Control", "UpdateBuildHistory") => {
                unary!(call, reply, |asked| self.update_history(asked))
            }
            _ => self.bridge(method, call, reply).await,
        }
    }

    /// A session whose connection is a call: bytes in messages, both ways.
    async fn session_in_call(&self, call: Call, reply: &Reply) -> Result<(), Status> {
        let head = SessionHead::read(&call.metadata).map_err(Status::invalid)?;
        self.sessions.admits(&head)?;
        let (near, far) = tokio::io::duplex(PIECE);
        let (mut reader, mut writer) = tokio::io::split(near);
        let mut incoming = call.incoming;
        let take = async {
            while let Some(message) = incoming.message::<BytesMessage>().await? {
                if writer.write_all(&message.data).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let give = async {
            let mut piece = vec![0; PIECE];
            loop {
                let read = reader.read(&mut piece).await.unwrap_or(0);
                if read == 0 {
                    return Ok(());
                }
                let data = bytes::Bytes::copy_from_slice(&piece[..read]);
                reply.send(&BytesMessage { data }).await?;
            }
        };
        tokio::select! {
            kept = self.sessions.keep(head, Box::new(far)) => kept,
            taken = take => taken,
            given = give => given,
        }
    }

    /// What a frontend works with.
    fn parts(&self) -> (&Arc<dyn Builds>, &Arc<Kept>, &Sessions) {
        (&self.builds, &self.kept, &self.sessions)
    }

    fn before(&self, nanoseconds: i64) -> SystemTime {
        let ago = std::time::Duration::from_nanos(nanoseconds.max(0).unsigned_abs());
        self.clock
            .wall()
            .checked_sub(ago)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// Whether a message says anything at all.
fn is_set<M: Message>(message: Option<&M>) -> bool {
    message.is_some_and(|message| message.encoded_len() > 0)
}

#[cfg(test)]
mod tests;
