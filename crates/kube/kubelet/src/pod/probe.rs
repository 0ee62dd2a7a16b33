//! Probes and lifecycle hooks: `v1 Probe`, `v1 Lifecycle`.

use serde::Deserialize;

/// A port by number or by its name in the container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Port {
    /// A number.
    Number(i64),
    /// A name.
    Name(String),
}

impl Default for Port {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Scheme {
    /// In the clear.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// Over TLS whose certificate nobody looks at.
    #[serde(rename = "HTTPS")]
    Https,
}

/// `httpHeaders[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `httpGet`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpGet {
    /// Path and query.
    pub path: String,
    /// Which port.
    pub port: Port,
    /// Whom; empty for the pod's address.
    pub host: String,
    /// How.
    pub scheme: Scheme,
    /// Headers beside the usual ones, or instead of them.
    pub http_headers: Vec<HttpHeader>,
}

/// `tcpSocket`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TcpSocket {
    /// Which port.
    pub port: Port,
    /// Whom; empty for the pod's address.
    pub host: String,
}

/// `grpc`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GrpcAction {
    /// Which port; a number.
    pub port: u16,
    /// The service that is asked for; the server if there is none.
    pub service: Option<String>,
}

/// `exec`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ExecAction {
    /// The program and its arguments; no shell.
    pub command: Vec<String>,
}

/// `sleep`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Sleep {
    /// How long.
    pub seconds: i64,
}

/// What is done to a container to learn of it, or to tell it. At most one is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Handler {
    /// Runs a program in it.
    pub exec: Option<ExecAction>,
    /// Asks it over HTTP.
    pub http_get: Option<HttpGet>,
    /// Connects to it.
    pub tcp_socket: Option<TcpSocket>,
    /// Asks its health service (probes only).
    pub grpc: Option<GrpcAction>,
    /// Waits (hooks only).
    pub sleep: Option<Sleep>,
}

/// A probe. Times are in seconds; 0 stands for the API's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Probe {
    /// What is asked.
    #[serde(flatten)]
    pub handler: Handler,
    /// Since the container's start; 0.
    pub initial_delay_seconds: i64,
    /// For an answer; 1.
    pub timeout_seconds: i64,
    /// Between two probes; 10.
    pub period_seconds: i64,
    /// In a row, to be counted as a success; 1.
    pub success_threshold: i64,
    /// In a row, to be counted as a failure; 3.
    pub failure_threshold: i64,
    /// Instead of the pod's grace period where this probe's failure ends the container.
    pub termination_grace_period_seconds: Option<i64>,
}

/// `lifecycle`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Lifecycle {
    /// Right after the start.
    pub post_start: Option<Handler>,
    /// Before the end.
    pub pre_stop: Option<Handler>,
    /// `SIGTERM`, unless said here or by the image.
    pub stop_signal: Option<String>,
}
