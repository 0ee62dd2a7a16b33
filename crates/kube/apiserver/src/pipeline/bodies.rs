//! Requests' bodies are read before their requests have seats: a client that sends slowly keeps nobody from working,
//! itself included. What is read that way is bounded for each user and in all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use schema::MAX_REQUEST_BYTES;
use schema::status::Status;

use crate::{Answer, BodyError, Incoming};

/// Bodies up to here are not counted: a transport holds as much of them unread.
const UNCOUNTED: usize = 64 << 10;

/// Bytes of one user's bodies, and of all bodies, from their first byte to the end of their requests.
const MOST: Most = Most {
    user: 64 << 20,
    all: 256 << 20,
};

#[derive(Clone, Copy, Debug)]
struct Most {
    user: usize,
    all: usize,
}

/// The bodies that are in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bodies(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    all: usize,
    users: BTreeMap<String, usize>,
}

/// A body that was read. Dropped, its place is free.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) room: Option<Room>,
}

/// A counted body's place.
#[derive(Debug)]
pub(super) struct Room {
    bodies: Bodies,
    user: String,
    size: usize,
}

impl Bodies {
    /// Reads a whole body of at most [`MAX_REQUEST_BYTES`] bytes that `user` sends.
    ///
    /// # Errors
    /// 400, 413, and 429 where too much is being read.
    pub(super) async fn read(&self, user: &str, mut body: Incoming) -> Answer<Received> {
        let most = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut whole = Whole::default();
        let mut room: Option<Room> = None;
        whole.check(most)?;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else {
                continue;
            };
            whole.check(data.len())?;
            let grown = whole.len() + data.len();
            match &mut room {
                Some(room) => room.grow(data.len(), MOST)?,
                None if grown > UNCOUNTED => room = Some(self.room(user, grown, MOST)?),
                None => {}
            }
            whole.push(data);
        }
        let bytes = whole.done();
        Ok(Received { bytes, room })
    }

    /// A place for what has come, not for what was announced: announcing costs nothing.
    fn room(&self, user: &str, size: usize, most: Most) -> Answer<Room> {
        let mut room = Room {
            bodies: self.clone(),
            user: user.to_owned(),
            size: 0,
        };
        room.grow(size, most)?;
        Ok(room)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn grow(&mut self, more: usize, most: Most) -> Answer<()> {
        let mut held = self.bodies.lock();
        let own = held.users.get(&self.user).copied().unwrap_or(0);
        if own + more > most.user || held.all + more > most.all {
            let why = "Too many requests, please try again later.";
            return Err(Status::too_many_requests(why, 1).into());
        }
        held.all += more;
        held.users.insert(self.user.clone(), own + more);
        drop(held);
        self.size += more;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut held = self.bodies.lock();
        held.all -= self.size;
        if let Some(own) = held.users.get_mut(&self.user) {
            *own -= self.size;
            if *own == 0 {
                held.users.remove(&self.user);
            }
        }
    }
}

/// A body as it grows: one frame stays as it came, several become one buffer.
#[derive(Debug, Default)]
struct Whole {
    first: Bytes,
    all: BytesMut,
}

impl Whole {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn check(&self, more: usize) -> Answer<()> {
        if self.len().saturating_add(more) <= MAX_REQUEST_BYTES {
            return Ok(());
        }
        Err(Status::too_large(&format!("limit is {MAX_REQUEST_BYTES}")).into())
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&data);
    }

    fn done(self) -> Bytes {
        if self.all.is_empty() {
            return self.first;
        }
        self.all.freeze()
    }
}

fn broken(error: &BodyError) -> Status {
    Status::bad_request(format!("unable to read the request's body: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    fn read(bodies: &Bodies, frames: Vec<Vec<u8>>) -> Answer<Received> {
        let frames = frames
            .into_iter()
            .map(|frame| Ok(Frame::data(Bytes::from(frame))));
        let body = StreamBody::new(stream::iter(frames)).boxed();
        bodies.read("me", body).now_or_never().unwrap()
    }

    #[test]
    fn a_body_is_whole_and_counted_while_it_is_large() {
        let bodies = Bodies::default();
        let cases = [
            (vec![], 0),
            (vec![b"abc".to_vec()], 0),
            (vec![b"a".to_vec(), b"bc".to_vec(), vec![], b"d".to_vec()], 0),
            (vec![vec![b'x'; UNCOUNTED], vec![b'y']], UNCOUNTED + 1),
        ];
        for (frames, counted) in cases {
            let received = read(&bodies, frames.clone()).unwrap();
            assert_eq!(received.bytes, frames.concat());
            assert_eq!(bodies.lock().all, counted);
            drop(received);
            let held = bodies.lock();
            assert_eq!((held.all, held.users.len()), (0, 0));
        }
        let too_large = vec![vec![b'x'; 2 << 20], vec![b'x'; 2 << 20]];
        assert_eq!(read(&bodies, too_large).unwrap_err().0.code, 413);
        assert_eq!(bodies.lock().all, 0);
    }

    #[test]
    fn nobody_fills_the_room_of_the_others() {
        let bodies = Bodies::default();
        let most = Most { user: 4, all: 6 };
        let first = bodies.room("one", 3, most).unwrap();
        let refused = bodies.room("one", 2, most).unwrap_err();
        assert_eq!(refused.0.code, 429);
        let second = bodies.room("other", 3, most).unwrap();
        assert!(bodies.room("third", 1, most).is_err());
        drop(first);
        drop(bodies.room("one", 3, most).unwrap());
        drop(second);
        assert_eq!(bodies.lock().all, 0);
    }
}
