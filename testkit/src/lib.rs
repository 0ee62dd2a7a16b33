//! What tests and benchmarks share: a static program to run in containers, bundles and images around
//! it, and nodes to run it on.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "what tests share fails a test by panicking")]

mod bundle;
pub mod clients;
pub mod cut;
pub mod daemon;
pub mod image;
mod leftovers;
pub mod node;
pub mod registry;

pub use bundle::Bundle;

use std::path::PathBuf;

/// The probe program (`src/probe`), which cargo builds beside the tests.
///
/// # Panics
/// The tests were not built by cargo with the whole workspace.
#[must_use]
pub fn probe() -> PathBuf {
    beside_tests("probe")
}

/// A program of this workspace, in the directory above the one that the running test is in.
///
/// # Panics
/// It is not there.
#[must_use]
pub fn beside_tests(name: &str) -> PathBuf {
    let running = std::env::current_exe().unwrap_or_default();
    let found = running
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name))
        .find(|path| path.exists());
    let Some(path) = found else {
        panic!("{name} is not built: run the tests of the whole workspace (cargo xtask test)")
    };
    path
}
