//! Uploads (distribution-spec §Pushing blobs): whole where a registry takes that, in chunks where not, and from where a
//! broken connection left them.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderMap, Method, Uri};
use image::Digest;

use super::answer;
use super::call::{Answer, Call, Sending};
use super::follow::{follow, with_query};
use super::tour::Server;
use super::{Place, Sent, Source};
use crate::Error;
use crate::auth::Scope;

/// How much a registry gets at once that takes chunks only, and one whose door says that a body was too large.
const CHUNK: u64 = 64 << 20;
const SMALL_CHUNK: u64 = 8 << 20;

/// An upload that a registry has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    location: Uri,
    /// How small a chunk may be, unless it is the last (`OCI-Chunk-Min-Length`).
    smallest: u64,
}

/// Whether a blob came from another repository of the same registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// It is there.
    Yes,
    /// The registry has begun an upload instead.
    No(Upload),
}

/// A blob on its way out.
struct Sender {
    server: Server,
    digest: Digest,
    source: Arc<dyn Source>,
    sent: Sent,
    upload: Upload,
    /// How much the registry is known to have.
    offset: u64,
    /// The largest chunk; nothing, while everything goes at once.
    chunk: Option<u64>,
}

impl Place {
    pub(super) async fn has_blob(self: &Arc<Self>, digest: Digest) -> Result<Option<u64>, Error> {
        self.pushes()?.has_blob(digest).await
    }

