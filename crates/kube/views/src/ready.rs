//! How far a pod is in its life, and whether it serves.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::PodView;

/// `status.phase`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Phase {
    /// Not all of its containers were started.
    #[default]
    Pending,
    /// At least one container runs or is restarted.
    Running,
    /// All containers ended well and stay so.
    Succeeded,
    /// All containers ended, at least one badly.
    Failed,
    /// Its node does not answer.
    Unknown,
}

impl Phase {
    /// Whether the pod will never run again.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Whether its status is `True`.
    pub is: bool,
    /// Since when it is as it is.
    pub since: Option<Timestamp>,
}

/// A deletion that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleting {
    /// `metadata.deletionTimestamp`: when the grace is over.
    pub at: Option<Timestamp>,
    /// `metadata.deletionGracePeriodSeconds`
    pub grace: Duration,
}

impl PodView {
    /// Whether the condition `Ready` is true.
    pub fn is_ready(&self) -> bool {
        self.ready.is_some_and(|ready| ready.is)
    }

    /// Whether the pod has been ready for at least `least` (`minReadySeconds`).
    pub fn is_available(&self, least: Duration, now: Timestamp) -> bool {
        let Some(Ready { is: true, since }) = self.ready else {
            return false;
        };
        let long = |since: Timestamp| {
            Duration::try_from(now.duration_since(since)).is_ok_and(|so_far| so_far >= least)
        };
        least.is_zero() || since.is_some_and(long)
    }

    /// Whether the pod counts for its controller: neither over nor being deleted.
    pub fn is_active(&self) -> bool {
        !self.phase.is_terminal() && self.deleting.is_none()
    }
}
