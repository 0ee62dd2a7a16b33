//! Carrying out what the table decided.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::epoll::Interest;
use sys::launch::{Event, Launch, Launched, launch, next, resume};
use sys::program::{BuildError, Builder, MAX_PROGRAM, Op, Program, Slot};
use sys::socket::SeqPacket;
use sys::{clock, memfd, pidfd};

use super::handles::{self, Handles};
use super::{Driver, borrow, token};
use crate::log::Counters;
use crate::protocol::{Bytes, Key, Reply, Start, Worker};
use crate::pump::{Command, Source};
use crate::table::Action;

/// A start that is ready for `clone3`.
pub(super) struct Pending {
    program: Program,
    namespaces: u64,
    cgroup: Option<OwnedFd>,
    slots: Vec<OwnedFd>,
    sources: Vec<Source>,
}

/// The operation number of a failure in the supervisor's own work before the program ran.
const BEFORE_PROGRAM: u32 = u32::MAX;
const EINVAL: i32 = 22;
const SIGKILL: i32 = 9;

impl Driver {
    pub(super) fn act_once(&mut self, action: Action) {
        match action {
            Action::Reply(to, id, reply) => self.reply(to, id, &reply, &[]),
            Action::Notify(to, event) => self.notify(to, &event),
            Action::Grant(to, id, key) => self.grant(to, id, key),
            Action::Launch(number, start) => self.start(number, *start),
            Action::LaunchWorker(number, worker) => self.start_worker(number, &worker),
            Action::Perform(to, id, number, request) => self.perform(to, id, number, *request),
            Action::Resume(number) => self.resume_program(number),
            Action::Signal(number, signal) => self.signal(number, signal),
            Action::Drain(number) => self.drain(number),
            Action::Forget(number) => self.forget(number),
            Action::StartDaemon => self.start_daemon(),
            Action::SignalDaemon(signal) => {
                // A daemon that has just died is reaped next.
                drop(
                    self.daemon
                        .as_ref()
                        .map(|daemon| pidfd::signal(daemon, signal.cast_signed())),
                );
            }
            Action::Exit => self.ended = true,
        }
    }

    fn grant(&mut self, to: u64, id: u32, key: Key) {
        let Ok(life) = self.table.find(&key) else { return };
        let Some(handles) = self.handles.get_mut(&life.number) else {
            return;
        };
        let (pid, streams) = (life.pid, handles.streams());
        let mut handles = std::mem::take(handles);
        let mut fds: Vec<BorrowedFd<'_>> = handles.pidfd.iter().map(AsFd::as_fd).collect();
        fds.extend(handles.stream_fds());
        let number = life.number;
        self.reply(to, id, &Reply::Started { key, pid, streams }, &fds);
        handles.forget_copies();
        self.handles.insert(number, handles);
    }

    fn start(&mut self, number: u64, start: Start) {
        match self.prepare(number, &start) {
            Ok(pending) => match start.log {
                Some(spec) => {
                    let counters = self
                        .handles
                        .get(&number)
                        .and_then(|handles| handles.counters.clone());
                    self.pending.insert(number, pending);
                    self.commands
                        .push(Command::Open(number, spec, counters.unwrap_or_default()));
                }
                None => self.clone_now(number, pending),
            },
            Err(error) => self.fail(number, &error),
        }
    }

