//! The registry over a store in memory: the protocol, who may do what, what others hear, what is fetched.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "pure/access.rs"]
mod access;
#[path = "pure/hooks.rs"]
mod hooks;
#[path = "pure/hostile.rs"]
mod hostile;
#[path = "pure/left.rs"]
mod left;
#[path = "pure/memory.rs"]
mod memory;
#[path = "pure/mirror.rs"]
mod mirror;
#[path = "pure/names.rs"]
mod names;
#[path = "pure/pages.rs"]
mod pages;
#[path = "pure/port.rs"]
mod port;
#[path = "pure/setup.rs"]
mod setup;
mod suite;
#[path = "pure/unfinished.rs"]
mod unfinished;

use setup::Setup;

#[tokio::test]
async fn the_protocol_is_the_specifications() {
    suite::run(&Setup::new(|_| {})).await;
}
