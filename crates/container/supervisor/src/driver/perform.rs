//! Requests that change descriptors only: the table has admitted them, here they are answered.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::pty::Size;
use sys::{pipe, pty};

use super::handles::Handles;
use super::{Driver, borrow};
use crate::log::StreamName;
use crate::protocol::{Entry, Key, Name, Phase, Reason, Reply, Request, Stdio, Streams};
use crate::pump::Command;
use crate::table::{Connection, MAX_HELD, next_name};

type Answer = Result<Reply, Reason>;

/// An `Attach` whose copies the pump is putting in place.
pub(super) struct Attaching {
    number: u64,
    to: Connection,
    id: u32,
    readers: Vec<OwnedFd>,
}

/// Failures of the supervisor's own system calls carry no operation of a program.
pub(super) fn failed(error: &io::Error) -> Reply {
    Reply::Failed {
        operation: u32::MAX,
        errno: error.raw_os_error().unwrap_or(22),
    }
}

impl Driver {
    pub(super) fn perform(&mut self, to: Connection, id: u32, number: Option<u64>, request: Request) {
        let number = number.unwrap_or_default();
        let answer = match request {
            Request::Resize { rows, columns, .. } => self.resize(number, Size { rows, columns }),
            Request::CloseStdin { .. } => self.close_stdin(number),
            Request::Attach { .. } => return self.attach(to, id, number),
            Request::Hold { name } => self.hold(name),
            Request::Retrieve { name } => return self.send_held(to, id, Some(name)),
            Request::Release { name } => self
                .held
                .remove(&name)
                .map(|_| Reply::Done {})
                .ok_or(Reason::NotFound {}),
            Request::NextHeld { after } => {
                let next = next_name(&self.held, after.as_ref()).cloned();
                return match next {
                    Some(name) => self.send_held(to, id, Some(name)),
                    None => self.reply(to, id, &Reply::End {}, &[]),
                };
            }
            Request::NextEntry { after } => return self.send_entry(to, id, after.as_ref()),
            request @ Request::Adopt { .. } => return self.adopt(to, id, request),
            Request::ReopenLog { suffix, .. } => return self.reopen(to, id, number, suffix),
            Request::Reexec { executable } => return self.begin_reexec(to, id, executable),
            _ => Err(Reason::Invalid {}),
        };
        self.reply(
            to,
            id,
            &answer.unwrap_or_else(|reason| Reply::Refused { reason }),
            &[],
        );
    }

    fn resize(&mut self, number: u64, size: Size) -> Answer {
        let input = self
            .handles
            .get(&number)
            .and_then(|handles| handles.input.as_ref());
        let terminal = input
            .filter(|_| self.is_terminal(number))
            .ok_or(Reason::WrongPhase {})?;
        Ok(pty::resize(terminal, size).map_or_else(|error| failed(&error), |()| Reply::Done {}))
    }

    fn is_terminal(&self, number: u64) -> bool {
        let life = self.table.by_number(number);
        life.is_some_and(|life| life.stdio.is_terminal())
    }

    /// A terminal has no end of input but what its line discipline makes of a character.
    fn close_stdin(&mut self, number: u64) -> Answer {
        if self.is_terminal(number) {
            return Err(Reason::WrongPhase {});
        }
        if let Some(handles) = self.handles.get_mut(&number) {
            handles.input = None;
        }
        Ok(Reply::Done {})
    }

