//! Finding and becoming the container's program.

use std::ffi::{CStr, c_char};
use std::os::fd::BorrowedFd;

use super::FAILED;
use super::resolve::PathBuffer;
use crate::program::Op;
use crate::raw::{self, Errno, Result};

/// The executable that a program has found, if it has looked for one.
pub(super) struct Executable(PathBuffer);

impl Executable {
    pub(super) fn unknown() -> Self {
        Self(PathBuffer::new())
    }

    /// As a shell searches: the first directory of `search` with an executable of that name; one
    /// that may not be executed is remembered as the reason for failing.
    pub(super) fn lookup(&mut self, name: &CStr, search: &CStr) -> Result<()> {
        if name.to_bytes().contains(&b'/') {
            return self.attempt(b"", name);
        }
        let mut reason = Errno::NOENT;
        for directory in search.to_bytes().split(|byte| *byte == b':') {
            let directory = if directory.is_empty() { b"." } else { directory };
            match self.attempt(directory, name) {
                Err(Errno::ACCESS) => reason = Errno::ACCESS,
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
        self.0.clear();
        self.0.append(name.to_bytes())?;
        Err(reason)
    }

    fn attempt(&mut self, directory: &[u8], name: &CStr) -> Result<()> {
        self.0.clear();
        self.0.push(directory)?;
        self.0.push(name.to_bytes())?;
        if name.is_empty() {
            return Err(Errno::NOENT);
        }
        let mode = raw::openat2(raw::CWD, self.0.as_cstr(), libc::O_PATH, 0, 0)
            .and_then(|file| raw::stat(std::os::fd::AsRawFd::as_raw_fd(&file), c""))?
            .st_mode;
        match mode & libc::S_IFMT {
            libc::S_IFDIR => Err(Errno::ISDIR),
            _ => raw::executable(self.0.as_cstr()),
        }
    }

    /// Returns only when the kernel refuses.
    pub(super) fn exec(&self, arguments: *const *const c_char, environment: *const *const c_char) -> Errno {
        // SAFETY: both are lists of the program, NULL-terminated by its verifier.
        unsafe { raw::execve(self.0.as_cstr(), arguments, environment) }
    }

    /// Once nobody listens on the channel the container's own standard error is where a reason
    /// can still be read, as `docker logs` shows it.
    pub(super) fn complain(&self, error: Errno) {
        let reason: &[u8] = match error {
            Errno::NOENT => b": no such file or directory\n",
            Errno::ACCESS => b": permission denied\n",
            Errno::NOEXEC => b": exec format error\n",
            _ => b": cannot be executed\n",
        };
        let mut line = PathBuffer::new();
        let text = [b"exec ", self.0.as_cstr().to_bytes(), reason];
        if text.iter().try_for_each(|part| line.append(part)).is_ok() {
            // SAFETY: descriptor 2 is this process's own, and stays open until it ends.
            let stderr = unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) };
            let _ = raw::write(stderr, line.as_cstr().to_bytes());
        }
    }
}

/// Exit status for a failed operation, as shells and docker have it: 127 where there is no such
/// program, 126 where it cannot be executed.
pub(super) fn status(op: Op, error: Errno) -> i32 {
    match (op, error) {
        (Op::Exec { .. } | Op::Lookup { .. }, Errno::NOENT) => 127,
        (Op::Exec { .. } | Op::Lookup { .. }, _) => 126,
        _ => FAILED,
    }
}
