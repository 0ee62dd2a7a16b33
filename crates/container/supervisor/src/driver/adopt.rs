//! Taking over a process that an earlier supervisor started, with the descriptors that the daemon
//! has held meanwhile: its pidfd, its input, and the read ends of its logged streams.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use sys::epoll::Interest;
use sys::pipe;

use super::actions::first;
use super::handles::Handles;
use super::perform::failed;
use super::{Driver, token};
use crate::log::{Counters, StreamName};
use crate::protocol::{LogSpec, Reason, Reply, Request, Streams};
use crate::pump::{Command, Source};
use crate::table::Connection;

impl Driver {
    /// Answers at once where nothing is logged, else when the pump has opened the log.
    pub(super) fn adopt(&mut self, to: Connection, id: u32, request: Request) {
        let Request::Adopt {
            key,
            pid,
            stdio,
            streams,
            log,
        } = request
        else {
            return;
        };
        let handles = match self.brought(streams, log.is_some()) {
            Ok(handles) => handles,
            Err(reason) => return self.refuse(to, id, reason),
        };
        let number = self.table.adopted(key, pid, stdio, log.clone());
        if let Err(error) = self.take_over(number, handles) {
            // Nobody would ever hear of its end, so it is not ours.
            let actions = self.table.failed(number, u32::MAX, 0);
            self.act(actions);
            return self.reply(to, id, &failed(&error), &[]);
        }
        match log {
            Some(spec) => {
                self.adopting.insert(number, (to, id));
                self.log_adopted(number, spec);
            }
            None => self.reply(to, id, &Reply::Done {}, &[]),
        }
    }

    /// The pump has opened the log, or is dropping and counting what should be in it.
    pub(super) fn adopted(&mut self, number: u64, result: io::Result<()>) {
        if let Some((to, id)) = self.adopting.remove(&number) {
            let reply = result.map_or_else(|error| failed(&error), |()| Reply::Done {});
            self.reply(to, id, &reply, &[]);
        }
    }

    /// The request's descriptors, sorted. A log reads the logged streams and nothing else does, so
    /// others beside it, or logged ones without it, would be read by nobody.
    fn brought(&mut self, streams: Streams, logged: bool) -> Result<Handles, Reason> {
        let mut fds = std::mem::take(&mut self.arrived);
        let plain = streams.output || streams.error;
        let for_log = streams.logged_output || streams.logged_error;
        if (logged && plain) || (!logged && for_log) {
            return Err(Reason::Invalid {});
        }
        let mut next = |wanted: bool| match wanted {
            true => first(&mut fds).map(Some).map_err(|_| Reason::Descriptors {}),
            false => Ok(None),
        };
        let handles = Handles {
            pidfd: next(true)?,
            input: next(streams.input)?,
            output: next(streams.output)?,
            error: next(streams.error)?,
            logged_output: next(streams.logged_output)?.map(Arc::new),
            logged_error: next(streams.logged_error)?.map(Arc::new),
            ..Handles::default()
        };
        if fds.is_empty() {
            Ok(handles)
        } else {
            Err(Reason::Descriptors {})
        }
    }

    fn take_over(&mut self, number: u64, handles: Handles) -> io::Result<()> {
        for reader in [&handles.logged_output, &handles.logged_error]
            .into_iter()
            .flatten()
        {
            // A reader that blocks would stop the pump for everybody.
            pipe::set_nonblocking(reader)?;
        }
        if let Some(pidfd) = &handles.pidfd {
            self.watch_adopted(number, pidfd)?;
        }
        self.handles.insert(number, handles);
        Ok(())
    }

    /// A pidfd is readable when its process has ended, however long its parent may take to reap it.
    pub(super) fn watch_adopted(&self, number: u64, pidfd: &OwnedFd) -> io::Result<()> {
        self.epoll
            .add(pidfd.as_fd(), token::ADOPTED | number, Interest::READ)
    }

    fn log_adopted(&mut self, number: u64, spec: LogSpec) {
        let Some(handles) = self.handles.get_mut(&number) else {
            return;
        };
        let counters = Arc::new(Counters::default());
        handles.counters = Some(counters.clone());
        let mut sources = Vec::new();
        for name in [StreamName::Stdout, StreamName::Stderr] {
            let reader = handles.logged(name).clone();
            sources.extend(reader.map(|reader| Source {
                name,
                reader,
                copy: None,
            }));
        }
        self.commands
            .push(Command::Adopt(number, spec, counters, sources));
    }
}
