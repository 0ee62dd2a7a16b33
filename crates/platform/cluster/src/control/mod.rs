//! The control socket: how the command line asks the daemon how it is and tells it to end.
//!
//! JSON lines over `RUN/control.sock` ([protocol](../../../../docs/formats/control-protocol.md)): one
//! request a connection, one reply or, while somebody waits for the node, one for each stage. Only root is
//! heard. The blocking [`client`] is for command lines; the server runs in the daemon from its first moment,
//! so a start that fails can say why.

pub mod client;
pub(crate) mod server;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::InstanceName;
use crate::stages::Stage;

/// The longest line of either side, in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the node is, at once.
    Status,
    /// How the node is, once it is ready; each stage as it finishes.
    Ready,
    /// Ends the daemon.
    Stop {
        /// Leaves the containers running for the next daemon.
        keep_containers: bool,
        /// Another daemon follows at once: clients' sockets are kept for it.
        handover: bool,
        /// How long containers may take to end before they are killed, in milliseconds.
        timeout_ms: u64,
    },
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// The last answer to [`Request::Status`] and [`Request::Ready`].
    Status(Box<Status>),
    /// To [`Request::Ready`]: a stage has finished.
    Stage(Stage),
    /// To [`Request::Ready`]: the node cannot start, and the daemon ends.
    Failed {
        /// What the command line shall exit with.
        exit: u8,
        /// Why.
        message: String,
    },
    /// To [`Request::Stop`]: everything is closed.
    Stopped {
        /// What could not be taken away.
        warnings: Vec<String>,
    },
    /// The request is not understood.
    Refused {
        /// Why.
        message: String,
    },
}

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not every room is open yet.
    Starting,
    /// It serves.
    Ready,
    /// It is told to end.
    Stopping,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// The instance's name.
    pub name: InstanceName,
    /// The build that runs.
    pub version: String,
    /// The daemon.
    pub pid: u32,
    /// The parent of the containers; none if the daemon was started by hand.
    pub supervisor_pid: Option<u32>,
    /// When the daemon began, in nanoseconds since boot.
    pub begun_ns: u64,
    /// From the daemon's begin to ready, in milliseconds.
    pub ready_ms: Option<f64>,
    /// Where the time went.
    pub stages: Vec<Stage>,
    /// For `DOCKER_HOST`.
    pub docker_host: String,
    /// Where the Kubernetes API is served; none while the node starts.
    pub api_server: Option<String>,
    /// For `KUBECONFIG`.
    pub kubeconfig: PathBuf,
    /// DATA.
    pub data_dir: PathBuf,
    /// RUN.
    pub run_dir: PathBuf,
    /// What works less well than it should, in sentences.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_protocol_says() {
        let lines = [
            (r#"{"request":"status"}"#, Request::Status),
            (r#"{"request":"ready"}"#, Request::Ready),
            (
                r#"{"request":"stop","keep_containers":true,"handover":false,"timeout_ms":30000}"#,
                Request::Stop {
                    keep_containers: true,
                    handover: false,
                    timeout_ms: 30_000,
                },
            ),
        ];
        for (line, request) in lines {
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        }
        let unknown =
            r#"{"request":"stop","keep_containers":true,"handover":false,"timeout_ms":1,"now":true}"#;
        assert!(serde_json::from_str::<Request>(unknown).is_err());
    }

    #[test]
    fn replies_carry_their_kind_beside_their_fields() {
        let stage = Reply::Stage(Stage {
            name: "store".into(),
            ms: 1.5,
        });
        assert_eq!(
            serde_json::to_string(&stage).unwrap(),
            r#"{"reply":"stage","name":"store","ms":1.5}"#
        );
    }
}
