//! How a command fails: its exit code and one line on standard error, the chain of causes printed
//! once, here.

use std::error::Error;
use std::process::ExitCode;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: Box<dyn Error + Send + Sync>,
}

/// What every command returns.
pub(crate) type Outcome = Result<ExitCode, Failure>;

impl Failure {
    /// Exit 2: the command line asks for what makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::with_code(2, message)
    }

    /// A failure with an exit code of its own.
    pub(crate) fn with_code(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            error: message.into().into(),
        }
    }

    /// What the process exits with.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// The whole chain as one line.
    pub(crate) fn message(&self) -> String {
        let mut line = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }

    #[expect(clippy::print_stderr, reason = "this is where a command's error is printed")]
    pub(crate) fn print(self) -> ExitCode {
        eprintln!("gantry: {}", self.message());
        ExitCode::from(self.code)
    }
}

/// Exit 1 for whatever goes wrong below.
impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            code: 1,
            error: Box::new(error),
        }
    }
}
