//! The start of a container: its image, what it is made from, its row, its program.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use engine::{Create, ImageRef, Owner, Remove};
use image::Image;
use kubelet::Pod;
use kubelet::container::{Attempt, ContainerIx, ImageFound, StartFault, Started};
use kubelet::pod::Container;
use kubelet::volume::Mounts;

use super::spec::{self, Place, Wanted};
use super::{names, not_started, security};
use crate::note::Note;
use crate::{Pods, blocking, images, logs};

/// Dead containers of one name that are kept, the newest ones.
const KEPT_DEAD: usize = 1;

/// What is started.
pub(crate) struct Start {
    pub(crate) pod: Arc<Pod>,
    pub(crate) at: ContainerIx,
    pub(crate) attempt: Attempt,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) mounts: Arc<Mounts>,
}

impl Pods {
    /// Makes and starts a container.
    pub(crate) async fn start_container(&self, start: Start) -> Result<Started, StartFault> {
        let _turn = self.0.turns.acquire().await;
        let pods = self.clone();
        let (start, made) = blocking(move || {
            let made = pods.describe(&start);
            (start, made)
        })
        .await;
        let (create, image) = made?;
        let name = create.name.clone().unwrap_or_default();
        self.remove_leftover(&name).await;
        let container = start.pod.at(start.at).map_or("", |container| &container.name);
        self.end_attempts(&start.pod.uid, Some(container))
            .await
            .map_err(StartFault::Create)?;
        let created = self.0.engine.create(create).await;
        let id = created.map_err(|error| StartFault::Create(error.to_string()))?.id;
        self.keep_place(&id).await;
        let started = self.0.engine.start(&id).await;
        if started.is_err() {
            self.0.places.give_up(&id);
        }
        self.collect_dead(&start.pod, start.at).await;
        let row = self
            .0
            .engine
            .find(&id)
            .map_err(|error| StartFault::Create(error.to_string()))?;
        match started {
            Ok(()) => Ok(self.started(start, row, image).await),
            Err(error) => Err(StartFault::Run {
                id: kubelet::ContainerId::new(&id),
                image,
                code: row.state.exit_code,
                at: self.0.clock.wall(),
                message: not_started(&error.to_string()),
            }),
        }
    }

    /// A program runs: its end is waited for, and its log can be found.
    async fn started(&self, start: Start, row: Arc<engine::Container>, image: ImageFound) -> Started {
        self.watch_end(&row.id);
        let (id, at) = (kubelet::ContainerId::new(&row.id), row.state.started_at);
        let pods = self.clone();
        let user = blocking(move || {
            let container = start.pod.at(start.at);
            let name = container.map_or("", |container| &container.name);
            pods.link_log(&start.pod, name, &row);
            pods.runs_as(&row.id)
        });
        Started {
            id,
            at: at.map_or_else(|| self.0.clock.wall(), Into::into),
            image,
            user: user.await,
        }
    }

    /// Everything about a container before it is made.
    fn describe(&self, start: &Start) -> Result<(Create, ImageFound), StartFault> {
        let config = StartFault::Config;
        let pod = &start.pod;
        let missing = || config(format!("the pod has no container {}", start.at.0));
        let container = pod.at(start.at).ok_or_else(missing)?;
        let (image, found) =
            images::find(self.0.engine.images(), &container.image).map_err(StartFault::Image)?;
        let note = self
            .note(&pod.uid)
            .ok_or_else(|| config("the pod has no sandbox".to_owned()))?;
        let place = self.place(start, container, note)?;
        let wanted = Wanted {
            pod,
            container,
            attempt: start.attempt,
            image: &image.config.config,
            environment: &start.environment,
        };
        let (log, message) = (place.log.clone(), place.message.clone());
        let spec = spec::of(wanted, place).map_err(config)?;
        make_files(&log, &message).map_err(|error| StartFault::Create(error.to_string()))?;
        Ok((create(start, container, spec, &image), found))
    }

