//! Builds on a real kernel: images under overlay mounts, commands under a real supervisor. Needs
//! root.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, also in what tests share"
)]

#[path = "node/commands.rs"]
mod commands;
#[path = "node/contexts.rs"]
mod contexts;
#[path = "node/copies.rs"]
mod copies;
#[path = "node/fixture.rs"]
mod fixture;
#[path = "node/graphs.rs"]
mod graphs;
#[path = "node/lives.rs"]
mod lives;
#[path = "node/mounts.rs"]
mod mounts;
#[path = "node/nested.rs"]
mod nested;
#[path = "node/travels.rs"]
mod travels;
