//! Replacing the image in place: children, descriptors and unfinished lines stay.
//!
//! The pump is stopped first and hands over its streams; then everything is written down in a
//! memfd, descriptors by number, and the new image claims those numbers. If `execve` fails the
//! same bytes are read back by this image, so there is one way to resume and it is always tested.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use sys::epoll::Interest;
use sys::socket::{SeqPacket, SeqPacketListener};
use sys::{memfd, process, sealed};

use super::handles::Handles;
use super::state::{MAX_STATE, Saved, SavedHandles};
use super::{Driver, token};
use crate::log::{Counters, StreamName};
use crate::protocol::{Bytes, Phase, Reply};
use crate::pump::{Command, Pump, PumpedLog, PumpedStream, kept};
use crate::table::Connection;
use crate::{Config, RESUME_OPTION};

/// The life under which the daemon's pidfd is written down; processes are numbered from 1.
const DAEMON: u64 = 0;

impl Driver {
    pub(super) fn begin_reexec(&mut self, to: Connection, id: u32, executable: Option<Bytes>) {
        self.reexec = Some((to, id, executable));
        self.commands.push(Command::Stop);
    }

    /// The pump has stopped; everything it was asked before, it has answered before. Of what came
    /// later only streams of processes that started meanwhile matter: that a log is to be drained
    /// or closed is in the table.
    pub(super) fn replace_image(&mut self, mut logs: Vec<PumpedLog>) {
        let Some((to, id, executable)) = self.reexec.take() else {
            return;
        };
        if let Some(pump) = self.pump.take() {
            // It has ended by itself, and a panic in it has been printed.
            drop(pump.join());
        }
        for command in self.commands.take() {
            if let Command::Read(life, sources) = command
                && let Some(log) = logs.iter_mut().find(|log| log.life == life)
            {
                log.streams.extend(sources.into_iter().map(PumpedStream::from));
            }
        }
        let saved = self.save(logs, (to, id));
        let error = memfd::sealed("gantry-supervisor", &saved.to_bytes())
            .map_or_else(|error| error, |state| self.exec(&state, executable.as_ref()));
        let errno = error.raw_os_error().unwrap_or_default();
        let failed = Reply::Failed {
            operation: u32::MAX,
            errno,
        };
        match restore(self.config.clone(), saved) {
            Ok(driver) => *self = driver,
            // Children go on without us, as after a crash; nothing here could log for them.
            Err(_) => self.ended = true,
        }
        self.reply(to, id, &failed, &[]);
    }

    /// The new image runs sealed from its first instruction, as this one does (`sys::sealed`).
    fn exec(&self, state: &OwnedFd, executable: Option<&Bytes>) -> io::Error {
        let path = executable.map(|path| Path::new(OsStr::from_bytes(&path.0)));
        let name = path.map_or_else(|| std::env::args_os().next(), |path| Some(path.into()));
        let mut arguments = vec![name.unwrap_or_default()];
        arguments.extend(self.config.arguments.iter().cloned());
        arguments.extend([
            OsString::from(RESUME_OPTION),
            kept(state.as_fd()).to_string().into(),
        ]);
        match path {
            Some(path) => sealed::exec(path, arguments),
            None => sealed::exec_self(arguments),
        }
    }

    /// Moves everything out; afterwards the numbers own the descriptors.
    fn save(&mut self, logs: Vec<PumpedLog>, answer: (u64, u32)) -> Saved {
        let number = |fd: OwnedFd| {
            kept(fd.as_fd());
            fd.into_raw_fd()
        };
        let handles = std::mem::take(&mut self.handles)
            .into_iter()
            .map(|(life, handles)| {
                let Handles {
                    pidfd,
                    channel,
                    input,
                    output,
                    error,
                    counters,
                    console,
                    console_copy,
                    // The pump's streams carry them over.
                    logged_output: _,
                    logged_error: _,
                } = handles;
                let fds = [pidfd, channel, input, output, error, console, console_copy]
                    .into_iter()
                    .map(|fd| fd.map(number))
                    .collect();
                SavedHandles {
                    life,
                    fds,
                    logged: counters.is_some(),
                }
            });
        let daemon = self.daemon.take().map(|pidfd| SavedHandles {
            life: DAEMON,
            fds: vec![Some(number(pidfd))],
            logged: false,
        });
        let handles = handles.chain(daemon).collect();
        let held = std::mem::take(&mut self.held).into_iter();
        let connections = std::mem::take(&mut self.connections).into_iter();
        Saved {
            table: self.table.clone(),
            // The listener itself stays with us in case execve fails; its duplicate goes over.
            listener: self.listener.as_fd().try_clone_to_owned().map_or(-1, number),
            next_connection: self.next_connection,
            connections: connections
                .map(|(key, socket)| (key, number(socket.into())))
                .collect(),
            handles,
            held: held
                .map(|(name, fds)| (name, fds.into_iter().map(number).collect()))
                .collect(),
            logs,
            answer,
        }
    }
}

