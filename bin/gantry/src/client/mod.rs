//! `gantry build`, `run`, `ps`, `df`, `logs` and `exec`: thin clients of the Engine API, with the outputs and
//! exit codes of the docker client.
//!
//! They know nothing that another client of the socket could not know. `http` is the API as requests,
//! `session` a container's streams on ours; the rest is one file per command, and beside them the pure
//! translations of their words (`settings`, `publish`, `volume`).

mod bars;
mod build;
mod context;
mod df;
mod exec;
mod frame;
pub(crate) mod http;
mod logs;
mod progress;
mod ps;
mod publish;
mod pull;
mod run;
mod session;
mod settings;
mod socket;
mod table;
mod terminal;
mod volume;

use std::process::ExitCode;

pub(crate) use build::{Options as Build, run as build};
pub(crate) use df::{Options as Df, run as df};
pub(crate) use exec::{Options as Exec, run as exec};
pub(crate) use logs::{Options as Logs, run as logs};
pub(crate) use ps::{Options as Ps, run as ps};
pub(crate) use pull::{Options as Push, PullOptions as Pull, push, run as pull};
pub(crate) use run::{Options as Run, run};

use crate::failure::{Failure, Outcome};

/// The daemon refused: what `docker run` and `docker exec` exit with then.
const REFUSED: u8 = 125;
/// The program is there and cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// There is no such program.
const NO_PROGRAM: u8 = 127;

/// Runs a command to its end. A thread that still reads our input holds nobody up.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    ended
}

/// What the container's program ended with becomes what we end with.
fn exit_with(code: i64) -> Outcome {
    Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(REFUSED)))
}

/// The exit code for a container that cannot be made or started, as shells number such programs.
fn refusal(error: &http::Error) -> Failure {
    let message = error.to_string();
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    let code = if says(&[
        "executable file not found",
        "no such file or directory",
        "system cannot find",
    ]) {
        NO_PROGRAM
    } else if says(&["permission denied", "is a directory"]) {
        NOT_EXECUTABLE
    } else {
        REFUSED
    };
    Failure::with_code(code, message)
}

/// Any other refusal of the daemon.
fn refused(error: http::Error) -> Failure {
    Failure::with_code(REFUSED, Failure::from(error).message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_cannot_start_has_the_shells_exit_code() {
        let daemon = |message: &str| http::Error::Daemon {
            status: 400,
            message: message.to_owned(),
        };
        for (message, code) in [
            (
                "exec: \"x\": executable file not found in $PATH: unknown",
                NO_PROGRAM,
            ),
            ("exec: \"/etc\": is a directory: unknown", NOT_EXECUTABLE),
            ("exec: \"/f\": permission denied", NOT_EXECUTABLE),
            ("Conflict. The container name is in use", REFUSED),
        ] {
            assert_eq!(refusal(&daemon(message)).code(), code, "{message}");
        }
    }
}
