//! What happens to a pod, and what has to be done: the words that a worker and its driver speak.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::Level;
use driver::Instant;

use super::resize::{Outgrown, ResizeFault};
use crate::container::{
    Attempt, ContainerId, ContainerIx, Ended, ImageFault, Observed, Pulled, Sandbox, Sought, StartFault,
    Started,
};
use crate::pod::Pod;
use crate::status::Status;
use crate::traits::{Outcome, Refused};

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deadlines.
    pub instant: Instant,
    /// For people.
    pub wall: SystemTime,
}

impl Now {
    /// The instant at which the clock on the wall showed a time, or will; times long past are the clock's origin.
    pub fn instant_of(&self, wall: SystemTime) -> Instant {
        match wall.duration_since(self.wall) {
            Ok(ahead) => self.instant.saturating_add(ahead),
            Err(behind) => {
                let origin = Instant::default();
                let since = self.instant.saturating_since(origin);
                origin.saturating_add(since.saturating_sub(behind.duration()))
            }
        }
    }
}

/// Which hook of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookKind {
    /// `lifecycle.postStart`
    PostStart,
    /// `lifecycle.preStop`
    PreStop,
}

/// Which probe of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Whether it has started.
    Startup,
    /// Whether it lives.
    Liveness,
    /// Whether it can serve.
    Readiness,
}

impl ProbeKind {
    /// All of them, in the order in which they begin to matter.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Liveness, Self::Readiness];

    /// `Liveness`
    pub const fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

/// Why a pod may not run here: what its status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// `OutOfcpu`
    pub reason: String,
    /// What the event says.
    pub text: String,
    /// What the status says.
    pub message: String,
}

/// Why a pod ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its containers ended, for good.
    Finished,
    /// It was deleted.
    Deleted,
    /// It ran longer than `spec.activeDeadlineSeconds`.
    Deadline,
    /// The node is short of something.
    Evicted {
        /// `Evicted`
        reason: String,
        /// Of what.
        message: String,
    },
    /// It may not run here.
    Rejected(Rejection),
    /// The API does not have it any more.
    Forgotten,
}

/// Where a pod is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Nobody has said that it may run.
    Admitting,
    /// What it shares is made, its containers run.
    Running,
    /// Its containers are ended.
    Ending(Ending),
    /// What it shared is taken down.
    TearingDown(Why),
    /// Nothing of it is left but dead containers and their logs.
    Finished(Why),
    /// Nothing of it is left.
    Gone,
}

/// How a pod ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub why: Why,
    /// Since when.
    pub since: Instant,
    /// How long its containers may take.
    pub grace: Duration,
}

/// What happens to a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Whether it may run here.
    Admitted(Result<(), Rejection>),
    /// It has changed in the API, or in its file.
    Pod(Arc<Pod>),
    /// The API, or its directory, does not have it any more.
    Forgotten,
    /// What containers share is there.
    Prepared(Result<Sandbox, Refused>),
    /// The volumes are there.
    Payloads(Result<(), Refused>),
    /// An image was looked for.
    Image(ContainerIx, Result<Sought, ImageFault>),
    /// An image was pulled.
    Pulled(ContainerIx, Result<Pulled, ImageFault>),
    /// A container was started.
    Started(ContainerIx, Attempt, Result<Started, StartFault>),
    /// A container has ended.
    Ended(ContainerId, Ended),
    /// A hook was run.
    Hook(ContainerId, HookKind, Result<(), String>),
    /// A container was probed.
    Probed(ContainerId, ProbeKind, Outcome),
    /// No service of this node leads to the pod any more.
    ServiceLeft,
    /// A container was stopped.
    Stopped(ContainerId, Result<(), String>),
    /// Something that was missed may be there: a ConfigMap, a Secret, an image.
    Source,
    /// What the pod shared was taken down.
    TornDown(Result<(), String>),
    /// The API has this status, and all before.
    Written(u64),
    /// The API was asked to let go of the pod.
    Deleted(Result<(), String>),
    /// Containers have the limits that this version of the pod says, or not.
    Resized(Arc<Pod>, Vec<Outgrown>, Result<(), ResizeFault>),
    /// The node wants the pod to go.
    Evicted {
        /// `Evicted`
        reason: String,
        /// Why.
        message: String,
    },
    /// The sandbox is gone.
    SandboxLost,
    /// How things stand, where something may have been missed.
    Seen(Observed),
    /// The time that [`crate::worker::Worker::wake_at`] named has come.
    Timer,
}

/// Something to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of which container; none for the pod.
    pub of: Option<ContainerIx>,
    /// How serious it is.
    pub level: Level,
    /// In one word.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

/// What has to be done for a pod. Each comes back as an event, apart from those that say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make what containers share: [`Event::Prepared`].
    Prepare,
    /// Write the volumes: [`Event::Payloads`].
    WriteVolumes,
    /// Find an image: [`Event::Image`].
    FindImage(ContainerIx),
    /// Pull an image: [`Event::Pulled`].
    Pull(ContainerIx),
    /// Start a container: [`Event::Started`].
    Start(ContainerIx, Attempt),
    /// Run a hook within a time: [`Event::Hook`].
    Hook(ContainerIx, ContainerId, HookKind, Duration),
    /// Probe a container: [`Event::Probed`].
    Probe(ContainerIx, ContainerId, ProbeKind),
    /// Wait until services have let go of the pod: [`Event::ServiceLeft`].
    LeaveService,
    /// Stop a container within a time, a shorter one than before perhaps: [`Event::Stopped`].
    Stop(ContainerId, Duration),
    /// Give containers the limits that the pod says: [`Event::Resized`].
    Resize(Vec<Outgrown>),
    /// Remove a dead container. Nothing comes back.
    Remove(ContainerId),
    /// Take down what containers shared: [`Event::TornDown`].
    TearDown,
    /// Write a status: [`Event::Written`] with its number or a later one.
    WriteStatus(u64, Box<Status>),
    /// Let the API forget the pod: [`Event::Deleted`], and in the end [`Event::Forgotten`].
    DeletePod,
    /// Tell people. Nothing comes back.
    Tell(Told),
    /// The worker is of no use any more. Nothing comes back.
    Done,
}
