//! The real kubectl, in all versions that this machine has, against a kubelet's server behind a real API server. The
//! containers are programs of this machine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test"
)]

#[path = "clients/cluster.rs"]
mod cluster;
#[path = "clients/double.rs"]
mod double;
#[path = "clients/kubectl.rs"]
mod kubectl;
#[path = "clients/port.rs"]
mod port;
#[path = "clients/streams.rs"]
mod streams;
