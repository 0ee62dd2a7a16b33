//! Builds on a real kernel: images under overlay mounts, commands under a real supervisor. Needs
//! root.

#[path = "node/commands.rs"]
mod commands;
#[path = "node/contexts.rs"]
mod contexts;
#[path = "node/copies.rs"]
mod copies;
#[path = "node/fixture.rs"]
mod fixture;
#[path = "node/lives.rs"]
mod lives;
