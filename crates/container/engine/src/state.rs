//! Where in its life a container is.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The states of upstream's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has never run.
    #[default]
    Created,
    /// Its program runs.
    Running,
    /// Its program is frozen.
    Paused,
    /// Its program has ended and will be started again.
    Restarting,
    /// It is being removed.
    Removing,
    /// Its program has ended.
    Exited,
    /// It could not be removed entirely.
    Dead,
}

impl Status {
    /// Every status, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Restarting,
        Self::Removing,
        Self::Exited,
        Self::Dead,
    ];

    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether the container counts as running (`State.Running`): its program runs, is frozen, or
    /// is about to be started again.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    /// Whether there is a process.
    #[must_use]
    pub const fn has_process(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where in its life a container is, and how it got there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Where.
    pub status: Status,
    /// Process id of the program on the host; 0 if there is none.
    pub pid: u32,
    /// How the last run ended; 128+n for signal n. 0 while the first one lasts.
    pub exit_code: i32,
    /// Whether the kernel killed a process of the last run for want of memory.
    pub oom_killed: bool,
    /// Why the last start failed; empty if it did not.
    pub error: String,
    /// When the last run began.
    pub started_at: Option<Timestamp>,
    /// When the last run ended.
    pub finished_at: Option<Timestamp>,
    /// Health, while there is a healthcheck and the container has been started.
    pub health: Option<Health>,
    /// Whether a user asked it to stop: `unless-stopped` and restarts heed that.
    pub stopped_by_user: bool,
    /// Whether nobody saw how the last run ended: its exit code is made up.
    pub unseen: bool,
}

/// `State.Health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// What the probes say.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last results, at most [`Health::KEPT`], oldest first.
    pub log: Vec<ProbeResult>,
}

impl Health {
    /// How many results are kept (upstream's number).
    pub const KEPT: usize = 5;
}

/// What the probes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Nothing yet.
    #[default]
    Starting,
    /// The last probe succeeded.
    Healthy,
    /// As many probes failed as the check allows.
    Unhealthy,
}

impl HealthStatus {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// 0 for success; -1 if it was not run or did not end in time.
    pub exit_code: i32,
    /// The first 4096 bytes of its output.
    pub output: String,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; 128+n for signal n.
    pub code: i32,
    /// What went wrong besides; empty for nothing.
    pub error: String,
}
