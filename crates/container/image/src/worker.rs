//! The confined process that reads foreign archives, and how it is started.
//!
//! A worker gets its job as arguments and everything else as descriptors: the stream to read, a
//! pipe to answer on, and the directory that becomes its root. It confines itself before it reads
//! the first byte, so whoever can start a process can run one; the supervisor adds a cgroup.

mod ahead;
mod jobs;
mod run;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

pub(crate) use jobs::{Job, LayerReport, PLAIN, Part, PartKind, SplitReport};
pub(crate) use run::{Stream, run, run_while};

use ahead::Hand;
use sys::confine::{self, Confinement};

/// A worker to run.
#[derive(Debug)]
pub struct WorkerJob<'a> {
    /// What follows `gantry worker` on its command line.
    pub arguments: Vec<OsString>,
    /// Its descriptors, from 0 on, and nothing else is open in it: the stream, twice a pipe for
    /// diagnostics, the pipe for the answer, the directory.
    pub descriptors: Vec<BorrowedFd<'a>>,
}

/// Numbers of the descriptors of a worker.
const ANSWER: i32 = 3;
const DIRECTORY: i32 = 4;

/// What a worker may use: enough for the largest window of a decompressor and a long list of
/// entries, and a descriptor for each level of a directory that is replaced.
const MEMORY: u64 = 2 << 30;
const DESCRIPTORS: u64 = 512;

/// Exit statuses.
const DONE: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

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
    fn run(&self, job: WorkerJob<'_>) -> io::Result<ExitStatus> {
        let own = |at: usize| {
            let fd = job.descriptors.get(at).ok_or(io::ErrorKind::InvalidInput)?;
            fd.try_clone_to_owned()
        };
        let parsed = parse(&job.arguments).ok_or(io::ErrorKind::InvalidInput)?;
        let hand = Hand::hire(|| Ok(()))?;
        let code = answer(&parsed, own(0)?.into(), own(3)?.into(), &own(4)?, &hand);
        Ok(ExitStatus::from_raw(i32::from(code) << 8))
    }
}

/// What `gantry worker ARGUMENTS` does: confines the process, does the job that the arguments
/// name with the descriptors from 0 on, and answers the exit status: 0 done or refused (the answer
/// says which), 1 failed, 2 started wrongly. There must be no other thread in the process.
#[must_use]
pub fn worker_main(arguments: &[OsString]) -> u8 {
    let claim = |number| sys::process::claim_inherited(number);
    let (Some(job), Ok(answer_to), Ok(directory)) = (parse(arguments), claim(ANSWER), claim(DIRECTORY))
    else {
        return USAGE;
    };
    let hand = match confine(&job, &directory) {
        Ok(hand) => hand,
        Err(error) => {
            // Whoever started it reads what it says before it ends.
            drop(writeln!(io::stderr(), "confine the worker: {error}"));
            return FAILED;
        }
    };
    crate::archive::as_worker();
    let stdin: io::Result<OwnedFd> = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned();
    match stdin {
        Ok(stream) => answer(&job, stream.into(), answer_to.into(), &directory, &hand),
        Err(_) => USAGE,
    }
}

/// Confines this thread and the one that is to help it, which decompresses and so may do least of all.
fn confine(job: &Job, directory: &OwnedFd) -> io::Result<Hand> {
    let confinement = Confinement {
        root: std::os::fd::AsFd::as_fd(directory),
        capabilities: job.capabilities(),
        memory: MEMORY,
        descriptors: DESCRIPTORS,
    };
    confinement.isolate()?;
    let hand = Hand::hire(|| confine::give_up(0))?;
    confine::give_up(confinement.capabilities)?;
    Ok(hand)
}

/// `NAME JSON`.
fn parse(arguments: &[OsString]) -> Option<Job> {
    let [job] = arguments else { return None };
    serde_json::from_str(OsStr::to_str(job)?).ok()
}

fn answer(job: &Job, stream: File, mut to: File, directory: &OwnedFd, hand: &Hand) -> u8 {
    let answer = job.perform(stream, directory, (hand, &to));
    match to.write_all(&answer) {
        Ok(()) => DONE,
        Err(_) => FAILED,
    }
}
