//! The confined process that reads foreign archives, and how it is started.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::process::ExitStatus;

/// A worker to run.
#[derive(Debug)]
pub struct WorkerJob<'a> {
    /// What follows `gantry worker` on its command line.
    pub arguments: Vec<OsString>,
    /// Its descriptors, from 0 on. Nothing else is open in it.
    pub descriptors: Vec<BorrowedFd<'a>>,
}

/// Whoever starts worker processes: the supervisor in a node, [`Inline`] in tests.
pub trait Workers: Send + Sync {
    /// Runs `gantry worker ARGUMENTS` with an empty environment and waits for its end. The
    /// worker confines itself; a runner may add namespaces, a cgroup and a deadline.
    ///
    /// # Errors
    /// It could not be started.
    fn run(&self, job: WorkerJob<'_>) -> io::Result<ExitStatus>;
}

/// Does a worker's work on the calling thread, not confined. For tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Workers for Inline {
    fn run(&self, _job: WorkerJob<'_>) -> io::Result<ExitStatus> {
        todo!()
    }
}

/// What `gantry worker ARGUMENTS` does: confines the process, does the job that the arguments
/// name with the descriptors from 0 on, and answers the exit status.
#[must_use]
pub fn worker_main(_arguments: &[OsString]) -> u8 {
    todo!()
}
