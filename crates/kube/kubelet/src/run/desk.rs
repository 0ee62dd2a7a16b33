//! One pod's task: mail in, worker, work out.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender};
use client::{Error, PatchKind, WriteOptions};

use super::core::{Core, lock};
use super::files::{self, Files};
use super::outbox::{Outbox, patch};
use super::perform::{self, Start};
use super::seat::Slot;
use crate::container::Uid;
use crate::pod::Pod;
use crate::record;
use crate::resources::PODS;
use crate::status::Status;
use crate::traits::Refused;
use crate::worker::{Action, Event, Worker};

/// What comes to a pod's task.
pub(super) enum Mail {
    /// Something happened.
    Event(Event),
    /// There is something in the slot, or it is time.
    Look,
    /// A status was written, or not.
    Wrote(u64, Box<Status>, Result<(), Error>),
    /// Work on the pod's files is done.
    Filed(Files, Filed),
}

/// What was done with a pod's files.
pub(super) enum Filed {
    Written(Result<(), Refused>),
    Refreshed,
    TornDown(Result<(), String>),
}

/// What is to be done with a pod's files, one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Write,
    Refresh,
    TearDown,
}

/// A pod's task.
struct Desk {
    core: Arc<Core>,
    worker: Worker,
    mail: Sender<Mail>,
    slot: Arc<Mutex<Slot>>,
    outbox: Outbox,
    /// Where statuses of a static pod are written, once the API shows it.
    mirror: Option<Uid>,
    /// The last of them, for the next one that shows it.
    last: Option<(u64, Status)>,
    files: Files,
    jobs: VecDeque<Job>,
    filing: bool,
    /// The volumes are there, so that they follow what they name.
    follows: bool,
    done: bool,
}

/// Runs a pod until nothing is left of it.
pub(super) async fn run(
    core: Arc<Core>,
    worker: Worker,
    mail: Sender<Mail>,
    mailbox: Receiver<Mail>,
    slot: Arc<Mutex<Slot>>,
) {
    let mut desk = Desk {
        core,
        worker,
        mail,
        slot,
        outbox: Outbox::default(),
        mirror: None,
        last: None,
        files: Files::default(),
        jobs: VecDeque::new(),
        filing: false,
        follows: false,
        done: false,
    };
    while let Ok(mail) = mailbox.recv().await {
        desk.take_slot();
        desk.read(mail);
        desk.work();
        if desk.done {
            return desk.core.leave(&desk.worker.pod().uid);
        }
    }
}

impl Desk {
    fn pod(&self) -> &Arc<Pod> {
        self.worker.pod()
    }

    /// The object that statuses are written to; none of a static pod that the API does not show.
    fn object(&self) -> Option<&Uid> {
        if self.pod().is_static() {
            self.mirror.as_ref()
        } else {
            Some(&self.pod().uid)
        }
    }

    /// Another object shows the pod, or none: it has to be told all.
    fn shown_by(&mut self, mirror: Option<Uid>) {
        self.mirror = mirror;
        if let Some((number, status)) = self.last.clone() {
            self.outbox.put(number, status, self.core.env.now());
        }
    }

    fn put(&mut self, number: u64, status: Status) {
        if self.pod().is_static() {
            self.last = Some((number, status.clone()));
            if status.phase.is_terminal() {
                self.core.free(&self.pod().uid);
            }
        }
        self.outbox.put(number, status, self.core.env.now());
    }

    fn on(&mut self, event: Event) {
        let now = self.core.now();
        for action in self.worker.on(event, now) {
            self.perform(action);
        }
    }

    fn take_slot(&mut self) {
        let slot = std::mem::take(&mut *lock(&self.slot));
        if let Some(pod) = slot.pod {
            let told = pod.labels == self.pod().labels && pod.annotations == self.pod().annotations;
            self.on(Event::Pod(pod));
            if !told {
                self.file(Job::Refresh);
            }
        }
        if let Some(seen) = slot.seen {
            self.on(Event::Seen(seen));
        }
        if slot.source {
            self.on(Event::Source);
            self.file(Job::Refresh);
        }
        if slot.forgotten {
            self.on(Event::Forgotten);
        }
        if let Some(mirror) = slot.mirror {
            self.shown_by(mirror);
        }
    }

    fn read(&mut self, mail: Mail) {
        match mail {
            Mail::Event(event) => self.on(event),
            Mail::Look => self.on(Event::Timer),
            Mail::Wrote(number, status, result) => self.wrote(number, *status, result),
            Mail::Filed(files, what) => self.filed(files, what),
        }
    }

    /// What is due beside the worker's own.
    fn work(&mut self) {
        let now = self.core.env.now();
        if self.files.wakes().is_some_and(|at| at <= now) {
            self.file(Job::Refresh);
        }
        let object = self.object().cloned();
        if let Some(object) = &object
            && let Some((number, status)) = self.outbox.take(now)
        {
            self.write(object.clone(), number, status);
        }
        self.next_job();
        let filing = self.files.wakes().filter(|_| !self.filing && self.follows);
        let writing = self.outbox.wakes().filter(|_| object.is_some());
        let wakes = [self.worker.wake_at(), writing, filing];
        let at = wakes.into_iter().flatten().min();
        self.core.set_timer(&self.pod().uid, at);
    }

