//! Blobs on their way in (distribution-spec §Pulling blobs).

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::CONTENT_RANGE;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use image::{Descriptor, Digest, Hasher};

use super::answer;
use super::call::{Call, from};
use super::tour::{Need, Server, Tour};
use super::{Asking, Repository};
use crate::Error;
use crate::auth::Scope;

/// What has to come between two failures for the first to be forgotten, in bytes: a server that ends every answer after a
/// few bytes would keep us for ever.
const PROGRESS: u64 = 1 << 20;

/// A blob on its way in.
///
/// A connection that breaks, stalls or ends too early is taken up where it was, by `Range`; where a server does not know
/// that, what has come already is read again and left out. After too many failures the next endpoint goes on.
pub struct BlobStream {
    repository: Repository,
    digest: Digest,
    size: u64,
    hasher: Hasher,
    /// Whether somebody else checks the digest.
    unchecked: bool,
    position: u64,
    tour: Option<Tour>,
    server: Option<Server>,
    body: Option<Open>,
    failures: u32,
    /// Where the last failure was.
    failed_at: u64,
    done: bool,
}

struct Open {
    call: Call,
    body: Incoming,
    /// Bytes that have come before.
    skip: u64,
}

impl BlobStream {
    pub(super) fn new(repository: Repository, descriptor: &Descriptor, hasher: Hasher) -> Self {
        let tour = Tour::new(&repository.0, Need::Pull);
        Self {
            repository,
            digest: descriptor.digest,
            size: descriptor.size,
            position: hasher.size(),
            failed_at: hasher.size(),
            hasher,
            unchecked: false,
            tour: Some(tour),
            server: None,
            body: None,
            failures: 0,
            done: false,
        }
    }

    /// Leaves the digest to the caller, who hashes the bytes anyhow; the length is checked all the same.
    #[must_use]
    pub const fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    /// The next bytes; after the last ones, nothing.
    ///
    /// # Errors
    /// See [`Error`]; there is nothing after one.
    pub fn piece(&mut self) -> Asking<'_, Option<Bytes>> {
        Box::pin(self.advance())
    }

    /// The same for whoever wants a [`Stream`]; it ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::try_unfold(self, |mut blob| async move {
            let piece = blob.piece().await?;
            Ok(piece.map(|piece| (piece, blob)))
        })
    }

    /// How many bytes there are, those before this stream included.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// What came was not what the digest says: the caller of [`BlobStream::unchecked`] found out. The endpoint is not
    /// asked again for anything of this repository.
    pub fn distrust(&self) {
        if let Some(server) = &self.server {
            self.repository.0.distrusted().insert(server.at);
        }
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.done {
            if self.position == self.size && self.body.is_none() {
                return self.finish();
            }
            match self.step().await {
                Ok(Some(bytes)) => return Ok(Some(bytes)),
                Ok(None) => {}
                Err(error) => self.recover(error).await?,
            }
        }
        Ok(None)
    }

    /// Some bytes, or nothing where there is more to do.
    async fn step(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(open) = &mut self.body else {
            self.body = Some(self.open().await?);
            return Ok(None);
        };
        let read = self.repository.0.client.0.transport.piece(&mut open.body).await;
        let Some(mut bytes) = read.map_err(|why| open.call.no_answer(why))? else {
            self.body = None;
            // An end that comes too early is one more broken connection; `finish` judges what is whole.
            return if self.position < self.size {
                Err(self.short())
            } else {
                Ok(None)
            };
        };
        let skipped = open.skip.min(bytes.len() as u64);
        open.skip -= skipped;
        drop(bytes.split_to(usize::try_from(skipped).unwrap_or(usize::MAX)));
        let found = self.position + bytes.len() as u64;
        if found > self.size {
            return Err(self.length(found));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        if !self.unchecked {
            self.hasher.update(&bytes);
        }
        self.position = found;
        Ok(Some(bytes))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, Error> {
        self.done = true;
        let found = self.hasher.digest();
        if self.unchecked || found == self.digest {
            return Ok(None);
        }
        self.distrust();
        Err(Error::Digest {
            expected: self.digest,
            found,
        })
    }

    /// Goes on after a failure: with the same server, the next one, or not at all.
    async fn recover(&mut self, error: Error) -> Result<(), Error> {
        self.body = None;
        if self.position >= self.failed_at + PROGRESS {
            self.failures = 0;
        }
        self.failed_at = self.position;
        self.failures += 1;
        let Some(server) = &self.server else {
            self.done = true;
            return Err(error);
        };
        let short =
            matches!(&error, Error::Length { found, .. } if *found < self.size && *found == self.position);
        if (short && self.failures < server.attempts) || server.may_retry(&error, self.failures) {
            self.repository.0.client.pause(self.failures, &error).await;
            return Ok(());
        }
        if matches!(error, Error::Length { .. }) {
            self.distrust();
        }
        self.failures = 0;
        let server = self.server.take();
        if let (Some(tour), Some(server)) = (&mut self.tour, server) {
            tour.failed(&server, error);
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<Open, Error> {
        if self.server.is_none() {
            self.server = self.tour.as_mut().and_then(Tour::next);
        }
        let Some(server) = &self.server else {
            let tour = self.tour.take();
            let host = self.repository.0.host.clone();
            return Err(tour.map_or(Error::NoEndpoint { host, action: "pull" }, Tour::error));
        };
        let uri = server.uri(&format!("blobs/{}", self.digest), &[])?;
        let scopes = vec![Scope::repository(&server.name, &["pull"])];
        let call = from(Call::new(Method::GET, uri, scopes), self.position);
        // One attempt: `recover` counts them over the whole blob.
        let patient = server.once_only();
        let answer = patient.call(&call, &[200, 206]).await?;
        let partial = answer.status == StatusCode::PARTIAL_CONTENT;
        let begins = if partial {
            first_byte(&answer.headers)
        } else {
            Some(0)
        };
        let begins = begins.filter(|begins| *begins <= self.position);
        let begins =
            begins.ok_or_else(|| call.protocol("it answers with another range than it was asked for"))?;
        if let Some(length) = answer::length(&answer.headers)
            && begins.saturating_add(length) != self.size
        {
            return Err(self.length(begins.saturating_add(length)));
        }
        Ok(Open {
            call,
            body: answer.body,
            skip: self.position - begins,
        })
    }

    const fn length(&self, found: u64) -> Error {
        Error::Length {
            digest: self.digest,
            expected: self.size,
            found,
        }
    }

    const fn short(&self) -> Error {
        self.length(self.position)
    }
}

/// `bytes 5-9/10`: 5.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let range = text.trim().strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(text: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_RANGE, text.parse().ok()?);
        first_byte(&headers)
    }

    #[test]
    fn a_range_begins_somewhere() {
        for (text, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("bytes 0-0/*", Some(0)),
            ("bytes */10", None),
            ("5-9/10", None),
            ("bytes -9/10", None),
            ("bytes 18446744073709551616-1/2", None),
        ] {
            assert_eq!(first(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_a_number_or_nothing(text in ".*", number in any::<u64>()) {
            first(&text);
            prop_assert_eq!(first(&format!("bytes {number}-{number}/*")), Some(number));
        }
    }
}
