//! The node's disk: what lies on it, who holds what, and what goes when it fills up.
//!
//! One quota covers the build cache, images that have lost their names and images that can be pulled again. Above it
//! the least recently used of them go first. What exists nowhere else and every volume never goes by itself, whatever
//! presses (decision 9); what anybody uses does not go either.
//!
//! [`plan`] decides and is pure: a snapshot in, a list of removals out. `survey` makes the snapshot, `collect`
//! performs the plan when something was written, and tells of it; `report` is the same for people.

#![forbid(unsafe_code)]

mod collect;
pub mod plan;
mod quota;
mod report;
mod survey;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use builder::Builder;
use driver::Clock;
use engine::Engine;
use tokio::sync::Notify;

pub use collect::Collector;
pub use quota::{InvalidQuota, Quota, human};
pub use report::{ClassRow, ItemRow, Recent, Report};

use collect::Stuck;

/// Why the disk cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The images' own error.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The file system's.
    #[error("look at the disk")]
    Disk(#[from] std::io::Error),
}

/// What the rest of the node knows, and wants to know.
pub trait Node: Send + Sync {
    /// Every image that a pod of this node asks for, with the pod's name; `None` while that is not known yet, and then
    /// nothing goes.
    fn pods(&self) -> Option<Vec<PodImage>>;

    /// Tells the cluster.
    fn tell(&self, told: &Told);
}

/// An image that a pod asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodImage {
    /// `NAMESPACE/NAME`
    pub pod: String,
    /// As the pod writes it.
    pub image: String,
}

/// What happened to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Something went, and why.
    Removed(String),
    /// What may go is not enough.
    Short {
        /// Bytes that should have become free.
        wanted: u64,
        /// Bytes that did, or may.
        found: u64,
    },
    /// A collection failed.
    Failed(String),
}

/// What a [`Disk`] is made of.
pub struct Parts {
    /// Containers, volumes and images.
    pub engine: Engine,
    /// The build cache.
    pub builder: Builder,
    /// Time of day.
    pub clock: Arc<dyn Clock>,
    /// DATA.
    pub data: PathBuf,
    /// What is kept within.
    pub quota: Quota,
    /// What was used within so long is about to be used again and stays.
    pub minimum_age: Duration,
    /// The port of the node's own registry, if it has one: what has its names stays.
    pub registry: Option<u16>,
}

/// The disk of a node. Clones are the same.
#[derive(Clone)]
pub struct Disk(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    engine: Engine,
    builder: Builder,
    clock: Arc<dyn Clock>,
    data: Box<Path>,
    quota: Quota,
    minimum_age: Duration,
    /// The port of the node's own registry.
    registry: Option<u16>,
    node: OnceLock<Arc<dyn Node>>,
    woken: Notify,
    /// Whether somebody has a reason to look beside how full the disk is.
    asked: AtomicBool,
    /// One collection at a time.
    alone: Mutex<()>,
    stuck: Mutex<Option<Stuck>>,
    recent: Mutex<Vec<Recent>>,
}

impl Disk {
    /// The disk of a node. It is looked at when somebody asks; [`Self::start`] has it looked after.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            engine,
            builder,
            clock,
            data,
            quota,
            minimum_age,
            registry,
        } = parts;
        Self(Arc::new(Inner {
            engine,
            builder,
            clock,
            data: data.into_boxed_path(),
            quota,
            minimum_age,
            registry,
            node: OnceLock::new(),
            woken: Notify::new(),
            asked: AtomicBool::new(false),
            alone: Mutex::new(()),
            stuck: Mutex::new(None),
            recent: Mutex::new(Vec::new()),
        }))
    }
}

impl Inner {
    /// Microseconds since 1970.
    fn now(&self) -> i64 {
        let since = self.clock.wall().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
