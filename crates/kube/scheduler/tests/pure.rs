//! The scheduler beside an API server, under seeded schedules and virtual time.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "pure/cluster.rs"]
mod cluster;
#[path = "pure/plane.rs"]
mod plane;
