//! Our terminal while a container's program has it.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios};

/// Raw mode, for as long as this lives.
pub(super) struct Raw(Termios);

impl Raw {
    /// None if our input is no terminal.
    pub(super) fn enter() -> Option<Self> {
        let before = rustix::termios::tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that does not go back.
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Rows and columns of our terminal; none if there is none.
pub(super) fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// `ConsoleSize` of the API: what the program's terminal begins with, so that its first look is right.
/// Null if it has none, or ours has no size.
pub(super) fn console_size(tty: bool) -> Option<[u16; 2]> {
    size().filter(|_| tty).map(Into::into)
}

/// What is asked of a terminal that shall be the program's.
///
/// # Errors
/// In the docker client's words.
pub(super) fn require(tty: bool, interactive: bool) -> Result<(), &'static str> {
    if tty && interactive && !io::stdin().is_terminal() {
        return Err("the input device is not a TTY");
    }
    Ok(())
}
