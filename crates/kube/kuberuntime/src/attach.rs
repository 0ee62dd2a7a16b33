//! Clients at a container's own program: the first one, and those that come later.

use bytes::Bytes;
use engine::{Attach, Attached, Container, Status, WaitCondition};
use futures_util::FutureExt;
use streaming::{ContainerRef, Io, Session, StreamFault};
use tokio::sync::mpsc::Receiver;

use crate::Pods;
use crate::streams::{failed, resizing, session};

/// What containerd says of a container that has ended between the kubelet's look at it and its own.
const EXITED: &str = "container is in CONTAINER_EXITED state";

impl Pods {
    /// Connects a client with the program of a container that runs.
    pub(crate) async fn attach_to(&self, of: ContainerRef, io: Io) -> Result<Session, StreamFault> {
        let row = self.running(&of).ok_or(StreamFault::NotFound)?;
        let engine = &self.0.engine;
        let ended = engine
            .waiter(&row.id, WaitCondition::NotRunning)
            .map_err(failed)?;
        let (said, attached) = match self.0.places.take(&row.id).await {
            Some(early) => (early.said, self.first_client(&row, io, early.rest).await),
            None => (Vec::new(), self.later_client(&row, io).await?),
        };
        let resizer = engine.clone();
        let resize = resizing(move |columns, rows| {
            let (engine, id) = (resizer.clone(), row.id.clone());
            async move { engine.resize(&id, rows, columns).await.is_ok() }
        });
        // How the container ended is not what a client that was attached to it is told.
        Ok(session(said, attached, resize, ended.map(|_| Ok(0)).boxed()))
    }

    /// A client who has what the container writes already. If that has ended meanwhile there is no input.
    async fn first_client(
        &self,
        row: &Container,
        io: Io,
        output: Receiver<(engine::Stream, Bytes)>,
    ) -> Attached {
        let wanted = Attach {
            stdin: io.stdin,
            stream: true,
            ..Attach::default()
        };
        let input = match self.0.engine.attach_running(&row.id, wanted).await {
            Ok(attached) => attached.input,
            Err(error) => {
                tracing::debug!(id = %row.id, %error, "a client without input");
                None
            }
        };
        Attached {
            tty: row.spec.tty,
            output,
            input,
        }
    }

    /// A client who has what the container writes from now on. One that ends at this moment has nothing to say any more,
    /// and a client that is told so reads the log.
    async fn later_client(&self, row: &Container, io: Io) -> Result<Attached, StreamFault> {
        let engine = &self.0.engine;
        let wanted = Attach {
            stdin: io.stdin,
            stdout: io.stdout,
            stderr: io.stderr && !row.spec.tty,
            logs: false,
            stream: true,
        };
        let attached = engine.attach_running(&row.id, wanted).await;
        let status = engine.find(&row.id).map_err(failed)?.state.status;
        let refused = matches!(attached, Err(engine::Error::Conflict(_))) && status != Status::Paused;
        if refused || !status.has_process() {
            return Err(StreamFault::Failed(EXITED.to_owned()));
        }
        attached.map_err(failed)
    }
}
