//! The first thread: waits for events, hands them to the [`Table`], does what it answers.

mod actions;
mod adopt;
mod handles;
mod perform;
mod reexec;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use sys::epoll::{Epoll, Interest, Ready, Signals, Timer};
use sys::pty::Size;
use sys::socket::{SeqPacket, SeqPacketListener};
use sys::{clock, launch, pidfd};

use crate::protocol::{
    DecodeError, Event, MAX_MESSAGE, Message, Name, Outcome, Reason, Reply, Request, Stdio,
};
use crate::pump::{Command, Mailbox, Pump, Report};
use crate::table::{Action, Connection, Table};
use crate::{Config, Error};
use actions::Pending;
use handles::Handles;

/// Most connections at once: the daemon, its successor, and a few command lines.
const MAX_CONNECTIONS: usize = 16;
const SIGTERM: i32 = 15;
const SIGINT: i32 = 2;
const SIGCHLD: i32 = 17;
/// A pump that never blocks on anything but a disk needs little.
const PUMP_STACK: usize = 128 * 1024;

/// Epoll tokens: what in the upper byte, which in the rest.
mod token {
    pub(super) const LISTENER: u64 = 1 << 56;
    pub(super) const SIGNALS: u64 = 2 << 56;
    pub(super) const TIMER: u64 = 3 << 56;
    pub(super) const PUMP: u64 = 4 << 56;
    pub(super) const CONNECTION: u64 = 5 << 56;
    pub(super) const CHANNEL: u64 = 6 << 56;
    pub(super) const ADOPTED: u64 = 7 << 56;
    pub(super) const DAEMON: u64 = 8 << 56;
    pub(super) const KIND: u64 = 0xff << 56;
}

pub(crate) struct Driver {
    config: Config,
    table: Table,
    epoll: Epoll,
    listener: SeqPacketListener,
    signals: Signals,
    timer: Timer,
    connections: BTreeMap<Connection, SeqPacket>,
    next_connection: Connection,
    handles: BTreeMap<u64, Handles>,
    /// Starts whose log file the pump is opening.
    pending: BTreeMap<u64, Pending>,
    held: BTreeMap<Name, Vec<OwnedFd>>,
    daemon: Option<OwnedFd>,
    commands: Arc<Mailbox<Command>>,
    reports: Arc<Mailbox<Report>>,
    pump: Option<JoinHandle<()>>,
    /// Descriptors of the request that is being carried out.
    arrived: Vec<OwnedFd>,
    /// Who waits for a copy to be in place, in the order of asking.
    attaching: VecDeque<perform::Attaching>,
    /// Who waits for the log of each adopted process to be opened.
    adopting: BTreeMap<u64, (Connection, u32)>,
    /// Who waits for each log to be reopened.
    reopening: BTreeMap<u64, (Connection, u32)>,
    /// Who asked for a re-exec, and the executable.
    reexec: Option<(Connection, u32, Option<crate::protocol::Bytes>)>,
    ended: bool,
}