    fn attach(&mut self, to: Connection, id: u32, number: u64) {
        let Some(handles) = self.handles.get(&number) else {
            return self.refuse(to, id, Reason::NotFound {});
        };
        if handles.counters.is_none() {
            let streams = handles.streams();
            return self.reply(to, id, &Reply::Attached { streams }, &handles.stream_fds());
        }
        let names: &[StreamName] = match self.table.by_number(number) {
            Some(life) if matches!(life.stdio, Stdio::Pipes { .. }) => {
                &[StreamName::Stdout, StreamName::Stderr]
            }
            Some(life) if life.stdio.is_terminal() => &[StreamName::Stdout],
            _ => &[],
        };
        let pipes: io::Result<Vec<(OwnedFd, OwnedFd)>> = names.iter().map(|_| pipe::copy_target()).collect();
        let pipes = match pipes {
            Ok(pipes) => pipes,
            Err(error) => return self.reply(to, id, &failed(&error), &[]),
        };
        let (readers, writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        self.attaching.push_back(Attaching {
            number,
            to,
            id,
            readers,
        });
        self.commands.push(Command::Copy(
            number,
            names.iter().copied().zip(writers).collect(),
        ));
    }

    /// The answer waits for the pump, so that whatever the asker causes after it is in the copy.
    pub(super) fn copied(&mut self, number: u64) {
        let Some(at) = self.attaching.iter().position(|it| it.number == number) else {
            return;
        };
        let Some(Attaching { to, id, readers, .. }) = self.attaching.remove(at) else {
            return;
        };
        let input = self
            .handles
            .get(&number)
            .and_then(|handles| handles.input.as_ref());
        let streams = Streams {
            input: input.is_some(),
            output: !readers.is_empty(),
            error: readers.len() > 1,
            ..Streams::default()
        };
        let fds: Vec<BorrowedFd<'_>> = input.into_iter().chain(&readers).map(AsFd::as_fd).collect();
        self.reply(to, id, &Reply::Attached { streams }, &fds);
    }

    /// Holding what is held already replaces it: the daemon that asks knows better.
    fn hold(&mut self, name: Name) -> Answer {
        let fds = std::mem::take(&mut self.arrived);
        if fds.is_empty() {
            return Err(Reason::Descriptors {});
        }
        let others = self
            .held
            .iter()
            .filter(|(other, _)| **other != name)
            .map(|(_, fds)| fds.len());
        if others.sum::<usize>() + fds.len() > MAX_HELD {
            return Err(Reason::Full {});
        }
        self.held.insert(name, fds);
        Ok(Reply::Done {})
    }

    fn send_held(&mut self, to: Connection, id: u32, name: Option<Name>) {
        match name.and_then(|name| self.held.get_key_value(&name)) {
            Some((name, fds)) => self.reply(to, id, &Reply::Held { name: name.clone() }, &borrow(fds)),
            None => self.refuse(to, id, Reason::NotFound {}),
        }
    }

    fn send_entry(&self, to: Connection, id: u32, after: Option<&Key>) {
        let Some((key, life)) = self.table.next(after) else {
            return self.reply(to, id, &Reply::End {}, &[]);
        };
        let none = Handles::default();
        let handles = self.handles.get(&life.number).unwrap_or(&none);
        let entry = Entry {
            key: key.clone(),
            pid: life.pid,
            phase: life.phase.clone(),
            stdio: life.stdio.clone(),
            logged: life.log.is_some(),
            log: handles.stats(),
            streams: handles.streams(),
        };
        let running = handles
            .pidfd
            .iter()
            .filter(|_| !matches!(life.phase, Phase::Exited { .. }));
        let mut fds: Vec<BorrowedFd<'_>> = running.map(AsFd::as_fd).collect();
        fds.extend(handles.stream_fds());
        self.reply(to, id, &Reply::Entry { entry }, &fds);
    }

    fn reopen(&mut self, to: Connection, id: u32, number: u64, suffix: Option<Name>) {
        let logged = self
            .handles
            .get(&number)
            .is_some_and(|handles| handles.counters.is_some());
        if !logged || self.reopening.contains_key(&number) {
            return self.refuse(to, id, Reason::WrongPhase {});
        }
        self.reopening.insert(number, (to, id));
        self.commands.push(Command::Reopen(number, suffix));
    }

    pub(super) fn log_reopened(&mut self, number: u64, result: io::Result<()>) {
        let Some((to, id)) = self.reopening.remove(&number) else {
            return;
        };
        let reply = result.map_or_else(|error| failed(&error), |()| Reply::Done {});
        self.reply(to, id, &reply, &[]);
    }
}
