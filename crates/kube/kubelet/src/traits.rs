//! What a kubelet needs done: containers, volumes, probes, and the services of its node.
//!
//! Everything here is asked for by the driver that runs a pod's worker, one thing at a time for each container. Errors carry
//! the text that users see. Nothing has to be undone by whoever asks: what was made is found again by pod and attempt.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use futures_util::future::BoxFuture;

use crate::container::{
    Attempt, ContainerId, ContainerIx, Ended, ImageFault, ObservedPod, Pulled, Sandbox, Sought, StartFault,
    Started, Uid,
};
use crate::pod::{HttpHeader, Pod, Scheme};
use crate::volume::{Mounts, Payload, Usage};

/// Something that is being done.
pub type Doing<T> = BoxFuture<'static, T>;

/// Something could not be made: the reason of the event, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `FailedCreatePodSandBox`, `FailedMount`
    pub reason: String,
    /// The whole message of the event.
    pub message: String,
}

/// What a runtime tells without being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A container has ended.
    Ended {
        /// Of which pod.
        uid: Uid,
        /// Which one.
        id: ContainerId,
        /// How.
        ended: Ended,
    },
    /// A pod's network or another part of its sandbox is gone.
    SandboxLost(Uid),
    /// An image or a name of one came: whoever waits for one may look again.
    Images,
    /// Something was missed: everything has to be observed again.
    Lost,
}

/// Runs containers.
pub trait Runtime: Send + Sync {
    /// Makes what the containers of a pod share, or finds it made.
    fn prepare(&self, pod: &Arc<Pod>) -> Doing<Result<Sandbox, Refused>>;

    /// Looks for a container's image, by its pull policy.
    fn image(&self, pod: &Arc<Pod>, at: ContainerIx) -> Doing<Result<Sought, ImageFault>>;

    /// Brings a container's image from its registry, or finds that what is here is what it names. `keys` are Docker's
    /// configurations (`{"auths": …}`) with credentials that may be used for it, in order.
    fn pull(&self, pod: &Arc<Pod>, at: ContainerIx, keys: Vec<Vec<u8>>) -> Doing<Result<Pulled, ImageFault>>;

    /// Makes and starts a container. `environment` is the kubelet's, to be put after the image's; command and arguments
    /// are expanded with it by [`crate::env::expand`]. Dead containers of the same name beyond the last are removed.
    fn start(
        &self,
        pod: &Arc<Pod>,
        at: ContainerIx,
        attempt: Attempt,
        environment: Vec<(String, String)>,
        mounts: Arc<Mounts>,
    ) -> Doing<Result<Started, StartFault>>;

    /// Signals a container to stop and kills it when its grace is over; zero kills at once. It is done when the container
    /// has ended. A second call with a shorter grace shortens the first. One that is gone has stopped.
    fn stop(&self, id: &ContainerId, grace: Duration) -> Doing<Result<(), String>>;

    /// Gives a pod's groups, and those of its containers that run, the limits that the pod says now.
    fn resize(&self, pod: &Arc<Pod>, running: Vec<(ContainerIx, ContainerId)>) -> Doing<Result<(), String>>;

    /// Removes a container that has ended, its log too. One that is gone is removed.
    fn remove(&self, id: &ContainerId) -> Doing<()>;

    /// Takes down what the containers of a pod shared, its volumes, directories and groups. Dead containers and logs stay.
    fn tear_down(&self, uid: &Uid) -> Doing<Result<(), String>>;

    /// All pods that anything is there of.
    fn observe(&self) -> Vec<ObservedPod>;

    /// What happens from now on, to all pods. Called once.
    fn ends(&self) -> Receiver<Ending>;
}

/// Writes volumes.
pub trait Volumes: Send + Sync {
    /// Makes all volumes of a pod.
    fn write(&self, pod: &Arc<Pod>, payloads: Vec<Payload>) -> Doing<Result<Arc<Mounts>, Refused>>;

    /// Writes the new content of one volume, in one step for whoever reads it.
    fn update(&self, pod: &Arc<Pod>, payload: Payload) -> Doing<Result<(), Refused>>;

    /// What a pod keeps on disk.
    fn usage(&self, uid: &Uid) -> Doing<Usage>;
}

/// Whom a probe or a hook asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A program in the container.
    Exec(Vec<String>),
    /// Over HTTP.
    Http {
        /// How.
        scheme: Scheme,
        /// An address or a name.
        host: String,
        /// The port.
        port: u16,
        /// Path and query, beginning with `/`.
        path: String,
        /// Headers of the user. `Host` is honoured.
        headers: Vec<HttpHeader>,
    },
    /// What `grpc.health.v1.Health` says.
    Grpc {
        /// An address.
        host: String,
        /// The port.
        port: u16,
        /// Of which service; empty for the server.
        service: String,
    },
    /// Whether a connection is accepted.
    Tcp {
        /// An address or a name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A question to a container, resolved: ports are numbers, hosts are said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    /// Which container.
    pub id: ContainerId,
    /// What is asked.
    pub ask: Ask,
}

/// The same for a hook; its TCP form is refused before.
pub type HookTarget = ProbeTarget;

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Success,
    /// All is well, but people should read this (a redirect to another host).
    Warning(String),
    /// It is not: the text for people.
    Failure(String),
    /// It could not be asked.
    Errored(String),
}

/// Asks containers how they are.
pub trait Prober: Send + Sync {
    /// One probe.
    fn probe(&self, target: ProbeTarget, timeout: Duration) -> Doing<Outcome>;

    /// Runs a hook; the error is the text for people.
    fn hook(&self, target: HookTarget, limit: Duration) -> Doing<Result<(), String>>;
}

/// A file that may describe a static pod: its path, and its content or why it cannot be read.
pub type ManifestFile = (PathBuf, io::Result<Vec<u8>>);

/// The files that describe static pods.
pub trait Manifests: Send + Sync {
    /// Every file, in the order of paths.
    ///
    /// # Errors
    /// The directory's: it is not there, or cannot be read.
    fn read(&self) -> Doing<io::Result<Vec<ManifestFile>>>;

    /// Done once anything may have changed since the last [`read`](Self::read) began. Dropping it loses nothing.
    fn changed(&self) -> Doing<()>;
}

/// The services of this node.
pub trait Services: Send + Sync {
    /// Done once no service of this node leads to the address any more and no connection through one is open. It may take
    /// for ever: whoever asks sets the bound.
    fn left(&self, pod: IpAddr) -> Doing<()>;
}