    /// Runs something beside the task; what it ends in comes back as mail.
    fn beside<F>(&self, work: impl FnOnce(Arc<Core>, Arc<Pod>) -> F)
    where
        F: Future<Output = Mail> + Send + 'static,
    {
        let work = work(self.core.clone(), self.pod().clone());
        let mail = self.mail.clone();
        self.core.spawn(async move {
            // A task that has ended needs no answer.
            drop(mail.send(work.await).await);
        });
    }

    fn perform(&mut self, action: Action) {
        let address = self.worker.address();
        match action {
            Action::Prepare => self.beside(|core, pod| async move {
                Mail::Event(Event::Prepared(perform::prepare(&core, &pod).await))
            }),
            Action::WriteVolumes => self.file(Job::Write),
            Action::FindImage(at) => self.beside(move |core, pod| async move {
                Mail::Event(Event::Image(at, core.parts.runtime.image(&pod, at).await))
            }),
            Action::Pull(at) => self.beside(move |core, pod| async move {
                Mail::Event(Event::Pulled(at, perform::pull(&core, &pod, at).await))
            }),
            Action::Start(at, attempt) => {
                let mounts = self.files.mounts.clone();
                self.beside(move |core, pod| async move {
                    let start = Start {
                        pod,
                        at,
                        attempt,
                        address,
                        mounts,
                    };
                    Mail::Event(Event::Started(at, attempt, perform::start(&core, start).await))
                });
            }
            Action::Hook(at, id, kind, limit) => self.beside(move |core, pod| async move {
                let result = perform::hook(&core, &pod, address, at, id.clone(), kind, limit).await;
                Mail::Event(Event::Hook(id, kind, result))
            }),
            Action::Probe(at, id, kind) => self.beside(move |core, pod| async move {
                let outcome = perform::probe(&core, &pod, address, at, id.clone(), kind).await;
                Mail::Event(Event::Probed(id, kind, outcome))
            }),
            Action::LeaveService => self.beside(move |core, _| async move {
                if let Some(address) = address {
                    core.parts.services.left(address).await;
                }
                Mail::Event(Event::ServiceLeft)
            }),
            Action::Stop(id, grace) => self.beside(move |core, _| async move {
                let result = core.parts.runtime.stop(&id, grace).await;
                Mail::Event(Event::Stopped(id, result))
            }),
            Action::Resize(outgrown) => self.beside(move |core, pod| async move {
                let result = perform::resize(&core, &pod, &outgrown).await;
                Mail::Event(Event::Resized(pod, outgrown, result))
            }),
            Action::Remove(id) => {
                let core = self.core.clone();
                self.core
                    .spawn(async move { core.parts.runtime.remove(&id).await });
            }
            Action::TearDown => self.file(Job::TearDown),
            Action::WriteStatus(number, status) => {
                self.put(number, *status);
            }
            Action::DeletePod => self.beside(|core, pod| async move {
                Mail::Event(Event::Deleted(files::delete(&core, &pod).await))
            }),
            Action::Tell(told) => record::tell(&self.core.recorder, self.pod(), told),
            Action::Done => self.done = true,
        }
    }

    /// Queues work on the pod's files. The same job is not queued twice; a refresh of nothing is not queued.
    fn file(&mut self, job: Job) {
        let idle = job == Job::Refresh && !self.follows;
        if !idle && !self.jobs.contains(&job) {
            self.jobs.push_back(job);
        }
    }

    fn next_job(&mut self) {
        if self.filing {
            return;
        }
        let Some(job) = self.jobs.pop_front() else { return };
        self.filing = true;
        let files = self.files.clone();
        self.beside(move |core, pod| async move {
            match job {
                Job::Write => {
                    let (files, result) = files.write(&core, &pod).await;
                    Mail::Filed(files, Filed::Written(result))
                }
                Job::Refresh => Mail::Filed(files.refresh(&core, &pod).await, Filed::Refreshed),
                Job::TearDown => {
                    let result = core.parts.runtime.tear_down(&pod.uid).await;
                    Mail::Filed(Files::default(), Filed::TornDown(result))
                }
            }
        });
    }

    fn filed(&mut self, files: Files, what: Filed) {
        self.filing = false;
        self.files = files;
        match what {
            Filed::Written(result) => {
                self.follows = result.is_ok();
                self.on(Event::Payloads(result));
            }
            Filed::Refreshed => {}
            Filed::TornDown(result) => {
                self.follows = false;
                self.jobs.clear();
                self.on(Event::TornDown(result));
            }
        }
    }

    fn write(&self, object: Uid, number: u64, status: Status) {
        self.beside(move |core, pod| async move {
            let place = PODS.within(&pod.namespace).named(&pod.name).below("status");
            let body = patch(&pod, &object, &status);
            let options = WriteOptions::default();
            let result = core
                .parts
                .client
                .patch(place, PatchKind::Strategic, body, &options)
                .await;
            Mail::Wrote(number, Box::new(status), result.map(drop))
        });
    }

    fn wrote(&mut self, number: u64, status: Status, result: Result<(), Error>) {
        match result {
            Ok(()) => {
                self.outbox.wrote();
                self.on(Event::Written(number));
            }
            // The pod is gone, or another has its name: the follower of pods will say so.
            Err(error) if error.is_not_found() || error.is_conflict() => self.outbox.wrote(),
            Err(error) => {
                tracing::warn!(pod = %self.pod().key(), %error, "a status was not written");
                self.outbox.failed(number, status, self.core.env.now());
            }
        }
    }
}