    fn prepare(&mut self, number: u64, start: &Start) -> io::Result<Pending> {
        let mut fds = std::mem::take(&mut self.arrived);
        let bytes = match &start.program {
            Some(inline) => inline.0.clone(),
            None => memfd::read_sealed(first(&mut fds)?, MAX_PROGRAM)?,
        };
        let program = Program::parse(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let cgroup = start.cgroup.then(|| first(&mut fds)).transpose()?;
        let logged = start.log.is_some();
        let made = handles::make(&start.stdio, start.owner, logged, start.attach, &mut fds)?;
        let mut slots = made.slots;
        slots.append(&mut fds);
        let counters = logged.then(|| Counters::default().into());
        self.handles.insert(
            number,
            Handles {
                counters,
                ..made.handles
            },
        );
        Ok(Pending {
            program,
            namespaces: start.namespaces,
            cgroup,
            slots,
            sources: made.sources,
        })
    }

    pub(super) fn log_opened(&mut self, number: u64, result: io::Result<()>) {
        let Some(pending) = self.pending.remove(&number) else {
            return self.adopted(number, result);
        };
        match result {
            Ok(()) => self.clone_now(number, pending),
            Err(error) => self.fail(number, &error),
        }
    }

    fn clone_now(&mut self, number: u64, pending: Pending) {
        let slots = borrow(&pending.slots);
        match self.clone_process(
            &pending.program,
            pending.namespaces,
            pending.cgroup.as_ref(),
            &slots,
        ) {
            Ok(launched) => {
                self.launched(number, launched);
                if !pending.sources.is_empty() {
                    self.commands.push(Command::Read(number, pending.sources));
                }
            }
            Err(error) => self.fail(number, &error),
        }
    }

    fn clone_process(
        &self,
        program: &Program,
        namespaces: u64,
        cgroup: Option<&OwnedFd>,
        slots: &[BorrowedFd<'_>],
    ) -> io::Result<Launched> {
        let namespaces = u32::try_from(namespaces).map_err(|_| io::ErrorKind::InvalidInput)?;
        launch(&Launch {
            program,
            slots,
            namespaces,
            inherit: 3,
            cgroup: cgroup.map(AsFd::as_fd),
        })
    }

    fn launched(&mut self, number: u64, launched: Launched) {
        let actions = self.table.launched(number, launched.pid.unsigned_abs());
        let channel = SeqPacket::from(launched.channel);
        let watched = channel
            .set_nonblocking(true)
            .and_then(|()| self.epoll.add(&channel, token::CHANNEL | number, Interest::READ));
        let handles = self.handles.entry(number).or_default();
        handles.pidfd = Some(launched.pidfd);
        handles.channel = Some(channel.into());
        if let Err(error) = watched {
            // Nobody would ever hear it start; it is better not to run at all.
            drop(handles.pidfd.as_ref().map(|pidfd| pidfd::signal(pidfd, SIGKILL)));
            self.fail(number, &error);
        }
        self.act(actions);
    }

    fn fail(&mut self, number: u64, error: &io::Error) {
        let actions = self
            .table
            .failed(number, BEFORE_PROGRAM, error.raw_os_error().unwrap_or(EINVAL));
        self.act(actions);
    }

    fn start_worker(&mut self, number: u64, worker: &Worker) {
        let mut fds = std::mem::take(&mut self.arrived);
        let result = worker
            .cgroup
            .then(|| first(&mut fds))
            .transpose()
            .and_then(|cgroup| {
                let program = plain_program(&worker.arguments, &worker.environment, fds.len())?;
                self.clone_process(&program, worker.namespaces, cgroup.as_ref(), &borrow(&fds))
            });
        match result {
            Ok(launched) => self.launched(number, launched),
            Err(error) => self.fail(number, &error),
        }
    }

    fn resume_program(&mut self, number: u64) {
        if let Some(channel) = self
            .handles
            .get(&number)
            .and_then(|handles| handles.channel.as_ref())
        {
            // A process that has died meanwhile is reaped next, and that is its answer.
            drop(resume(channel));
        }
    }

    fn signal(&mut self, number: u64, signal: u32) {
        if let Some(pidfd) = self
            .handles
            .get(&number)
            .and_then(|handles| handles.pidfd.as_ref())
        {
            // As above: the end of the process is on its way.
            drop(pidfd::signal(pidfd, signal.cast_signed()));
        }
    }

    fn drain(&mut self, number: u64) {
        if self
            .handles
            .get(&number)
            .is_some_and(|handles| handles.counters.is_some())
        {
            self.commands.push(Command::Drain(number));
        } else {
            self.drained(number);
        }
    }

    fn forget(&mut self, number: u64) {
        let logged = self
            .handles
            .remove(&number)
            .is_some_and(|handles| handles.counters.is_some());
        if logged {
            self.commands.push(Command::Close(number));
        }
    }

    fn start_daemon(&mut self) {
        let started = self.launch_daemon();
        let now = clock::boottime();
        let actions = match started {
            Ok(pid) => {
                self.table.daemon_started(pid, now);
                Vec::new()
            }
            Err(_) => self.table.daemon_died(now),
        };
        self.act(actions);
    }

    /// The daemon gets our standard streams as its own, and a connection to us as descriptor 3.
    fn launch_daemon(&mut self) -> io::Result<u32> {
        let (arguments, environment) = self.table.command.clone().ok_or(io::ErrorKind::NotFound)?;
        let program = plain_program(&arguments, &environment, 4)?;
        let (ours, theirs) = SeqPacket::pair()?;
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let slots = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd(), theirs.as_fd()];
        let launched = self.clone_process(&program, 0, None, &slots)?;
        // Four operations to execve: this wait is shorter than any bookkeeping for it.
        if let Event::Failed { errno, .. } = next(&launched.channel)? {
            return Err(io::Error::from_raw_os_error(errno));
        }
        ours.set_nonblocking(true)?;
        self.connect(ours)?;
        self.daemon = Some(launched.pidfd);
        Ok(launched.pid.unsigned_abs())
    }
}

/// A program that only places `count` descriptors from 0 on and executes.
fn plain_program(arguments: &[Bytes], environment: &[Bytes], count: usize) -> io::Result<Program> {
    let invalid = |_: BuildError| io::Error::from(io::ErrorKind::InvalidInput);
    let count = u8::try_from(count).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut builder = Builder::new(count);
    builder.push(Op::Setsid {});
    for number in 0..count {
        builder.push(Op::Dup {
            from: Slot(number),
            to: number.into(),
        });
    }
    builder.push(Op::CloseFrom {
        first: count.into(),
        keep: Slot::NONE,
    });
    let name = builder.text(arguments.first().map_or(&[][..], |name| &name.0));
    let search = builder.text("");
    let arguments = builder.texts(arguments.iter().map(|argument| &argument.0));
    let environment = builder.texts(environment.iter().map(|variable| &variable.0));
    builder.push(Op::Lookup { name, search }).push(Op::Exec {
        arguments,
        environment,
    });
    builder.finish().map_err(invalid)
}

pub(super) fn first(fds: &mut Vec<OwnedFd>) -> io::Result<OwnedFd> {
    if fds.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(fds.remove(0))
}
