//! Files and repositories from servers on this machine's loopback.

#[path = "pure/git.rs"]
mod git;
#[path = "pure/server.rs"]
mod server;
#[path = "pure/web.rs"]
mod web;
