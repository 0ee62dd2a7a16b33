//! Why a process did not come to run its program, in the words that users of runc know.

use runtime::launcher::{self, LaunchError};
use sys::program::Program;

use crate::error::Error;
use crate::supervised::SupervisorError;

/// Which operation failed: the words differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// A container's first process.
    Start,
    /// A further one.
    Exec,
}

impl Words {
    /// The error with an exit code as `docker run` gives it.
    pub(crate) fn error(self, code: i32, reason: String) -> Error {
        match self {
            Self::Start => Error::Start { code, reason },
            Self::Exec => Error::Exec { code, reason },
        }
    }
}

/// The supervisor's answer to a start, in terms of the program that it was given.
pub(crate) fn executable(words: Words, program: &Program, error: SupervisorError) -> Error {
    let SupervisorError::Failed { operation, errno } = error else {
        return Error::Supervisor(error);
    };
    let Some(operation) = operation else {
        return words.error(128, cause(errno));
    };
    let failure = launcher::failure(program, operation, errno);
    let (code, text) = match &failure {
        LaunchError::Executable { .. } => (exit_code(errno), failure.to_string()),
        _ => (128, format!("{failure}: {}", cause(errno))),
    };
    match words {
        Words::Start => words.error(code, format!("error during container init: {text}")),
        Words::Exec => words.error(code, text),
    }
}

/// The kernel's reason as Go words it: clients look for `no such file or directory` to tell 127 from 125.
fn cause(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// What a shell exits with that cannot run a program.
fn exit_code(errno: i32) -> i32 {
    use rustix::io::Errno;
    let absent = [Errno::NOENT, Errno::NOTDIR].map(Errno::raw_os_error);
    if absent.contains(&errno) { 127 } else { 126 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_reason_is_worded_as_clients_expect() {
        assert_eq!(super::cause(2), "no such file or directory");
        assert_eq!(super::cause(22), "invalid argument");
    }
}
