//! The facade: every operation on containers that a door may ask for.
//!
//! A `reference` is whatever a user may write: a full id, a name with or without slash, or an id
//! prefix that is unique. Operations go on when whoever asked for them goes away: nothing is left
//! half done by a client that hangs up.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use driver::{Clock, Rng};
use futures_util::future::BoxFuture;
use image::Images;
use jiff::Timestamp;
use network::Networks;
use runtime::cgroup::Layout;
use store::Store;
use tokio::sync::watch;

use crate::acks::Acks;
use crate::adopt;
use crate::container::{Container, ContainerId};
use crate::error::Error;
use crate::events::{Actor, Event, Events, Kind};
use crate::exec::Execs;
use crate::lifecycle::Filters;
use crate::oci::Facts;
use crate::supervised::Supervisor;
use crate::table::{Entry, Rows, Table};
use crate::tasks::Background;
use crate::volumes::Volumes;

/// What an engine is made of.
pub struct Config {
    /// `--name`: cgroups are below it.
    pub instance: String,
    /// DATA: containers' own files are in `containers` below it, volumes in `volumes`.
    pub data_dir: PathBuf,
    /// RUN: what does not survive a reboot.
    pub run_dir: PathBuf,
    /// The parent of all processes.
    pub supervisor: Supervisor,
    /// The node's images.
    pub images: Images,
    /// The node's networks.
    pub networks: Networks,
    /// The node's store.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance: ids and names.
    pub rng: Rng,
}

/// The container table of the node. Cloning is cheap.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

/// Everything an engine holds.
pub(crate) struct Inner {
    pub(crate) instance: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) supervisor: Supervisor,
    pub(crate) images: Images,
    pub(crate) networks: Networks,
    pub(crate) clock: Arc<dyn Clock>,
    rng: Mutex<Rng>,
    pub(crate) table: Table,
    pub(crate) rows: Rows,
    pub(crate) events: Events,
    pub(crate) execs: Execs,
    pub(crate) acks: Acks,
    /// What is cleared away behind ended containers.
    pub(crate) background: Background,
    pub(crate) volumes: Volumes,
    pub(crate) facts: Facts,
    pub(crate) layout: Layout,
    /// Whether this kernel's overlay takes layers one at a time.
    pub(crate) appends: bool,
    pub(crate) filters: Filters,
    /// Set when the daemon is going: ends are no longer followed by restarts.
    pub(crate) closing: watch::Sender<bool>,
}

impl Engine {
    /// Opens the table: containers that run are taken over, those that ended meanwhile are
    /// processed, those whose restart policy says so are started, and what was left half made is
    /// cleared away.
    ///
    /// # Errors
    /// The rows cannot be read, this host cannot be read, or the supervisor cannot be reached.
    pub fn open(config: Config) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(Self::opened(config))
    }

    async fn opened(config: Config) -> Result<Self, Error> {
        let layout = Layout::read().map_err(Error::system("the cgroup hierarchies"))?;
        let facts = Facts::read(&layout).map_err(Error::system("facts about this host"))?;
        let containers = config.data_dir.join("containers");
        for directory in [&containers, &config.run_dir] {
            std::fs::create_dir_all(directory).map_err(Error::system("the engine's directories"))?;
        }
        let (events, mut rng) = (Events::new(), config.rng);
        let volumes = Volumes::open(
            config.data_dir.join("volumes"),
            config.store.clone(),
            config.clock.clone(),
            Rng::from_seed(rng.next_u64()),
            events.clone(),
        )?;
        let engine = Self(Arc::new(Inner {
            instance: config.instance,
            data_dir: config.data_dir,
            run_dir: config.run_dir,
            supervisor: config.supervisor,
            images: config.images,
            networks: config.networks,
            clock: config.clock,
            rng: Mutex::new(rng),
            table: Table::default(),
            rows: Rows::new(config.store),
            events,
            execs: Execs::default(),
            acks: Acks::default(),
            background: Background::default(),
            volumes,
            facts,
            layout,
            appends: sys::mount::appends_layers(),
            filters: Filters::default(),
            closing: watch::Sender::new(false),
        }));
        adopt::take_over(&engine).await?;
        Ok(engine)
    }

    /// The node's images.
    #[must_use]
    pub fn images(&self) -> &Images {
        &self.0.images
    }

    /// The node's networks.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.0.networks
    }

    /// The node's volumes.
    #[must_use]
    pub fn volumes(&self) -> &Volumes {
        &self.0.volumes
    }

    /// What happens on this node.
    #[must_use]
    pub fn events(&self) -> Events {
        self.0.events.clone()
    }

    /// What is known of this host.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// Every container, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Container>> {
        self.0.table.list()
    }

    /// The container that a user means.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn find(&self, reference: &str) -> Result<Arc<Container>, Error> {
        Ok(self.0.table.find(reference)?.get())
    }

    /// The directory of a container's own files.
    pub(crate) fn directory(&self, id: &str) -> PathBuf {
        self.0.data_dir.join("containers").join(id)
    }

    /// Where containers attach their root in their own mount namespaces: an empty directory.
    pub(crate) fn root_mount_point(&self) -> PathBuf {
        self.0.run_dir.join("rootfs")
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.0.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// 64 hexadecimal digits that nobody has. The first 12 are no number, as they become host names.
    pub(crate) fn new_id(&self) -> String {
        loop {
            let mut rng = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner);
            let id: String = (0..4).map(|_| format!("{:016x}", rng.next_u64())).collect();
            if id.bytes().take(12).any(|byte| byte.is_ascii_alphabetic()) && self.0.table.get(&id).is_none() {
                return id;
            }
        }
    }

    /// A made-up name for a container, taken for it.
    pub(crate) fn new_name(&self, id: &ContainerId) -> String {
        loop {
            let name = {
                let mut rng = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner);
                crate::names::generate(&mut rng, |name| self.0.table.is_taken(name))
            };
            if self.0.table.reserve(&name, id).is_ok() {
                return name;
            }
        }
    }

    /// Tells what has happened to a container.
    pub(crate) fn tell(&self, container: &Container, action: impl Into<String>, more: &[(&str, String)]) {
        let mut attributes = container.spec.labels.clone();
        attributes.insert("name".into(), container.name.clone());
        let image = container.image.as_ref().map(|image| image.reference.clone());
        attributes.insert("image".into(), image.unwrap_or_default());
        attributes.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        self.0.events.publish(Event {
            kind: Kind::Container,
            action: action.into(),
            actor: Actor {
                id: container.id.to_string(),
                attributes,
            },
            time: self.now(),
        });
    }

    /// Writes where in its life a container is; a store that fails is told of and changes nothing
    /// for the container.
    pub(crate) async fn keep(&self, entry: &Entry) {
        if let Err(error) = self.0.rows.live(entry).await {
            tracing::error!(id = %entry.id, %error, "the state of a container is not kept");
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("instance", &self.0.instance)
            .finish_non_exhaustive()
    }
}

/// The group of a container below each hierarchy's root.
pub(crate) fn cgroups_path(instance: &str, parent: &str, id: &str) -> String {
    let parent = if parent.is_empty() { instance } else { parent };
    format!("/{}/{id}", parent.trim_matches('/'))
}

/// Whether a path is there, whatever it is.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
