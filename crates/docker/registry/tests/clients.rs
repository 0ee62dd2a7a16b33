//! Real clients, and the registry that everybody has. Root.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod serve;
mod suite;

#[cfg(test)]
mod clients {
    mod containers;
    mod reference;
}
