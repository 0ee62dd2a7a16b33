//! What the daemon holds of each process, and how a new supervisor gets it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use supervisor::protocol::{
    Entry as Known, ExitRecord, Key, LogSpec, Name, Outcome, Phase, Reply, Request, Stdio, Streams,
};

use super::error::judge;
use super::link::Link;
use super::process::{Sorted, own_failure};
use super::{Notice, Supervisor, SupervisorError, borrow};

/// What is held of one process.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) pid: u32,
    pub(crate) pidfd: Arc<OwnedFd>,
    pub(crate) stdio: Stdio,
    pub(crate) log: Option<LogSpec>,
    pub(crate) input: Option<Arc<OwnedFd>>,
    /// Never read: the supervisor's pump is the only reader.
    pub(crate) logged: [Option<Arc<OwnedFd>>; 2],
}

/// What a new supervisor must get: all processes whose end has not been processed, and what is held by
/// name.
#[derive(Debug, Default)]
pub(super) struct Tended {
    all: BTreeMap<Key, Entry>,
    held: BTreeMap<Name, Vec<Arc<OwnedFd>>>,
}

impl Tended {
    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        self.all.insert(key, entry);
    }

    pub(super) fn close_input(&mut self, key: &Key) {
        if let Some(entry) = self.all.get_mut(key) {
            entry.input = None;
        }
    }
}

/// A process that the supervisor has.
#[derive(Debug)]
pub(crate) struct Found {
    /// What it is called.
    pub(crate) key: Key,
    /// Its id on the host.
    pub(crate) pid: u32,
    /// Where in its life it is.
    pub(crate) phase: Phase,
}

