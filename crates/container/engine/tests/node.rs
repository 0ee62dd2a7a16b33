//! Containers on a real kernel, under a real supervisor. Needs root.

#[path = "node/changes.rs"]
mod changes;
#[path = "node/deaths.rs"]
mod deaths;
#[path = "node/fixture.rs"]
mod fixture;
#[path = "node/lives.rs"]
mod lives;
#[path = "node/files.rs"]
mod files;
#[path = "node/isolation.rs"]
mod isolation;
#[path = "node/views.rs"]
mod views;
