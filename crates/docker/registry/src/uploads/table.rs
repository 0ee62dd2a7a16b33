//! The uploads that are open: bounded in number, for everybody and for each client, and each for a time.
//!
//! An upload is worked on by one request at a time. Its lock goes with the bytes to the thread that writes them, so that
//! a client which leaves in the middle leaves it whole.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driver::Instant;
use tokio::sync::OwnedMutexGuard;

use crate::content::Incoming;
use crate::error::{Code, Fault};

/// The name of an upload: 128 random bits, in the form of a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UploadId([u8; 16]);

impl UploadId {
    pub(crate) fn new(mut random: [u8; 16]) -> Self {
        // RFC 9562 version 4.
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        Self(random)
    }

    /// None if it is not of the form that [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let hyphens = |at: &usize| digits[*at] == b'-';
        if digits.len() != 36 || ![8, 13, 18, 23].iter().all(hyphens) {
            return None;
        }
        let hex: Vec<u8> = digits.iter().copied().filter(|digit| *digit != b'-').collect();
        let mut bytes = [0; 16];
        if hex.len() != 32 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let digit = |digit: u8| {
                char::from(digit)
                    .to_digit(16)
                    .filter(|_| !digit.is_ascii_uppercase())
            };
            let [high, low] = [digit(pair[0])?, digit(pair[1])?];
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// What has come of a blob; none once it is finished or given up.
pub(crate) type Slot = Option<Box<dyn Incoming>>;
/// The right to work on an upload.
pub(crate) type Turn = OwnedMutexGuard<Slot>;

struct Entry {
    /// The repository's whole name.
    repository: String,
    client: String,
    used: Instant,
    slot: Arc<tokio::sync::Mutex<Slot>>,
}

/// How many there may be, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) all: usize,
    pub(crate) of_one_client: usize,
    pub(crate) idle: Duration,
}

pub(crate) struct Uploads {
    bounds: Bounds,
    open: Mutex<HashMap<UploadId, Entry>>,
}

/// What is open when the registry ends is there again for the next one, as after its death. What somebody works on in
/// that moment may be lost.
impl Drop for Uploads {
    fn drop(&mut self) {
        for (_, entry) in self.lock().drain() {
            if let Ok(mut slot) = entry.slot.try_lock()
                && let Some(incoming) = slot.take()
            {
                incoming.leave();
            }
        }
    }
}

