//! Where the shop's program comes from. The rest of the example the demo carries with it; a program cannot be part of
//! another one's source, so cargo builds it where it was cargo that started the demo.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::failed;
use crate::failure::Failure;

/// How to come by it.
#[derive(Debug, Args)]
pub(super) struct ProgramOptions {
    /// The program of examples/shop [default: as cargo builds it, or beside this executable].
    #[arg(long, value_name = "FILE")]
    shop: Option<PathBuf>,
    /// Set by `cargo run`.
    #[arg(long, env = "CARGO", hide = true, hide_env = true)]
    cargo: Option<PathBuf>,
}

impl ProgramOptions {
    /// Its path.
    pub(super) fn find(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = &self.shop {
            return Ok(named.clone());
        }
        if let Some(cargo) = &self.cargo {
            build(cargo)?;
        }
        let beside = std::env::current_exe()?.with_file_name("shop");
        if beside.exists() {
            return Ok(beside);
        }
        Err(failed(format!(
            "the demo needs the shop's program, and {} is not there: use `cargo run --release -- demo`, or name it with \
             --shop",
            beside.display()
        )))
    }
}

/// In the profile that this executable was built in, and so beside it.
fn build(cargo: &Path) -> Result<(), Failure> {
    let profile: &[&str] = if cfg!(debug_assertions) {
        &[]
    } else {
        &["--release"]
    };
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "shop"]).args(profile);
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(failed(format!(
        "`cargo build --package shop` ended with {status}"
    )))
}
