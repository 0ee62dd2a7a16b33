//! Containers on a real kernel, under a real supervisor. Needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "node/attaching.rs"]
mod attaching;
#[path = "node/changes.rs"]
mod changes;
#[path = "node/deaths.rs"]
mod deaths;
#[path = "node/files.rs"]
mod files;
#[path = "node/fixture.rs"]
mod fixture;
#[path = "node/isolation.rs"]
mod isolation;
#[path = "node/lives.rs"]
mod lives;
#[path = "node/pods.rs"]
mod pods;
#[path = "node/views.rs"]
mod views;
