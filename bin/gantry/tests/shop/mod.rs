//! `examples/shop` with the clients that its users have.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod debian;
mod scratch;

pub(crate) use debian::base;
