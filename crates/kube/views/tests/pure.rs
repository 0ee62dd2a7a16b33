//! Views of stored bodies.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "pure/coverage/mod.rs"]
mod coverage;
#[path = "pure/pod.rs"]
mod pod;
