//! Why the supervisor did not do what it was asked.

use supervisor::protocol::{Reason, Reply};

use super::link::Answer;

/// Why the supervisor did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// There is no connection to it, or it was lost before the answer came.
    #[error("the supervisor cannot be reached")]
    Lost,
    /// It refused; nothing has changed.
    #[error("the supervisor refused: {0:?}")]
    Refused(Reason),
    /// A system call failed. `operation` counts the init program's; none for the supervisor's own
    /// work before it.
    #[error("{}", std::io::Error::from_raw_os_error(*errno))]
    Failed {
        /// The init program's operation.
        operation: Option<u32>,
        /// What the kernel said.
        errno: i32,
    },
    /// It answered something that is no answer to what was asked.
    #[error("the supervisor answered {0}")]
    Unexpected(String),
}

impl SupervisorError {
    pub(super) fn unexpected(reply: &Reply) -> Self {
        Self::Unexpected(format!("{reply:?}"))
    }
}

/// Sorts the answers that any request may get from those that are its own.
pub(super) fn judge((reply, fds): Answer) -> Result<Answer, SupervisorError> {
    match reply {
        Reply::Refused { reason } => Err(SupervisorError::Refused(reason)),
        Reply::Unsupported { .. } => Err(SupervisorError::unexpected(&reply)),
        Reply::Failed { operation, errno } => Err(SupervisorError::Failed {
            operation: (operation != u32::MAX).then_some(operation),
            errno,
        }),
        other => Ok((other, fds)),
    }
}
