//! Manifests and indexes (distribution-spec §Pulling manifests, §Pushing manifests, §Deleting).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, Method};
use image::{Descriptor, Digest, DigestAlgorithm, media_type};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::answer;
use super::call::{Answer, Call, Sending};
use super::tour::{Need, Server, Tour};
use super::{Place, Stored, Subject};
use crate::Error;
use crate::auth::Scope;

/// Docker's manifest.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What is not in a tag or digest, and would mean something in an address.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'-')
    .remove(b':')
    .remove(b'+');

/// Docker's first manifests, signed or not.
const SCHEMA_1: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// A manifest or index as it came, its digest checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is called, what it is, how long it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What a document says of itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Sniffed {
    schema_version: u64,
    media_type: String,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Place {
    pub(super) async fn resolve(self: &Arc<Self>, subject: &Subject) -> Result<Descriptor, Error> {
        let mut tour = Tour::new(self, need(subject));
        while let Some(server) = tour.next() {
            match server.resolve(subject).await {
                Ok(found) => return Ok(found),
                Err(error) => tour.failed(&server, error),
            }
        }
        Err(tour.error())
    }

    pub(super) async fn manifest(self: &Arc<Self>, subject: &Subject) -> Result<Document, Error> {
        let mut tour = Tour::new(self, need(subject));
        while let Some(server) = tour.next() {
            match server.manifest(subject).await {
                Ok(found) => return Ok(found),
                Err(error) => tour.failed(&server, error),
            }
        }
        Err(tour.error())
    }

    pub(super) async fn put_manifest(
        self: &Arc<Self>,
        subject: &Subject,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Stored, Error> {
        let server = self.pushes()?;
        let algorithm = match subject {
            Subject::Digest(digest) => digest.algorithm(),
            Subject::Tag(_) => DigestAlgorithm::default(),
        };
        let digest = Digest::by(algorithm, &bytes);
        let call = server.manifest_call(Method::PUT, subject, &["pull", "push"])?;
        let sent = bytes.clone();
        let call = call.with(CONTENT_TYPE, media_type).sending(Sending::Bytes(bytes));
        let answer = server.call(&call, &[201, 200, 202]).await?;
        // A registry may call it by a digest of its own choice.
        let said = answer::digest(&answer.headers).unwrap_or(digest);
        let expected = Digest::by(said.algorithm(), &sent);
        if said != expected {
            return Err(Error::Digest {
                expected,
                found: said,
            });
        }
        let subject = answer
            .headers
            .contains_key(HeaderName::from_static("oci-subject"));
        Ok(Stored { digest, subject })
    }

    pub(super) async fn delete_manifest(self: &Arc<Self>, subject: &Subject) -> Result<(), Error> {
        let server = self.pushes()?;
        let call = server.manifest_call(Method::DELETE, subject, &["delete", "pull", "push"])?;
        server.call(&call, &[202, 200, 204]).await.map(drop)
    }

    /// The one endpoint that takes pushes: what was begun with one cannot go on with another.
    pub(super) fn pushes(self: &Arc<Self>) -> Result<Server, Error> {
        let mut tour = Tour::new(self, Need::Push);
        match tour.next() {
            Some(server) => Ok(server.alone()),
            None => Err(tour.error()),
        }
    }
}

/// A tag is what a mirror says that it is; what a digest names cannot be another thing.
const fn need(subject: &Subject) -> Need {
    match subject {
        Subject::Tag(_) => Need::Resolve,
        Subject::Digest(_) => Need::Pull,
    }
}

impl Server {
    fn manifest_call(&self, method: Method, subject: &Subject, actions: &[&str]) -> Result<Call, Error> {
        let named = subject.to_string();
        let named = utf8_percent_encode(&named, UNSAFE);
        let uri = self.uri(&format!("manifests/{named}"), &[])?;
        Ok(Call::new(
            method,
            uri,
            vec![Scope::repository(&self.name, actions)],
        ))
    }

    fn reading(&self, method: Method, subject: &Subject) -> Result<Call, Error> {
        let mut call = self.manifest_call(method, subject, &["pull"])?;
        for accepted in [
            DOCKER_MANIFEST,
            media_type::DOCKER_INDEX,
            media_type::MANIFEST,
            media_type::INDEX,
            "*/*",
        ] {
            call = call.with(ACCEPT, accepted);
        }
        Ok(call)
    }

    /// By HEAD, which Docker Hub does not count. Whatever is missing there, or wrong, is found out by GET: an answer to
    /// HEAD cannot say why.
    async fn resolve(&self, subject: &Subject) -> Result<Descriptor, Error> {
        let call = self.reading(Method::HEAD, subject)?;
        match self.call(&call, &[200]).await {
            Ok(answer) => match described(subject, &answer)? {
                Some(descriptor) => Ok(descriptor),
                None => self.manifest(subject).await.map(|document| document.descriptor),
            },
            Err(Error::Refused(refusal)) if refusal.status.is_client_error() && refusal.status != 429 => {
                self.manifest(subject).await.map(|document| document.descriptor)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn manifest(&self, subject: &Subject) -> Result<Document, Error> {
        let call = self.reading(Method::GET, subject)?;
        let answer = self.call(&call, &[200]).await.map_err(unknown)?;
        let said = answer::digest(&answer.headers);
        let media_type = answer::media_type(&answer.headers);
        let limit = self.client().0.settings.manifest;
        let bytes = self.client().read(&call, "the manifest", limit, answer).await?;
        let expected = match subject {
            Subject::Digest(digest) => Some(*digest),
            Subject::Tag(_) => said,
        };
        let expected = expected.unwrap_or_else(|| Digest::of(&bytes));
        let found = Digest::by(expected.algorithm(), &bytes);
        if found != expected {
            return Err(Error::Digest { expected, found });
        }
        let media_type = judged(&call, media_type, &bytes)?;
        Ok(Document {
            descriptor: Descriptor::new(&media_type, found, bytes.len() as u64),
            bytes,
        })
    }
}

/// What the head of an answer says, if it says everything.
fn described(subject: &Subject, answer: &Answer) -> Result<Option<Descriptor>, Error> {
    let media_type = answer::media_type(&answer.headers);
    if SCHEMA_1.contains(&media_type.as_str()) {
        return Err(Error::Schema1);
    }
    let said = answer::digest(&answer.headers);
    let (Some(found), Some(size)) = (said, answer::length(&answer.headers)) else {
        return Ok(None);
    };
    if let Subject::Digest(expected) = *subject
        && expected != found
    {
        return Err(Error::Digest { expected, found });
    }
    let says_nothing = is_vague(&media_type) || size == 0;
    Ok((!says_nothing).then(|| Descriptor::new(&media_type, found, size)))
}

fn is_vague(media_type: &str) -> bool {
    matches!(
        media_type,
        "" | "application/json" | "text/plain" | "application/octet-stream" | "text/html"
    )
}

/// The media type: what the server says, unless it says nothing; then what the document does.
fn judged(call: &Call, media_type: String, bytes: &[u8]) -> Result<String, Error> {
    let sniffed: Sniffed = serde_json::from_slice(bytes)
        .map_err(|error| call.protocol(format!("the manifest is not JSON: {error}")))?;
    if SCHEMA_1.contains(&media_type.as_str()) || sniffed.schema_version == 1 {
        return Err(Error::Schema1);
    }
    if !is_vague(&media_type) {
        return Ok(media_type);
    }
    if !sniffed.media_type.is_empty() {
        return Ok(sniffed.media_type);
    }
    match (sniffed.manifests, sniffed.config, sniffed.layers) {
        (Some(_), None, None) => Ok(media_type::INDEX.to_owned()),
        (None, Some(_), Some(_)) => Ok(media_type::MANIFEST.to_owned()),
        _ => Err(call.protocol("the manifest is neither an image's nor an index")),
    }
}

/// A server that says nothing but 404 means the same as one that says it in words.
fn unknown(error: Error) -> Error {
    match error {
        Error::Refused(mut refusal) if refusal.status == 404 && refusal.errors.is_empty() => {
            let known = crate::error::RegistryError::new("MANIFEST_UNKNOWN", "manifest unknown");
            refusal.errors.push(known);
            Error::Refused(refusal)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_it_is() {
        let call = Call::new(
            Method::GET,
            "https://r/v2/a/manifests/b".parse().unwrap(),
            Vec::new(),
        );
        let check = |said: &str, body: &str, expected: Result<&str, &str>| {
            let found = judged(&call, said.to_owned(), body.as_bytes()).map_err(|error| error.to_string());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{body}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{body}: {found:?}"),
            }
        };
        check(
            "application/x",
            r#"{"mediaType":"application/y"}"#,
            Ok("application/x"),
        );
        check("", r#"{"mediaType":"application/y"}"#, Ok("application/y"));
        check(
            "text/plain",
            r#"{"schemaVersion":2,"manifests":[]}"#,
            Ok(media_type::INDEX),
        );
        check(
            "",
            r#"{"schemaVersion":2,"config":{},"layers":[]}"#,
            Ok(media_type::MANIFEST),
        );
        check(
            "",
            r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#,
            Err("neither"),
        );
        check("", r#"{"schemaVersion":1,"fsLayers":[]}"#, Err("schema 1"));
        check(SCHEMA_1[1], r#"{"schemaVersion":2}"#, Err("schema 1"));
        check(media_type::MANIFEST, "<html>", Err("not JSON"));
    }
}
