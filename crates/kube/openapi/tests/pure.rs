//! The documents against upstream's own.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "pure/swagger.rs"]
mod swagger;
