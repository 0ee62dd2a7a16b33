//! The client against registries that do what a test tells them.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod auth;
mod blobs;
mod fake;
mod hostile;
mod lists;
mod manifests;
mod mirrors;
mod platforms;
mod resumed;
mod transport;
mod uploads;