impl Uploads {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            open: Mutex::default(),
        }
    }

    /// Enters an upload.
    ///
    /// # Errors
    /// `TOOMANYREQUESTS`.
    pub(crate) fn add(
        &self,
        id: UploadId,
        repository: &str,
        client: &str,
        incoming: Box<dyn Incoming>,
        now: Instant,
    ) -> Result<(), Fault> {
        let mut open = self.lock();
        let of_client = open.values().filter(|entry| entry.client == client).count();
        if open.len() >= self.bounds.all || of_client >= self.bounds.of_one_client {
            let later = http::HeaderValue::from_static("10");
            return Err(Fault::from(Code::TooManyRequests)
                .header(http::header::RETRY_AFTER, later)
                .detail("too many uploads are open: finish or cancel some"));
        }
        let entry = Entry {
            repository: repository.to_owned(),
            client: client.to_owned(),
            used: now,
            slot: Arc::new(tokio::sync::Mutex::new(Some(incoming))),
        };
        open.insert(id, entry);
        Ok(())
    }

    /// The turn to work on an upload of a repository.
    ///
    /// # Errors
    /// `BLOB_UPLOAD_UNKNOWN`.
    pub(crate) async fn turn(
        &self,
        id: &str,
        repository: &str,
        now: Instant,
    ) -> Result<(UploadId, Turn), Fault> {
        let unknown = || Fault::from(Code::BlobUploadUnknown);
        let id = UploadId::parse(id).ok_or_else(unknown)?;
        let slot = {
            let mut open = self.lock();
            let entry = open.get_mut(&id).filter(|entry| entry.repository == repository);
            let entry = entry.ok_or_else(unknown)?;
            entry.used = now;
            entry.slot.clone()
        };
        let turn = slot.lock_owned().await;
        if turn.is_none() {
            return Err(unknown());
        }
        Ok((id, turn))
    }

    /// Notes that something has come.
    pub(crate) fn touch(&self, id: UploadId, now: Instant) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.used = now;
        }
    }

    pub(crate) fn remove(&self, id: UploadId) {
        self.lock().remove(&id);
    }

    /// Gives up what nobody has worked on for long; answers when the next one is due, and how many went.
    pub(crate) fn expire(&self, now: Instant) -> (Option<Instant>, usize) {
        let idle = self.bounds.idle;
        let mut open = self.lock();
        let before = open.len();
        // Of one that somebody works on, only the table's entry would go: it stays.
        open.retain(|_, entry| now.saturating_since(entry.used) < idle || entry.slot.try_lock().is_err());
        let due = open
            .values()
            .map(|entry| entry.used.saturating_add(idle).max(now))
            .min();
        (due, before - open.len())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Digest, Error};
    use proptest::prelude::*;

    struct Nothing;

    impl Incoming for Nothing {
        fn arrived(&mut self) -> Result<Arc<dyn crate::content::Arrived>, Error> {
            unreachable!("nobody reads it")
        }

        fn ends(&mut self) {}

        fn leave(self: Box<Self>) {}

        fn append(&mut self, _bytes: &[u8]) -> Result<(), Error> {
            Ok(())
        }

        fn size(&self) -> u64 {
            0
        }

        fn finish(self: Box<Self>, _digest: &Digest, _repository: &str) -> Result<u64, Error> {
            Ok(0)
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    fn uploads() -> Uploads {
        let idle = Duration::from_secs(10);
        Uploads::new(Bounds {
            all: 3,
            of_one_client: 2,
            idle,
        })
    }

    fn add(uploads: &Uploads, number: u8, client: &str, now: Instant) -> Result<UploadId, Fault> {
        let id = UploadId::new([number; 16]);
        uploads.add(id, "r", client, Box::new(Nothing), now).map(|()| id)
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let uploads = uploads();
        add(&uploads, 1, "a", at(0)).unwrap();
        add(&uploads, 2, "a", at(0)).unwrap();
        let refused = |number, client| add(&uploads, number, client, at(0)).unwrap_err().code();
        assert_eq!(refused(3, "a"), Code::TooManyRequests);
        add(&uploads, 3, "b", at(0)).unwrap();
        assert_eq!(refused(4, "c"), Code::TooManyRequests);
    }

    #[tokio::test]
    async fn what_nobody_works_on_goes() {
        let uploads = uploads();
        let (old, young) = (
            add(&uploads, 1, "a", at(0)).unwrap(),
            add(&uploads, 2, "a", at(4)).unwrap(),
        );
        assert_eq!(uploads.expire(at(9)), (Some(at(10)), 0));
        let (_, turn) = uploads.turn(&old.to_string(), "r", at(9)).await.unwrap();
        assert_eq!(uploads.expire(at(15)), (Some(at(19)), 1));
        assert!(uploads.turn(&young.to_string(), "r", at(15)).await.is_err());
        // Not while somebody works on it, however long that takes.
        assert_eq!(uploads.expire(at(50)).1, 0);
        drop(turn);
        assert_eq!((uploads.expire(at(50)), uploads.count()), ((None, 1), 0));
    }

    #[tokio::test]
    async fn an_upload_belongs_to_its_repository() {
        let uploads = uploads();
        let id = add(&uploads, 1, "a", at(0)).unwrap().to_string();
        assert!(uploads.turn(&id, "r", at(0)).await.is_ok());
        for (id, repository) in [(id.as_str(), "other"), ("x", "r"), ("", "r")] {
            let refused = uploads
                .turn(id, repository, at(0))
                .await
                .err()
                .map(|fault| fault.code());
            assert_eq!(refused, Some(Code::BlobUploadUnknown), "{id} {repository}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_is_written(random: [u8; 16]) {
            let id = UploadId::new(random);
            prop_assert_eq!(UploadId::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn other_names_are_none(text in "[0-9a-zA-Z-]{0,40}") {
            if let Some(id) = UploadId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
