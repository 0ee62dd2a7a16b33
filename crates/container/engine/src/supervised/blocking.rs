//! The supervisor as the blocking rooms below see it. Their calls come from threads that may wait
//! (tokio's blocking pool, or their own), never from a task.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::Ordering;

use image::WorkerJob;
use supervisor::protocol::{Key, Name, Outcome, Reason, Reply, Request, Worker};

use super::{Supervisor, SupervisorError};

/// Milliseconds after which a worker is killed: an archive of many gigabytes takes minutes.
const WORKER_DEADLINE: u32 = 60 * 60 * 1000;

impl image::Workers for Supervisor {
    fn run(&self, job: WorkerJob<'_>) -> io::Result<ExitStatus> {
        let number = self.0.workers.fetch_add(1, Ordering::Relaxed);
        let name = format!("worker-{}-{number}", std::process::id());
        let own = [
            self.0.config.worker.as_os_str().as_bytes().into(),
            b"worker"[..].into(),
        ];
        let given = job.arguments.iter().map(|argument| argument.as_bytes().into());
        let worker = Worker {
            key: Key::worker(name.parse().map_err(io::Error::other)?, 1),
            namespaces: 0,
            arguments: own.into_iter().chain(given).collect(),
            environment: Vec::new(),
            cgroup: false,
            deadline: WORKER_DEADLINE,
        };
        let fds: Vec<BorrowedFd<'_>> = job.descriptors.iter().map(AsFd::as_fd).collect();
        let request = Request::Worker { worker };
        let (reply, _) = self
            .0
            .handle
            .block_on(self.call(&request, &fds))
            .map_err(io::Error::other)?;
        match reply {
            Reply::WorkerDone {
                outcome: Outcome::Ended { wait },
            } => Ok(ExitStatus::from_raw(wait)),
            other => Err(io::Error::other(SupervisorError::unexpected(&other))),
        }
    }
}

impl network::Holder for Supervisor {
    fn hold(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let name = parse(name)?;
        let held = self.0.handle.block_on(self.hold(name, descriptors));
        held.map_err(io::Error::other)
    }

    fn retrieve(&self, name: &str) -> io::Result<Vec<OwnedFd>> {
        let name = parse(name)?;
        match self.0.handle.block_on(self.retrieve(name)) {
            Err(SupervisorError::Refused(Reason::NotFound {})) => Ok(Vec::new()),
            other => other.map_err(io::Error::other),
        }
    }

    fn release(&self, name: &str) -> io::Result<()> {
        let name = parse(name)?;
        match self.0.handle.block_on(self.release(name)) {
            Err(SupervisorError::Refused(Reason::NotFound {})) => Ok(()),
            other => other.map_err(io::Error::other),
        }
    }

    fn held(&self) -> io::Result<Vec<String>> {
        let (mut names, mut after) = (Vec::new(), None);
        let next = |after| {
            self.0
                .handle
                .block_on(self.next_held(after))
                .map_err(io::Error::other)
        };
        while let Some(name) = next(after)? {
            names.push(name.to_string());
            after = Some(name);
        }
        Ok(names)
    }
}

fn parse(name: &str) -> io::Result<Name> {
    name.parse().map_err(io::Error::other)
}
