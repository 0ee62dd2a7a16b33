//! Containers on a real kernel, under a real supervisor. Needs root.

#[path = "node/deaths.rs"]
mod deaths;
#[path = "node/fixture.rs"]
mod fixture;
#[path = "node/lives.rs"]
mod lives;