impl Driver {
    /// Takes the signals, the socket and, after a re-exec, everything the image before held.
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        match config.resume {
            Some(number) => reexec::resume(config, number).map_err(Error::Resume),
            None => {
                let listener = SeqPacketListener::bind(&config.socket, 0o600).map_err(Error::Socket)?;
                let command = config.daemon.as_ref().map(crate::DaemonCommand::to_bytes);
                let running = config.daemon_pid.and_then(daemon_above);
                let (mut driver, pump) =
                    Self::build(config, Table::new(command), listener).map_err(Error::Setup)?;
                driver.spawn_pump(pump).map_err(Error::Setup)?;
                if let Some((pid, pidfd)) = running {
                    driver.watch_daemon(pidfd).map_err(Error::Setup)?;
                    driver.table.daemon_started(pid, clock::boottime());
                }
                Ok(driver)
            }
        }
    }

    /// A daemon that started us is not our child: only its pidfd tells of its end.
    pub(super) fn watch_daemon(&mut self, pidfd: OwnedFd) -> io::Result<()> {
        self.epoll.add(&pidfd, token::DAEMON, Interest::READ)?;
        self.daemon = Some(pidfd);
        Ok(())
    }

    fn daemon_ended(&mut self) {
        let Some(pidfd) = self.daemon.take() else { return };
        drop(self.epoll.remove(&pidfd));
        let actions = self.table.daemon_died(clock::boottime());
        self.act(actions);
    }

    fn build(config: Config, table: Table, listener: SeqPacketListener) -> io::Result<(Self, Pump)> {
        // Blocked before the pump's thread starts, so that no signal is delivered there.
        let signals = Signals::block(&[SIGCHLD, SIGTERM, SIGINT])?;
        let (commands, reports) = (Mailbox::new()?, Mailbox::new()?);
        let (epoll, timer) = (Epoll::new()?, Timer::new()?);
        epoll.add(&listener, token::LISTENER, Interest::READ)?;
        epoll.add(&signals, token::SIGNALS, Interest::READ)?;
        epoll.add(&timer, token::TIMER, Interest::READ)?;
        epoll.add(&reports.bell, token::PUMP, Interest::READ)?;
        let pump = Pump::new(commands.clone(), reports.clone())?;
        let driver = Self {
            config,
            table,
            epoll,
            listener,
            signals,
            timer,
            connections: BTreeMap::new(),
            next_connection: 1,
            handles: BTreeMap::new(),
            pending: BTreeMap::new(),
            held: BTreeMap::new(),
            daemon: None,
            commands,
            reports,
            pump: None,
            arrived: Vec::new(),
            attaching: VecDeque::new(),
            adopting: BTreeMap::new(),
            reopening: BTreeMap::new(),
            reexec: None,
            ended: false,
        };
        Ok((driver, pump))
    }

    fn spawn_pump(&mut self, pump: Pump) -> io::Result<()> {
        let thread = std::thread::Builder::new()
            .name("log-pump".into())
            .stack_size(PUMP_STACK);
        self.pump = Some(thread.spawn(move || pump.run())?);
        Ok(())
    }

    /// Runs until `Shutdown` or SIGTERM has been carried out.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        // A child may have ended while a re-exec was under way.
        self.reap();
        while !self.ended {
            self.tick();
            self.timer.set(self.table.wake_at()).map_err(Error::Setup)?;
            for ready in self.epoll.wait().map_err(Error::Setup)? {
                self.serve(ready);
            }
        }
        Ok(())
    }

    fn serve(&mut self, ready: Ready) {
        let number = ready.token & !token::KIND;
        match ready.token & token::KIND {
            token::LISTENER => self.accept(),
            token::SIGNALS => self.take_signals(),
            token::TIMER => self.timer.clear(),
            token::PUMP => self.hear_pump(),
            token::CONNECTION => self.hear_peer(number),
            token::CHANNEL => self.hear_channel(number),
            token::DAEMON => self.daemon_ended(),
            _ => self.adopted_ended(number),
        }
    }

    fn tick(&mut self) {
        let actions = self.table.tick(clock::boottime());
        self.act(actions);
    }

    fn accept(&mut self) {
        while let Ok(socket) = self.listener.accept() {
            let trusted = socket.peer().is_ok_and(|peer| peer.uid == 0);
            if trusted && self.connections.len() < MAX_CONNECTIONS {
                // Without a place in epoll the peer would wait for ever; dropping tells it.
                drop(self.connect(socket));
            }
        }
    }

    fn connect(&mut self, socket: SeqPacket) -> io::Result<()> {
        let number = self.next_connection;
        self.next_connection += 1;
        self.epoll
            .add(&socket, token::CONNECTION | number, Interest::READ)?;
        self.connections.insert(number, socket);
        Ok(())
    }

    fn disconnect(&mut self, number: Connection) {
        if self.connections.remove(&number).is_some() {
            let actions = self.table.closed(number);
            self.act(actions);
        }
    }

    /// One packet; level-triggered epoll comes back for the next, so no peer can starve the others.
    fn hear_peer(&mut self, from: Connection) {
        let mut buffer = [0; MAX_MESSAGE];
        let Some(socket) = self.connections.get(&from) else {
            return;
        };
        match socket.receive(&mut buffer) {
            Ok(packet) if packet.length > 0 => {
                self.dispatch(from, &buffer[..packet.length], packet.descriptors);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // End of the stream, or a packet beyond the bounds: this peer cannot be understood.
            _ => self.disconnect(from),
        }
    }

    fn dispatch(&mut self, from: Connection, packet: &[u8], descriptors: Vec<OwnedFd>) {
        match Request::decode(packet, descriptors.len()) {
            // The pump has stopped taking commands; what it is asked now would be lost.
            Ok((id, _)) if self.reexec.is_some() => self.refuse(from, id, Reason::Replacing {}),
            Ok((id, request)) => {
                self.arrived = descriptors;
                let actions = self.table.request(from, id, request, clock::boottime());
                self.act(actions);
                self.arrived.clear();
            }
            Err(DecodeError::Unknown { id, kind }) => self.reply(from, id, &Reply::Unsupported { kind }, &[]),
            Err(DecodeError::Malformed { id, .. }) => self.refuse(from, id, Reason::Invalid {}),
            Err(DecodeError::Short) => self.disconnect(from),
        }
    }

    fn refuse(&mut self, to: Connection, id: u32, reason: Reason) {
        self.reply(to, id, &Reply::Refused { reason }, &[]);
    }

    fn reply(&self, to: Connection, id: u32, reply: &Reply, descriptors: &[BorrowedFd<'_>]) {
        self.send(to, &reply.encode(id, descriptors.len()), descriptors);
    }

    fn notify(&self, to: Connection, event: &Event) {
        self.send(to, &event.encode(0, 0), &[]);
    }

    /// A peer that does not read is cut off rather than waited for: its socket holds some hundred
    /// messages, and after reconnecting it can ask for everything again.
    fn send(&self, to: Connection, packet: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let Some(socket) = self.connections.get(&to) else {
            return;
        };
        if socket.send(packet, descriptors).is_err() {
            // The end of the stream then arrives through epoll like any other.
            drop(socket.shut_down());
        }
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            match signal {
                SIGCHLD => self.reap(),
                _ => {
                    let actions = self.table.terminate(clock::boottime());
                    self.act(actions);
                }
            }
        }
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = pidfd::reap_any() {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            // What it said before it died comes first: it may have failed, or moved to another id.
            if let Some(number) = self.table.child(pid) {
                self.hear_channel(number);
                // It goes on under another id, or never came to be: nobody waits for this end.
                if self.table.by_number(number).is_none_or(|life| life.pid != pid) {
                    continue;
                }
            }
            let (now, at) = (clock::boottime(), realtime_nanos());
            let actions = self.table.reaped(pid, Some(status).into(), now, at);
            self.act(actions);
        }
    }

    fn hear_channel(&mut self, number: u64) {
        while let Some(channel) = self
            .handles
            .get(&number)
            .and_then(|handles| handles.channel.as_ref())
        {
            let event = match launch::next(channel) {
                Ok(event) => event,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Not a report: whatever wrote it has the channel, so it is the process that runs.
                Err(_) => launch::Event::Started,
            };
            self.hear_event(number, event);
        }
    }

    fn hear_event(&mut self, number: u64, event: launch::Event) {
        if matches!(event, launch::Event::Started | launch::Event::Created) {
            self.receive_console(number);
        }
        if let Some(handles) = self.handles.get_mut(&number) {
            match event {
                launch::Event::Started | launch::Event::Created => handles.channel = None,
                launch::Event::Moved { pid } => {
                    let moved = pidfd::Pid::from_raw(pid).and_then(|pid| pidfd::open(pid).ok());
                    handles.pidfd = moved.or(handles.pidfd.take());
                }
                _ => {}
            }
        }
        let actions = self.table.said(number, event);
        self.act(actions);
    }

    fn receive_console(&mut self, number: u64) {
        let Some(Stdio::Console { rows, columns }) = self.table.by_number(number).map(|life| &life.stdio)
        else {
            return;
        };
        let size = Size {
            rows: *rows,
            columns: *columns,
        };
        let handles = self.handles.get_mut(&number);
        // Without a terminal the process has ended, or has none and nobody to read from.
        if let Some(Ok(Some(source))) = handles.map(|handles| handles.receive_console(size)) {
            self.commands.push(Command::Read(number, vec![source]));
        }
    }

    fn adopted_ended(&mut self, number: u64) {
        let Some(pidfd) = self
            .handles
            .get(&number)
            .and_then(|handles| handles.pidfd.as_ref())
        else {
            return;
        };
        let life = self.table.by_number(number);
        let status = life.and_then(|life| pidfd::foreign_status(pidfd, life.pid));
        drop(self.epoll.remove(pidfd));
        let actions = self.table.ended(number, Outcome::from(status), realtime_nanos());
        self.act(actions);
    }

    fn hear_pump(&mut self) {
        let reports: VecDeque<Report> = self.reports.take();
        for report in reports {
            match report {
                Report::Opened(number, result) => self.log_opened(number, result),
                Report::Copied(number) => self.copied(number),
                Report::Drained(number) => self.drained(number),
                Report::Reopened(number, result) => self.log_reopened(number, result),
                Report::Trouble(number, stats) => {
                    let actions = self.table.log_trouble(number, stats);
                    self.act(actions);
                }
                Report::Stopped(logs) => self.replace_image(logs),
            }
        }
    }

    fn drained(&mut self, number: u64) {
        let stats = self.handles.get(&number).map(Handles::stats).unwrap_or_default();
        let actions = self.table.drained(number, stats);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.act_once(action);
        }
    }
}

/// The daemon that has started this process, by a descriptor: none if it has ended since, for then
/// this process is somebody else's child.
fn daemon_above(pid: u32) -> Option<(u32, OwnedFd)> {
    let pidfd = pidfd::open(pidfd::Pid::from_raw(pid.cast_signed())?).ok()?;
    // It was our parent when the descriptor was opened, so the descriptor is its.
    (std::os::unix::process::parent_id() == pid).then_some((pid, pidfd))
}

fn realtime_nanos() -> u64 {
    u64::try_from(clock::realtime().as_nanos()).unwrap_or(u64::MAX)
}

/// A descriptor's duplicate-free borrow, for lists.
fn borrow(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
