//! A blocking client: for command lines and tests. The daemon has its own, on its executor, over
//! the same [`protocol`](crate::protocol).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use sys::socket::SeqPacket;

use crate::protocol::{Event, MAX_MESSAGE, Message, OLDEST, Reply, Request, Role, VERSION};

/// A greeted connection.
#[derive(Debug)]
pub struct Client {
    socket: SeqPacket,
    next_id: u32,
    events: VecDeque<Event>,
}

impl Client {
    /// Connects to the supervisor's socket and says hello.
    pub fn connect(path: &Path, role: Role) -> io::Result<Self> {
        Self::greet(SeqPacket::connect(path)?, role)
    }

    /// Says hello on a connection that exists, such as the daemon's descriptor 3.
    pub fn greet(socket: SeqPacket, role: Role) -> io::Result<Self> {
        let mut client = Self {
            socket,
            next_id: 1,
            events: VecDeque::new(),
        };
        let hello = Request::Hello {
            oldest: OLDEST,
            newest: VERSION,
            role,
            software: env!("CARGO_PKG_VERSION").into(),
        };
        match client.call(&hello, &[])?.0 {
            Reply::Welcome { .. } => Ok(client),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Sends a request and waits for its answer; events that come first are kept.
    pub fn call(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> io::Result<(Reply, Vec<OwnedFd>)> {
        let id = self.send(request, fds)?;
        loop {
            if let Some((answered, reply, fds)) = self.receive()?
                && answered == id
            {
                return Ok((reply, fds));
            }
        }
    }

    /// Sends a request without waiting; answers its id.
    pub fn send(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> io::Result<u32> {
        let id = self.next_id;
        self.next_id += 1;
        self.socket.send(&request.encode(id, fds.len()), fds)?;
        Ok(id)
    }

    /// The next event, waiting for it.
    pub fn event(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            // An answer that nobody waits for is dropped with its descriptors.
            drop(self.receive()?);
        }
    }

    /// One packet: an answer, or nothing if it was an event.
    fn receive(&mut self) -> io::Result<Option<(u32, Reply, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let packet = self.socket.receive(&mut buffer)?;
        if packet.length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = &buffer[..packet.length];
        if let Ok((_, event)) = Event::decode(bytes, 0) {
            self.events.push_back(event);
            return Ok(None);
        }
        let (id, reply) = Reply::decode(bytes, packet.descriptors.len()).map_err(io::Error::other)?;
        Ok(Some((id, reply, packet.descriptors)))
    }
}