/// The new image's beginning.
pub(super) fn resume(config: Config, number: i32) -> io::Result<Driver> {
    let bytes = memfd::read_sealed(process::claim_inherited(number)?, MAX_STATE)?;
    let saved = Saved::from_bytes(&bytes)?;
    let (to, id) = saved.answer;
    let driver = restore(config, saved)?;
    driver.reply(to, id, &Reply::Done {}, &[]);
    Ok(driver)
}

fn restore(config: Config, saved: Saved) -> io::Result<Driver> {
    let listener = SeqPacketListener::from(process::claim_inherited(saved.listener)?);
    let (mut driver, mut pump) = Driver::build(config, saved.table, listener)?;
    driver.next_connection = saved.next_connection;
    for (key, number) in saved.connections {
        let socket = SeqPacket::from(process::claim_inherited(number)?);
        driver
            .epoll
            .add(&socket, token::CONNECTION | key, Interest::READ)?;
        driver.connections.insert(key, socket);
    }
    for (name, numbers) in saved.held {
        driver.held.insert(
            name,
            numbers
                .into_iter()
                .map(process::claim_inherited)
                .collect::<io::Result<_>>()?,
        );
    }
    let logged: Vec<u64> = saved.logs.iter().map(|log| log.life).collect();
    let mut counters = BTreeMap::new();
    for log in saved.logs {
        let shared = Arc::new(Counters::restore(log.stats));
        counters.insert(log.life, shared.clone());
        pump.resume(log, shared, process::claim_inherited)?;
    }
    for mut saved in saved.handles {
        if saved.life == DAEMON {
            if let Some(number) = saved.fds.pop().flatten() {
                // One that is our child is heard of twice, which does no harm.
                driver.watch_daemon(process::claim_inherited(number)?)?;
            }
            continue;
        }
        let counters = saved
            .logged
            .then(|| counters.remove(&saved.life).unwrap_or_default());
        driver.restore_handles(saved, counters, &pump)?;
    }
    driver.spawn_pump(pump)?;
    driver.repeat_commands(logged);
    Ok(driver)
}

impl Driver {
    /// Asks the pump again for what the one before may not have done. Both commands are idempotent.
    fn repeat_commands(&self, logged: Vec<u64>) {
        for number in logged {
            match self.table.by_number(number) {
                None => self.commands.push(Command::Close(number)),
                Some(life) if life.phase == (Phase::Draining {}) => {
                    self.commands.push(Command::Drain(number));
                }
                Some(_) => {}
            }
        }
    }

    fn restore_handles(
        &mut self,
        saved: SavedHandles,
        counters: Option<Arc<Counters>>,
        pump: &Pump,
    ) -> io::Result<()> {
        let claim = |number: Option<i32>| number.map(process::claim_inherited).transpose();
        let mut fds = saved.fds.into_iter().map(claim);
        let mut next = || fds.next().transpose().map(Option::flatten);
        let (pidfd, channel, input, output, error) = (next()?, next()?, next()?, next()?, next()?);
        let (console, console_copy) = (next()?, next()?);
        if let Some(channel) = &channel {
            self.epoll
                .add(channel, token::CHANNEL | saved.life, Interest::READ)?;
        }
        let life = self.table.by_number(saved.life);
        if let (Some(pidfd), true) = (&pidfd, life.is_some_and(|life| life.adopted)) {
            self.watch_adopted(saved.life, pidfd)?;
        }
        self.handles.insert(
            saved.life,
            Handles {
                pidfd,
                channel,
                input,
                output,
                error,
                logged_output: pump.reader(saved.life, StreamName::Stdout),
                logged_error: pump.reader(saved.life, StreamName::Stderr),
                counters,
                console,
                console_copy,
            },
        );
        Ok(())
    }
}
