//! Containers of frontends, by the node's builder.

use std::sync::Arc;

use ::buildkit::grpc::Boxed;
use ::buildkit::{
    Code, Command, Container, ContainerRequest, Control, Entry, EntryKind, Held, Running, Status,
};
use builder::{BuildContainer, Builder, ContainerFiles, Entitlements, Found, FoundKind};
use bytes::Bytes;
use distribution::Registries;
use engine::Stream;
use tokio::sync::mpsc;

use super::origin::failed;
use super::services::services;
use super::vertices::status;

/// Pieces of a process's streams that wait.
const WAITING: usize = 16;

/// A container, and what keeps the results that it is made of.
struct OfBuild {
    container: Arc<BuildContainer>,
    _held: Vec<Held>,
}

/// Makes a container ready.
///
/// # Errors
/// The builder's.
pub(super) async fn container(
    builder: Builder,
    registries: Registries,
    request: ContainerRequest,
) -> Result<Arc<dyn Container>, Status> {
    let allowed = |what: &str| request.entitlements.iter().any(|entitlement| entitlement == what);
    let entitlements = Entitlements {
        network_host: allowed("network.host"),
        security_insecure: allowed("security.insecure"),
    };
    let inputs = request
        .images
        .iter()
        .map(|built| built.image.parse().map_err(failed));
    let inputs = inputs.collect::<Result<_, Status>>()?;
    let services = services(request.session.clone(), registries, builder.directory());
    let container = builder.container(builder::ContainerRequest {
        mounts: request.mounts,
        inputs,
        network: request.network,
        hostname: request.hostname,
        hosts: request.hosts,
        services,
        entitlements,
    });
    Ok(Arc::new(OfBuild {
        container: Arc::new(container.await.map_err(|error| status(&error))?),
        _held: request.images.into_iter().map(|built| built.held).collect(),
    }))
}

impl OfBuild {
    /// Looks at its files on a thread that may wait for the disk.
    fn look<T: Send + 'static>(
        &self,
        place: &str,
        look: impl FnOnce(&ContainerFiles) -> Result<T, builder::BuildError> + Send + 'static,
    ) -> Boxed<'static, Result<T, Status>> {
        let (container, place) = (self.container.clone(), place.to_owned());
        Box::pin(async move {
            let files = container.files(&place).await.map_err(|error| status(&error))?;
            let looked = tokio::task::spawn_blocking(move || look(&files)).await;
            let looked = looked.map_err(|cause| Status::new(Code::Internal, cause.to_string()))?;
            looked.map_err(|error| status(&error))
        })
    }
}

impl Container for OfBuild {
    fn start(&self, command: Command) -> Boxed<'static, Result<Running, Status>> {
        let container = self.container.clone();
        Box::pin(async move {
            let started = container.start(builder::Command {
                args: command.args,
                env: command.env,
                cwd: command.cwd,
                user: command.user,
                tty: command.tty,
                stdin: command.stdin,
                insecure: command.insecure,
                secret_env: command.secret_env,
            });
            Ok(running(started.await.map_err(|error| status(&error))?))
        })
    }

    fn release(&self) -> Boxed<'static, Result<(), Status>> {
        let container = self.container.clone();
        Box::pin(async move { container.release().await.map_err(|error| status(&error)) })
    }

    fn read(
        &self,
        place: &str,
        path: &str,
        (offset, most): (u64, u64),
    ) -> Boxed<'static, Result<Bytes, Status>> {
        let path = path.to_owned();
        self.look(place, move |files| {
            files.read(&path, offset, most).map(Bytes::from)
        })
    }

    fn list(&self, place: &str, path: &str) -> Boxed<'static, Result<Vec<Entry>, Status>> {
        let path = path.to_owned();
        self.look(place, move |files| {
            Ok(files.list(&path)?.into_iter().map(entry).collect())
        })
    }

    fn stat(&self, place: &str, path: &str) -> Boxed<'static, Result<Entry, Status>> {
        let path = path.to_owned();
        self.look(place, move |files| files.stat(&path).map(entry))
    }
}

fn entry(found: Found) -> Entry {
    Entry {
        name: found.name,
        kind: match found.kind {
            FoundKind::Directory => EntryKind::Directory,
            FoundKind::File(size) => EntryKind::File(size),
            FoundKind::Symlink(target) => EntryKind::Symlink(target),
            FoundKind::Special => EntryKind::Special,
        },
        mode: found.mode,
        uid: found.uid,
        gid: found.gid,
        modified: found.modified,
    }
}

/// A process in this door's words.
fn running(started: builder::Running) -> Running {
    let builder::Running { streams, process } = started;
    let (mut from, input) = (streams.output, streams.input);
    let (out, output) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while let Some((stream, bytes)) = from.recv().await {
            let number = match stream {
                Stream::Stdout => 1,
                Stream::Stderr => 2,
            };
            if out.send((number, bytes)).await.is_err() {
                break;
            }
        }
    });
    let input = input.map(|input| {
        let (sender, mut given) = mpsc::channel::<Bytes>(WAITING);
        tokio::spawn(async move {
            while let Some(bytes) = given.recv().await {
                if input.write(bytes).await.is_err() {
                    break;
                }
            }
            input.close();
        });
        sender
    });
    let (control, mut orders) = mpsc::channel(WAITING);
    let ordered = process.clone();
    tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            let done = match order {
                Control::Resize(rows, columns) => ordered.resize(rows, columns).await,
                Control::Signal(number) => ordered.signal(number).await,
            };
            if let Err(cause) = done {
                tracing::debug!(%cause, "a frontend's process");
            }
        }
    });
    Running {
        output,
        input,
        control,
        ended: Box::pin(async move { process.wait().await.map_err(|error| status(&error)) }),
    }
}
