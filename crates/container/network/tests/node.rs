//! The network room on the real kernel, as root. Each test lives in a network namespace of its
//! own ("a node can live inside a network namespace"), so tests run side by side and beside
//! whatever the host has.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail by panicking, as the test does"
)]

mod node {
    mod cluster_names;
    mod firewall;
    mod life;
    mod names;
    mod nameserver;
    mod pods;
    mod ports;
    mod reach;
    pub(crate) mod rig;
    mod services;
}
