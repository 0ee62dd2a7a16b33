//! Pods on the container engine: does what the kubelet decides, and decides nothing.
//!
//! A pod is a network namespace, an IPC namespace, a control group and rows of the engine. Whatever was made is found
//! again by the pod's uid and the container's name and attempt: nothing is remembered from one daemon to the next but
//! what the engine, the kernel and the disk keep.
#![forbid(unsafe_code)]

mod attach;
mod cgroups;
mod container;
mod early;
pub mod files;
mod images;
mod keyring;
mod logs;
pub mod machine;
mod manifests;
mod note;
mod observe;
mod paths;
mod probe;
mod resize;
mod resources;
mod sandbox;
mod streams;
pub mod volumes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use async_channel::Receiver;
use distribution::Registries;
use driver::Clock;
use engine::Engine;
use kubelet::container::{
    Attempt, ContainerId, ImageFault, ObservedPod, Pulled, Sandbox, Sought, StartFault, Started,
};
use kubelet::traits::{Doing, Ending, HookTarget, Outcome, ProbeTarget, Prober, Refused, Runtime, Volumes};
use kubelet::volume::{Mounts, Payload, Usage};
use kubelet::{ContainerIx, Pod, Uid};
use tokio::sync::Semaphore;

use cgroups::Groups;
use container::start::Start;
use early::Places;
use files::{Cluster, NodeFiles};
use note::Bursts;
use observe::Teller;
use paths::Paths;
use volumes::VolumeStore;

pub use manifests::ManifestDirectory;

/// Sandboxes and containers that are made at once, for each processor and besides: beyond that the kernel's locks of
/// links and groups only make each other wait.
const TURNS_EACH: usize = 2;
const TURNS: usize = 4;

/// Where pods run.
pub struct Config {
    /// `--name`: control groups are below it.
    pub instance: String,
    /// `DATA/kubelet`: files and volumes of pods, and what nodes keep for them (`seccomp`).
    pub root: PathBuf,
    /// `/var/log`: logs are in `pods` below it, links to them in `containers`.
    pub log_root: PathBuf,
    /// `RUN`: what does not survive a reboot.
    pub run_dir: PathBuf,
    /// Names of the cluster.
    pub cluster: Cluster,
    /// The node's own files.
    pub node_files: NodeFiles,
    /// The node's memory in bytes, by which the OOM killer's preferences are measured.
    pub memory: u64,
    /// The node's processors, in thousandths.
    pub milli_cpu: i64,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where images come from that are not here.
    pub registries: Registries,
}

/// Why pods cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something of the node cannot be used.
    #[error("{what}: {why}")]
    Node {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        why: io::Error,
    },
}

/// Images that pods pull at once; further ones wait, as with a kubelet's `maxParallelImagePulls`. (Its default is one after
/// the other, which one slow registry stops.)
const PULLS: usize = 10;

fn unusable(what: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |why| OpenError::Node { what, why }
}

/// The pods of a node. Clones are the same.
#[derive(Clone)]
pub struct Pods(Arc<Inner>);

struct Inner {
    engine: Engine,
    paths: Paths,
    groups: Groups,
    volumes: VolumeStore,
    cluster: Cluster,
    node_files: NodeFiles,
    memory: i64,
    clock: Arc<dyn Clock>,
    registries: Registries,
    turns: Semaphore,
    pulls: Semaphore,
    bursts: Bursts,
    teller: Teller,
    places: Places,
}

impl Pods {
    /// Opens what is there: containers that run are watched, sandboxes are found by their notes. It touches the disk.
    ///
    /// # Errors
    /// See [`OpenError`].
    ///
    /// # Panics
    /// Outside of an executor.
    pub fn open(config: Config, engine: Engine) -> Result<Self, OpenError> {
        let paths = Paths {
            root: config.root,
            run: config.run_dir,
            logs: config.log_root,
        };
        let layout = runtime::cgroup::Layout::read().map_err(unusable("the control groups of this host"))?;
        for directory in [
            paths.pods(),
            paths.running(),
            paths.logs.join("pods"),
            paths.logs.join("containers"),
        ] {
            fs::create_dir_all(&directory).map_err(unusable("a directory of pods"))?;
        }
        // What is mounted there is for this node alone, and does not live on in other mount namespaces.
        sys::netns::shelter(&paths.running()).map_err(unusable("the directory of sandboxes"))?;
        let groups = Groups::new(layout, &config.instance);
        groups
            .open(config.milli_cpu)
            .map_err(unusable("the control groups of pods"))?;
        let pods = Self(Arc::new(Inner {
            volumes: VolumeStore::new(&paths.pods(), config.clock.clone()),
            engine,
            paths,
            groups,
            cluster: config.cluster,
            node_files: config.node_files,
            memory: i64::try_from(config.memory).unwrap_or(i64::MAX),
            clock: config.clock,
            registries: config.registries,
            turns: Semaphore::new(turns()),
            pulls: Semaphore::new(PULLS),
            bursts: Bursts::default(),
            teller: Teller::default(),
            places: Places::default(),
        }));
        pods.adopt_sandboxes()
            .map_err(unusable("the control group of burstable pods"))?;
        for (row, _) in pods.rows() {
            if row.state.status.has_process() {
                pods.watch_end(&row.id);
            }
        }
        pods.watch_images();
        Ok(pods)
    }

