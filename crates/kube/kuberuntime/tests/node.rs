//! Pods on a real kernel. They need root.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "node/volumes.rs"]
mod volumes;