    pub(super) async fn mount(self: &Arc<Self>, digest: Digest, from: &str) -> Result<Mounted, Error> {
        let server = self.pushes()?;
        let name = digest.to_string();
        let query = [("mount", name.as_str()), ("from", from)];
        let scopes = vec![server.push_scope(), Scope::repository(from, &["pull"])];
        let call = Call::new(Method::POST, server.uri("blobs/uploads/", &query)?, scopes);
        match server.call(&call, &[201, 202]).await {
            Ok(answer) if answer.status == 201 => Ok(Mounted::Yes),
            Ok(answer) => Upload::begun(&call, &answer).map(Mounted::No),
            // Who may not read there, or knows no mounting, may well push here.
            Err(Error::Refused(refusal)) if refusal.status.is_client_error() && refusal.status != 429 => {
                server.begin().await.map(Mounted::No)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn upload(
        self: &Arc<Self>,
        begun: Option<Upload>,
        digest: Digest,
        source: Arc<dyn Source>,
        sent: Sent,
    ) -> Result<(), Error> {
        let server = self.pushes()?;
        let upload = match begun {
            Some(upload) => upload,
            None => server.begin().await?,
        };
        let sender = Sender {
            server,
            digest,
            source,
            sent,
            upload,
            offset: 0,
            chunk: None,
        };
        sender.send().await
    }

    pub(super) async fn delete_blob(self: &Arc<Self>, digest: Digest) -> Result<(), Error> {
        let server = self.pushes()?;
        let uri = server.uri(&format!("blobs/{digest}"), &[])?;
        let scopes = vec![Scope::repository(&server.name, &["delete", "pull", "push"])];
        let call = Call::new(Method::DELETE, uri, scopes);
        server.call(&call, &[202, 200, 204]).await.map(drop)
    }
}

impl Server {
    fn push_scope(&self) -> Scope {
        Scope::repository(&self.name, &["pull", "push"])
    }

    async fn has_blob(&self, digest: Digest) -> Result<Option<u64>, Error> {
        let uri = self.uri(&format!("blobs/{digest}"), &[])?;
        let call = Call::new(Method::HEAD, uri, vec![self.push_scope()]);
        match self.call(&call, &[200]).await {
            Ok(answer) => Ok(Some(answer::length(&answer.headers).unwrap_or_default())),
            Err(Error::Refused(refusal)) if refusal.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn begin(&self) -> Result<Upload, Error> {
        let call = Call::new(
            Method::POST,
            self.uri("blobs/uploads/", &[])?,
            vec![self.push_scope()],
        );
        let answer = self.call(&call, &[202]).await?;
        Upload::begun(&call, &answer)
    }
}

impl Upload {
    fn begun(call: &Call, answer: &Answer) -> Result<Self, Error> {
        let smallest = answer.headers.get("oci-chunk-min-length");
        let smallest = smallest.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Self {
            location: location(answer)
                .ok_or_else(|| call.protocol("it begins an upload and does not say where"))?,
            smallest: smallest.unwrap_or_default(),
        })
    }
}

impl Sender {
    async fn send(mut self) -> Result<(), Error> {
        let mut failures = 0;
        loop {
            let before = self.offset;
            let sending = if self.chunk.is_none() {
                self.whole().await
            } else {
                self.chunks().await
            };
            let Err(error) = sending else {
                return Ok(());
            };
            failures = if self.offset > before { 1 } else { failures + 1 };
            if self.chunk.is_none() && is_too_much(&error) {
                self.chunk = Some(if is_too_large(&error) { SMALL_CHUNK } else { CHUNK });
                self.restart().await?;
            } else if self.server.may_retry(&error, failures) {
                self.server.client().pause(failures, &error).await;
                if self.resume().await? {
                    return Ok(());
                }
            } else if is_lost(&error) && failures < self.server.attempts {
                self.restart().await?;
            } else {
                return Err(error);
            }
        }
    }

    /// Everything in one piece (§Pushing a blob monolithically, POST then PUT).
    async fn whole(&self) -> Result<(), Error> {
        self.finish(0..self.source.size()).await
    }

    /// From where the registry is (§Pushing a blob in chunks).
    async fn chunks(&mut self) -> Result<(), Error> {
        let size = self.source.size();
        let chunk = self.chunk.unwrap_or(CHUNK).max(self.upload.smallest).max(1);
        while self.offset < size {
            let end = size.min(self.offset.saturating_add(chunk));
            let call = self.call(Method::PATCH, self.upload.location.clone(), self.offset..end);
            let call = call.with(CONTENT_RANGE, &format!("{}-{}", self.offset, end - 1));
            let answer = self.server.call(&call, &[202, 201, 204]).await?;
            if let Some(next) = location(&answer) {
                self.upload.location = next;
            }
            let has = received(&answer.headers).unwrap_or(end);
            if has <= self.offset || has > end {
                return Err(call.protocol(format!("it has {has} bytes after it was sent those up to {end}")));
            }
            self.offset = has;
        }
        self.finish(size..size).await
    }

    async fn finish(&self, part: std::ops::Range<u64>) -> Result<(), Error> {
        let name = self.digest.to_string();
        let uri = with_query(&self.upload.location, &[("digest", &name)]);
        let uri = uri.unwrap_or_else(|| self.upload.location.clone());
        let call = self.call(Method::PUT, uri, part);
        let answer = self.server.call(&call, &[201, 200, 202, 204]).await?;
        match answer::digest(&answer.headers) {
            Some(found) if found != self.digest => Err(Error::Digest {
                expected: self.digest,
                found,
            }),
            _ => Ok(()),
        }
    }

    fn call(&self, method: Method, uri: Uri, part: std::ops::Range<u64>) -> Call {
        let body = if part.is_empty() {
            Sending::Bytes(Bytes::new())
        } else {
            Sending::Part(self.source.clone(), part, self.sent.clone())
        };
        Call::new(method, uri, vec![self.server.push_scope()])
            .with(CONTENT_TYPE, "application/octet-stream")
            .sending(body)
    }

    /// Finds out where the registry is after a broken connection; true, if it has everything.
    async fn resume(&mut self) -> Result<bool, Error> {
        // What was lost may have been the answer.
        if self.server.has_blob(self.digest).await?.is_some() {
            (self.sent)(self.source.size());
            return Ok(true);
        }
        let call = Call::new(
            Method::GET,
            self.upload.location.clone(),
            vec![self.server.push_scope()],
        );
        let position = match self.server.call(&call, &[204, 200, 202]).await {
            Ok(answer) => {
                if let Some(next) = location(&answer) {
                    self.upload.location = next;
                }
                received(&answer.headers)
            }
            Err(Error::Refused(_)) => None,
            Err(error) => return Err(error),
        };
        match position.filter(|position| (1..=self.source.size()).contains(position)) {
            Some(position) => {
                self.offset = position;
                self.chunk.get_or_insert(u64::MAX);
                (self.sent)(position);
            }
            None => self.restart().await?,
        }
        Ok(false)
    }

    async fn restart(&mut self) -> Result<(), Error> {
        self.upload = self.server.begin().await?;
        self.offset = 0;
        (self.sent)(0);
        Ok(())
    }
}

fn location(answer: &Answer) -> Option<Uri> {
    let location = answer.headers.get(LOCATION)?.to_str().ok()?;
    follow(&answer.uri, location)
}

/// `0-N`: N + 1 bytes. Docker's registry says `0-0` of none, which is then as good as nothing.
fn received(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    match text.strip_prefix("0-")?.parse::<u64>().ok()? {
        0 => None,
        last => last.checked_add(1),
    }
}

fn status(error: &Error) -> u16 {
    match error {
        Error::Refused(refusal) => refusal.status.as_u16(),
        _ => 0,
    }
}

/// Whether a registry may take in chunks what it did not take whole.
fn is_too_much(error: &Error) -> bool {
    matches!(status(error), 404 | 405 | 411 | 413 | 415 | 501)
}

fn is_too_large(error: &Error) -> bool {
    status(error) == 413
}

/// Whether the registry knows nothing of the upload any more, or is elsewhere in it.
fn is_lost(error: &Error) -> bool {
    matches!(status(error), 404 | 410 | 416)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, text.parse().ok()?);
        received(&headers)
    }

    #[test]
    fn a_registry_says_what_it_has() {
        for (text, expected) in [
            ("0-9", Some(10)),
            ("bytes=0-9", Some(10)),
            ("0-0", None),
            ("5-9", None),
            ("0-18446744073709551615", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(range(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_a_number_or_nothing(text in ".*") {
            range(&text);
        }
    }
}
