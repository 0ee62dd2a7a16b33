//! `gantry worker`: the short-lived, confined process in which foreign archives are read. The supervisor
//! starts it; which descriptors it has and what it does with them is the image room's.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The job, as the image room names it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    job: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Outcome {
    Ok(ExitCode::from(image::worker_main(&options.job)))
}
