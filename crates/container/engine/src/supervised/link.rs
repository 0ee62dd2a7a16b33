//! One connection: packets out, answers matched to their questions.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use supervisor::protocol::{DecodeError, Event, MAX_MESSAGE, Message, Reply, Request};
use sys::socket::{Packet, SeqPacket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::SupervisorError;
use crate::readiness;

/// A reply and its descriptors.
pub(super) type Answer = (Reply, Vec<OwnedFd>);

/// A connection to the supervisor.
#[derive(Debug)]
pub(super) struct Link {
    /// Tells when the socket is ready; the same socket, by another descriptor.
    ready: AsyncFd<OwnedFd>,
    socket: SeqPacket,
    waiting: Mutex<Waiting>,
}

/// Who waits for which answer; nobody any more once the connection has ended.
#[derive(Debug, Default)]
struct Waiting {
    last_id: u32,
    askers: HashMap<u32, oneshot::Sender<Answer>>,
    ended: bool,
}

impl Link {
    pub(super) fn new(socket: SeqPacket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            ready: readiness::watched(socket.as_fd().try_clone_to_owned()?)?,
            socket,
            waiting: Mutex::default(),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks and waits. Dropped before the answer comes, the request is carried out all the same and
    /// its answer is thrown away.
    pub(super) async fn call(
        &self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Answer, SupervisorError> {
        let (id, answer) = self.enter().ok_or(SupervisorError::Lost)?;
        let packet = request.encode(id, fds.len());
        let sent = self
            .ready
            .async_io(Interest::WRITABLE, |_| self.socket.send(&packet, fds))
            .await;
        if let Err(error) = sent {
            tracing::debug!(%error, "cannot send to the supervisor");
            self.waiting().askers.remove(&id);
            return Err(SupervisorError::Lost);
        }
        answer.await.map_err(|_| SupervisorError::Lost)
    }

    /// Nothing can be asked on it any more.
    pub(super) fn has_ended(&self) -> bool {
        self.waiting().ended
    }

    fn enter(&self) -> Option<(u32, oneshot::Receiver<Answer>)> {
        let mut waiting = self.waiting();
        if waiting.ended {
            return None;
        }
        // 0 is the id of events.
        waiting.last_id = waiting.last_id.checked_add(1).unwrap_or(1);
        let (id, (sender, answer)) = (waiting.last_id, oneshot::channel());
        waiting.askers.insert(id, sender);
        Some((id, answer))
    }

    /// Reads to the end of the connection, telling events; whether it ended because a newer daemon
    /// has taken over.
    pub(super) async fn read(&self, tell: impl Fn(Event)) -> bool {
        let mut buffer = vec![0; MAX_MESSAGE];
        let mut superseded = false;
        loop {
            let packet = self
                .ready
                .async_io(Interest::READABLE, |_| self.socket.receive(&mut buffer))
                .await;
            match packet {
                Ok(packet) if packet.length > 0 => {
                    superseded |= self.dispatch(&buffer[..packet.length], packet, &tell);
                }
                // The end of the stream, or a packet beyond the bounds.
                _ => break,
            }
        }
        let mut waiting = self.waiting();
        waiting.ended = true;
        waiting.askers.clear();
        superseded
    }

    /// Passes on one packet; whether it says that a newer daemon has come.
    fn dispatch(&self, bytes: &[u8], packet: Packet, tell: &impl Fn(Event)) -> bool {
        match Event::decode(bytes, packet.descriptors.len()) {
            Ok((_, Event::Superseded {})) => return true,
            Ok((_, event)) => {
                tell(event);
                return false;
            }
            Err(DecodeError::Unknown { .. }) => {}
            Err(error) => tracing::debug!(%error, "an event of the supervisor"),
        }
        match Reply::decode(bytes, packet.descriptors.len()) {
            Ok((id, reply)) => {
                if let Some(asker) = self.waiting().askers.remove(&id) {
                    // Whoever asked may have gone; the descriptors are closed then.
                    let _ = asker.send((reply, packet.descriptors));
                }
            }
            Err(error) => tracing::debug!(%error, "an answer of the supervisor"),
        }
        false
    }
}
