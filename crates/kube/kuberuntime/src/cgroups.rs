//! The groups above containers: all pods, the two classes that are not promised everything, and each pod.
//!
//! `NAME/kubepods/podUID` for guaranteed pods, `NAME/kubepods/{burstable,besteffort}/podUID` for the others, so that the
//! kernel shares processors between classes, then pods, then containers. Limits are in the hierarchies of `cpu` and
//! `memory`; in the others a pod has a group only if one of its containers does.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use kubelet::Uid;
use runtime::cgroup::{self, Cgroup, Layout, Request};
use runtime::spec::{LinuxCpu, LinuxMemory, LinuxResources};
use sys::poll;

use crate::resources::{Bounds, PERIOD, Qos, shares};

/// How long the end of what is dying in a group is waited for before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often that is done before a group stays for the next time.
const LOOKS: usize = 10;

/// The groups of all pods of a node.
#[derive(Debug)]
pub(crate) struct Groups {
    layout: Layout,
    /// `NAME/kubepods`
    top: String,
}

impl Groups {
    pub(crate) fn new(layout: Layout, instance: &str) -> Self {
        let top = format!("{instance}/kubepods");
        Self { layout, top }
    }

    /// The group of a pod, below each hierarchy's root: the parent of its containers' groups.
    pub(crate) fn of_pod(&self, qos: Qos, uid: &Uid) -> String {
        format!("{}/pod{uid}", self.of_class(qos))
    }

    fn of_class(&self, qos: Qos) -> String {
        match qos {
            Qos::Guaranteed => self.top.clone(),
            Qos::Burstable => format!("{}/burstable", self.top),
            Qos::BestEffort => format!("{}/besteffort", self.top),
        }
    }

    /// Makes the group of all pods, with so many thousandths of a processor, and those of the classes.
    pub(crate) fn open(&self, milli_cpu: i64) -> io::Result<()> {
        self.set(
            &self.top,
            Bounds {
                shares: shares(milli_cpu),
                quota: None,
                memory: None,
            },
        )?;
        self.share(Qos::BestEffort, 0)?;
        self.share(Qos::Burstable, 0)
    }

    /// Gives a class what its pods ask for together, in thousandths of a processor.
    pub(crate) fn share(&self, qos: Qos, milli_cpu: i64) -> io::Result<()> {
        let bounds = Bounds {
            shares: shares(milli_cpu),
            quota: None,
            memory: None,
        };
        self.set(&self.of_class(qos), bounds)
    }

    /// Makes a group, or gives one that is there other bounds.
    pub(crate) fn set(&self, path: &str, bounds: Bounds) -> io::Result<()> {
        let resources = resources(bounds);
        let request = Request {
            path: &format!("/{path}"),
            resources: &resources,
            accounting: false,
            current_memory_limit: None,
        };
        let plan = cgroup::plan(&self.layout, request).map_err(io::Error::other)?;
        Cgroup::create(&self.layout, &plan).map(drop)
    }

    /// Removes a pod's group, whatever class it is of. What dies in it is waited for; what lives is not ended here.
    pub(crate) fn remove_pod(&self, uid: &Uid) -> io::Result<()> {
        let classes = [Qos::Guaranteed, Qos::Burstable, Qos::BestEffort];
        classes
            .into_iter()
            .try_for_each(|qos| self.remove(&self.of_pod(qos, uid)))
    }

    /// Removes the groups of classes and those above them, where nothing is in them any more.
    pub(crate) fn close(&self) {
        let instance = self.top.trim_end_matches("/kubepods").to_owned();
        for path in [
            self.of_class(Qos::BestEffort),
            self.of_class(Qos::Burstable),
            self.top.clone(),
            instance,
        ] {
            for directory in self.directories(&path) {
                // One that is in use stays.
                let _ = fs::remove_dir(directory);
            }
        }
    }

    fn directories(&self, path: &str) -> impl Iterator<Item = PathBuf> {
        let all = self.layout.v1.iter().chain(&self.layout.unified);
        let directories: Vec<PathBuf> = all.map(|hierarchy| hierarchy.dir(path)).collect();
        directories.into_iter().filter(|directory| directory.is_dir())
    }

    /// Kills everything that runs in pods, all at once: for a node that goes down and has waited long enough.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.existing(&self.top).kill_all()
    }

    /// A group as far as it is there.
    fn existing(&self, path: &str) -> Cgroup {
        Cgroup::existing(&self.layout, path)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let group = self.existing(path);
        if group.v1.is_empty() && group.unified.is_none() {
            return Ok(());
        }
        let mut looks = 0;
        group.remove(|events| {
            looks += 1;
            if looks > LOOKS {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            poll::urgent_within(events, LOOK_AGAIN).map(drop)
        })
    }
}

fn resources(bounds: Bounds) -> LinuxResources {
    let cpu = LinuxCpu {
        shares: u64::try_from(bounds.shares).ok(),
        quota: bounds.quota,
        period: bounds.quota.and_then(|_| u64::try_from(PERIOD).ok()),
        ..LinuxCpu::default()
    };
    // A group of its own is made where memory is accounted even if nothing is limited: containers below it are.
    let memory = LinuxMemory {
        limit: Some(bounds.memory.unwrap_or(-1)),
        ..LinuxMemory::default()
    };
    LinuxResources {
        cpu: Some(cpu),
        memory: Some(memory),
        ..LinuxResources::default()
    }
}