    /// Takes away what pods have in the kernel, for a node that goes down: containers that were to stop and have not are
    /// killed. Containers, logs, files and volumes on disk stay for the next time. It touches the disk.
    pub fn close(&self) {
        if let Err(error) = self.0.groups.kill() {
            tracing::warn!(%error, "what runs in pods is not killed");
        }
        for pod in self.observe_all() {
            let taken = self
                .0
                .volumes
                .unmount(&pod.uid)
                .and_then(|()| self.unmake_sandbox(&pod.uid));
            if let Err(error) = taken {
                tracing::warn!(pod = %pod.uid, %error, "something of a pod stays in the kernel");
            }
        }
        self.0.groups.close();
        if let Err(error) = sys::netns::unshelter(&self.0.paths.running()) {
            tracing::warn!(%error, "the directory of sandboxes stays mounted");
        }
    }

    /// Takes down what the containers of a pod shared, and its volumes.
    fn take_down(&self, uid: &Uid) -> io::Result<()> {
        let note = self.note(uid);
        self.0.volumes.remove(uid)?;
        self.unmake_sandbox(uid)?;
        let directory = self.0.paths.pod(uid);
        for file in ["etc-hosts", "resolv.conf", "hostname"] {
            sandbox::gone(fs::remove_file(directory.join(file)))?;
        }
        let (namespace, name) = note.map(|note| (note.namespace, note.name)).unwrap_or_default();
        // Last words of containers that are dead stay with them.
        self.forget_if_gone(uid, &namespace, &name);
        Ok(())
    }
}

fn turns() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    TURNS_EACH * processors + TURNS
}

/// Runs what may block on a thread that may. It goes on when nobody waits for it any more.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work)
        .await
        .map_err(tokio::task::JoinError::try_into_panic)
    {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // It is cancelled only when the executor ends, and whoever waits with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

impl Runtime for Pods {
    fn prepare(&self, pod: &Arc<Pod>) -> Doing<Result<Sandbox, Refused>> {
        let (pods, pod) = (self.clone(), pod.clone());
        Box::pin(async move { pods.prepare_pod(pod).await })
    }

    fn image(&self, pod: &Arc<Pod>, at: ContainerIx) -> Doing<Result<Sought, ImageFault>> {
        let (pods, pod) = (self.clone(), pod.clone());
        Box::pin(async move {
            let container = pod.at(at).cloned().unwrap_or_default();
            images::seek(pods.0.engine.images(), &container)
        })
    }

    fn pull(&self, pod: &Arc<Pod>, at: ContainerIx, keys: Vec<Vec<u8>>) -> Doing<Result<Pulled, ImageFault>> {
        let (pods, pod) = (self.clone(), pod.clone());
        Box::pin(async move {
            let container = pod.at(at).cloned().unwrap_or_default();
            pods.pull_image(&container.image, &keys).await
        })
    }

    fn start(
        &self,
        pod: &Arc<Pod>,
        at: ContainerIx,
        attempt: Attempt,
        environment: Vec<(String, String)>,
        mounts: Arc<Mounts>,
    ) -> Doing<Result<Started, StartFault>> {
        let start = Start {
            pod: pod.clone(),
            at,
            attempt,
            environment,
            mounts,
        };
        let pods = self.clone();
        Box::pin(async move { pods.start_container(start).await })
    }

    fn stop(&self, id: &ContainerId, grace: Duration) -> Doing<Result<(), String>> {
        let (pods, id) = (self.clone(), id.clone());
        Box::pin(async move { pods.stop_container(id, grace).await })
    }

    fn resize(&self, pod: &Arc<Pod>, running: Vec<(ContainerIx, ContainerId)>) -> Doing<Result<(), String>> {
        let (pods, pod) = (self.clone(), pod.clone());
        Box::pin(async move { pods.resize_pod(&pod, running).await })
    }

    fn remove(&self, id: &ContainerId) -> Doing<()> {
        let (pods, id) = (self.clone(), id.clone());
        Box::pin(async move { pods.remove_container(&id).await })
    }

    fn tear_down(&self, uid: &Uid) -> Doing<Result<(), String>> {
        let (pods, uid) = (self.clone(), uid.clone());
        Box::pin(async move {
            pods.end_attempts(&uid, None).await?;
            let down = blocking(move || pods.take_down(&uid)).await;
            down.map_err(|error| error.to_string())
        })
    }

    fn observe(&self) -> Vec<ObservedPod> {
        self.observe_all()
    }

    fn ends(&self) -> Receiver<Ending> {
        self.endings()
    }
}

impl Prober for Pods {
    fn probe(&self, target: ProbeTarget, timeout: Duration) -> Doing<Outcome> {
        let pods = self.clone();
        Box::pin(async move { pods.ask(target, timeout).await })
    }

    fn hook(&self, target: HookTarget, limit: Duration) -> Doing<Result<(), String>> {
        let pods = self.clone();
        Box::pin(async move { pods.run_hook(target, limit).await })
    }
}

impl Volumes for Pods {
    fn write(&self, pod: &Arc<Pod>, payloads: Vec<Payload>) -> Doing<Result<Arc<Mounts>, Refused>> {
        self.0.volumes.write(pod, payloads)
    }

    fn update(&self, pod: &Arc<Pod>, payload: Payload) -> Doing<Result<(), Refused>> {
        self.0.volumes.update(pod, payload)
    }

    fn usage(&self, uid: &Uid) -> Doing<Usage> {
        let (pods, uid, volumes) = (self.clone(), uid.clone(), self.0.volumes.usage(uid));
        Box::pin(async move {
            let containers = blocking(move || pods.written_by(&uid)).await;
            Usage {
                containers,
                ..volumes.await
            }
        })
    }
}