impl Supervisor {
    /// Every process that the supervisor has; what belongs to a running one is held from now on.
    /// `logs` tells what each of them is logged to, which the supervisor does not repeat.
    pub(crate) async fn entries(
        &self,
        logs: impl Fn(&Key) -> Option<LogSpec>,
    ) -> Result<Vec<Found>, SupervisorError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            match self.call(&Request::NextEntry { after }, &[]).await? {
                (Reply::Entry { entry }, fds) => {
                    after = Some(entry.key.clone());
                    found.push(self.known(entry, fds, &logs));
                }
                (Reply::End {}, _) => return Ok(found),
                (other, _) => return Err(SupervisorError::unexpected(&other)),
            }
        }
    }

    fn known(&self, known: Known, fds: Vec<OwnedFd>, logs: &impl Fn(&Key) -> Option<LogSpec>) -> Found {
        let Known {
            key,
            pid,
            phase,
            stdio,
            logged,
            streams,
            ..
        } = known;
        let sorted = Sorted::new(streams, fds);
        if let Some(pidfd) = sorted.pidfd {
            let entry = Entry {
                pid,
                pidfd: Arc::new(pidfd),
                stdio,
                log: logged.then(|| logs(&key)).flatten(),
                input: sorted.input.map(Arc::new),
                logged: sorted.logged,
            };
            self.tended().insert(key.clone(), entry);
        }
        Found { key, pid, phase }
    }

    /// The process behind a key, for as long as its end has not been processed.
    pub(crate) fn pidfd(&self, key: &Key) -> Option<Arc<OwnedFd>> {
        self.tended().all.get(key).map(|entry| entry.pidfd.clone())
    }

    /// The write end of a process's input, or its terminal.
    pub(crate) fn input(&self, key: &Key) -> Option<Arc<OwnedFd>> {
        self.tended().all.get(key).and_then(|entry| entry.input.clone())
    }

    /// Lets go of a process whose end has been processed.
    pub(crate) fn forget(&self, key: &Key) {
        self.tended().all.remove(key);
    }

    /// Gives a new supervisor everything that is held, before anybody else asks it for anything. A process that
    /// it does not take is one that it has already (the connection was lost, not the supervisor) or one whose
    /// end nobody will hear.
    pub(super) async fn hand_back(&self, link: &Link) {
        let held = self.tended().held.clone();
        for (name, fds) in held {
            let hold = Request::Hold { name: name.clone() };
            if let Err(error) = link.call(&hold, &borrow(&fds)).await.and_then(judge) {
                tracing::warn!(%error, %name, "not held by the supervisor");
            }
        }
        let all: Vec<(Key, Entry)> = self.tended().all.clone().into_iter().collect();
        for (key, entry) in all {
            match hand_over(link, &key, &entry).await {
                // Adopted although its log cannot be opened.
                Ok(()) | Err(SupervisorError::Failed { .. } | SupervisorError::Refused(_)) => {}
                // The next one gets it.
                Err(SupervisorError::Lost) => return,
                Err(error) => {
                    tracing::warn!(%error, container = %key.container, "not taken over by the supervisor");
                    self.report_unknown(key).await;
                }
            }
        }
    }

    /// Gives the supervisor a process that neither it nor this daemon has started.
    ///
    /// # Errors
    /// It is not taken; the process runs on.
    pub(crate) async fn entrust(&self, key: &Key, entry: Entry) -> Result<(), SupervisorError> {
        let link = self.link().await.ok_or(SupervisorError::Lost)?;
        match hand_over(&link, key, &entry).await {
            // As above: without its log.
            Ok(()) | Err(SupervisorError::Failed { .. }) => {}
            Err(error) => return Err(error),
        }
        self.tended().insert(key.clone(), entry);
        Ok(())
    }

    async fn report_unknown(&self, key: Key) {
        let record = ExitRecord {
            sequence: 0,
            key,
            outcome: Outcome::Unknown {},
            at: 0,
            log: supervisor::protocol::LogStats::default(),
        };
        // The engine that does not listen any more needs no news.
        let _ = self.0.notices.send(Notice::Exited(record)).await;
    }

    /// Keeps descriptors under a name.
    pub(super) async fn hold(
        &self,
        name: Name,
        fds: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<(), SupervisorError> {
        let copies = fds.iter().map(|fd| fd.try_clone_to_owned().map(Arc::new));
        let copies: Vec<_> = copies.collect::<io::Result<_>>().map_err(own_failure)?;
        match self.call(&Request::Hold { name: name.clone() }, fds).await? {
            (Reply::Done {}, _) => {
                self.tended().held.insert(name, copies);
                Ok(())
            }
            (other, _) => Err(SupervisorError::unexpected(&other)),
        }
    }

    /// The descriptors held under a name.
    pub(super) async fn retrieve(&self, name: Name) -> Result<Vec<OwnedFd>, SupervisorError> {
        match self.call(&Request::Retrieve { name: name.clone() }, &[]).await? {
            (Reply::Held { .. }, fds) => {
                let copies = fds.iter().map(|fd| fd.try_clone().map(Arc::new));
                let copies = copies.collect::<io::Result<_>>().map_err(own_failure)?;
                self.tended().held.insert(name, copies);
                Ok(fds)
            }
            (other, _) => Err(SupervisorError::unexpected(&other)),
        }
    }

    /// Closes the descriptors held under a name.
    pub(super) async fn release(&self, name: Name) -> Result<(), SupervisorError> {
        self.tended().held.remove(&name);
        self.done(Request::Release { name }).await
    }

    /// The name after this one that something is held under.
    pub(super) async fn next_held(&self, after: Option<Name>) -> Result<Option<Name>, SupervisorError> {
        match self.call(&Request::NextHeld { after }, &[]).await? {
            (Reply::Held { name }, _) => Ok(Some(name)),
            (Reply::End {}, _) => Ok(None),
            (other, _) => Err(SupervisorError::unexpected(&other)),
        }
    }
}

async fn hand_over(link: &Link, key: &Key, entry: &Entry) -> Result<(), SupervisorError> {
    let [output, error] = &entry.logged;
    // Without a log nobody would read the streams.
    let logged = entry.log.is_some();
    let held = [output, error].map(|fd| fd.as_ref().filter(|_| logged));
    let streams = Streams {
        input: entry.input.is_some(),
        logged_output: held[0].is_some(),
        logged_error: held[1].is_some(),
        ..Streams::default()
    };
    let adopt = Request::Adopt {
        key: key.clone(),
        pid: entry.pid,
        stdio: entry.stdio.clone(),
        streams,
        log: entry.log.clone(),
    };
    let fds = [&entry.pidfd]
        .into_iter()
        .chain(&entry.input)
        .chain(held.into_iter().flatten());
    match judge(link.call(&adopt, &borrow(fds)).await?)? {
        (Reply::Done {}, _) => Ok(()),
        (other, _) => Err(SupervisorError::unexpected(&other)),
    }
}
