//! The registry over the node's own store. Root, for the store unpacks.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod serve;
mod suite;

#[cfg(test)]
mod node {
    mod images;
    mod protocol;
}
