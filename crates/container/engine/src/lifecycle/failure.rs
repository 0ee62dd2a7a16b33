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
            Self::Exec => {
                let reason = format!("unable to start container process: {reason}");
                Error::Exec { code, reason }
            }
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
    let text = match &failure {
        LaunchError::Executable { .. } => failure.to_string(),
        _ => format!("{failure}: {}", cause(errno)),
    };
    match words {
        Words::Start => words.error(exit_code(&text), format!("error during container init: {text}")),
        Words::Exec => words.error(exit_code(&text), text),
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

/// What a run that did not begin is said to have exited with: upstream reads it off the text.
fn exit_code(text: &str) -> i32 {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["permission denied", "is a directory"]) {
        126
    } else if says(&[
        "not a directory",
        "executable file not found",
        "no such file or directory",
    ]) {
        127
    } else {
        128
    }
}

/// What upstream adds for clients that look for one word, and for whoever mounts a file on a directory.
pub(crate) fn advice(reason: &str) -> &'static str {
    let says = |words: &str| reason.contains(words);
    if says("permission denied") {
        ""
    } else if says("is a directory") {
        ": permission denied"
    } else if says("not a directory") {
        ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_reason_is_worded_as_clients_expect() {
        assert_eq!(super::cause(2), "no such file or directory");
        assert_eq!(super::cause(22), "invalid argument");
    }

    #[test]
    fn the_exit_code_and_the_advice_follow_from_the_text() {
        for (text, code, advice) in [
            ("exec: \"/etc\": is a directory", 126, ": permission denied"),
            ("exec: \"/x\": permission denied", 126, ""),
            ("exec: \"x\": executable file not found in $PATH", 127, ""),
            (
                "chdir to cwd (\"/x\") set in config.json failed: no such file or directory",
                127,
                "",
            ),
            ("sethostname: invalid argument", 128, ""),
        ] {
            assert_eq!(
                (super::exit_code(text), super::advice(text)),
                (code, advice),
                "{text}"
            );
        }
        let text = "chdir to cwd (\"/x\") set in config.json failed: not a directory";
        assert_eq!(super::exit_code(text), 127);
        assert!(super::advice(text).starts_with(": Are you trying to mount"));
    }
}
