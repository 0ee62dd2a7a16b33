//! What is done about a container over its life: restarts, health, logs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens when the program ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Nothing.
    #[default]
    No,
    /// It is started again, whatever the exit code, and after a restart of the node.
    Always,
    /// The same, unless a user stopped it.
    UnlessStopped,
    /// It is started again after an exit code other than 0.
    OnFailure {
        /// At most this many times in a row; 0 for ever.
        maximum: u32,
    },
}

/// How health is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// What is run.
    pub probe: Probe,
    /// Time between the end of one probe and the next.
    pub interval: Duration,
    /// Time after which a probe counts as failed and is killed.
    pub timeout: Duration,
    /// Time after the start in which failures do not count.
    pub start_period: Duration,
    /// The interval within the start period.
    pub start_interval: Duration,
    /// Failures in a row that make the container unhealthy; at least 1.
    pub retries: u32,
}

/// What a probe runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A command as it is.
    Exec(Vec<String>),
    /// A line for the shell: these words (the image's shell or `/bin/sh -c`), then the line.
    Shell(Vec<String>, String),
}

/// Where output is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogDriver {
    /// `json-file`: a file beside the container's other files.
    JsonFile {
        /// Bytes after which the file is rotated; 0 for never.
        max_size: u64,
        /// Files kept, the current one included; at least 1.
        max_files: u16,
        /// Members of every entry's `attrs`.
        attributes: BTreeMap<String, String>,
    },
    /// A file in CRI's format at a path of the door's choice (a pod's container).
    Cri {
        /// Absolute; its directory exists.
        path: String,
        /// Bytes after which the file is rotated; 0 for never.
        #[serde(default)]
        max_size: u64,
        /// Files kept, the current one included; 0 and 1 for that one alone.
        #[serde(default)]
        max_files: u16,
    },
    /// Nowhere.
    None,
    /// Options that no logger can be made of: every start fails for that reason.
    Unusable {
        /// In the words of upstream's logger.
        reason: String,
    },
}

impl Default for LogDriver {
    fn default() -> Self {
        Self::JsonFile {
            max_size: 0,
            max_files: 1,
            attributes: BTreeMap::new(),
        }
    }
}
