//! Pods on a real kernel, under a real supervisor. Needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "node/adoption.rs"]
mod adoption;
#[path = "node/ends.rs"]
mod ends;
#[path = "node/fixture.rs"]
mod fixture;
#[path = "node/probes.rs"]
mod probes;
#[path = "node/sandboxes.rs"]
mod sandboxes;
#[path = "node/security.rs"]
mod security;
#[path = "node/starts.rs"]
mod starts;
#[path = "node/streams.rs"]
mod streams;
#[path = "node/volumes.rs"]
mod volumes;