    /// What is there of the pod for this container.
    fn place(&self, start: &Start, container: &Container, note: Note) -> Result<Place, StartFault> {
        let (pod, paths) = (&start.pod, &self.0.paths);
        let config = StartFault::Config;
        let network = self
            .0
            .engine
            .networks()
            .pod(&pod.uid)
            .map(|sandbox| sandbox.key.clone());
        if network.is_none() && !note.host_network {
            return Err(config("the pod has no network".to_owned()));
        }
        let mounted = self
            .0
            .volumes
            .mounts_of(pod, start.at, &start.environment, &start.mounts);
        Ok(Place {
            network,
            ipc: (!note.host_ipc).then(|| (paths.ipc(&pod.uid), paths.shm(&pod.uid))),
            hostname: note.hostname,
            files: self.files_of(pod, note.host_network),
            mounts: mounted.map_err(|error| config(error.to_string()))?,
            message: paths.message(&pod.uid, &container.name, start.attempt),
            log: paths.log(pod, &container.name, start.attempt),
            cgroup_parent: note.group,
            memory: self.0.memory,
            seccomp: security::seccomp(pod, container, &paths.seccomp()).map_err(StartFault::Create)?,
            target: self.target(pod, container)?,
        })
    }

    /// Files that each container of a pod has. The node's name is the node's own file.
    fn files_of(&self, pod: &Pod, host_network: bool) -> Vec<(&'static str, std::path::PathBuf)> {
        let directory = self.0.paths.pod(&pod.uid);
        let files = [
            ("/etc/hosts", "etc-hosts"),
            ("/etc/resolv.conf", "resolv.conf"),
            ("/etc/hostname", "hostname"),
        ];
        let own = files
            .into_iter()
            .filter(|(_, name)| !(host_network && *name == "hostname"));
        own.map(|(target, name)| (target, directory.join(name))).collect()
    }

    /// The running container whose processes an ephemeral one sees.
    fn target(&self, pod: &Pod, container: &Container) -> Result<Option<engine::ContainerId>, StartFault> {
        let name = container.target_container_name.as_str();
        if name.is_empty() {
            return Ok(None);
        }
        let found = self.rows_of(&pod.uid).into_iter();
        let mut running = found.filter(|(row, told)| told.name == name && row.state.status.has_process());
        match running.next() {
            Some((row, _)) => Ok(Some(row.id.clone())),
            None => Err(StartFault::Config(format!(
                "unable to find target container {name}"
            ))),
        }
    }

    /// What an attempt that was cut short has left under this name.
    async fn remove_leftover(&self, name: &str) {
        if let Ok(row) = self.0.engine.find(name)
            && let Err(error) = self
                .0
                .engine
                .remove(
                    &row.id,
                    Remove {
                        force: true,
                        volumes: false,
                    },
                )
                .await
        {
            tracing::warn!(name, %error, "what is left of an attempt stays");
        }
    }

    /// Removes dead containers of one name, but for the last.
    async fn collect_dead(&self, pod: &Pod, at: ContainerIx) {
        let Some(container) = pod.at(at) else { return };
        let rows = self.rows_of(&pod.uid).into_iter();
        let mut dead: Vec<_> = rows
            .filter(|(row, told)| told.name == container.name && !row.state.status.is_running())
            .collect();
        dead.sort_by_key(|(_, told)| std::cmp::Reverse(told.attempt));
        for (row, _) in dead.into_iter().skip(KEPT_DEAD) {
            self.remove_container(&row.id).await;
        }
    }

    fn link_log(&self, pod: &Pod, container: &str, row: &engine::Container) {
        let link = self
            .0
            .paths
            .log_link(&pod.name, &pod.namespace, container, &row.id);
        let linked = row
            .log_path
            .as_deref()
            .map_or(Ok(()), |log| logs::link(&link, log));
        if let Err(error) = linked {
            tracing::warn!(container = row.name, %error, "no link leads to a log");
        }
    }
}

fn create(start: &Start, container: &Container, spec: engine::ContainerSpec, image: &Image) -> Create {
    let pod = &start.pod;
    Create {
        name: Some(names::name(pod, container, start.attempt)),
        spec,
        image: Some(ImageRef {
            reference: container.image.clone(),
            id: image.id.to_string(),
        }),
        owner: Owner::Pod {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.to_string(),
        },
        ..Create::default()
    }
}

/// The directory of the log, and the file for last words, which whoever the container runs as may write.
fn make_files(log: &Path, message: &Path) -> io::Result<()> {
    for file in [log, message] {
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
    }
    fs::write(message, "")?;
    fs::set_permissions(message, fs::Permissions::from_mode(0o666))
}
