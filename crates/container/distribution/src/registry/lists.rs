//! Lists: tags, repositories, referrers (distribution-spec §Content Discovery).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, LINK};
use http::{Method, Uri};
use image::{Descriptor, Digest, media_type};
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::follow::{follow, next_link};
use super::tour::{Need, Server, Tour};
use super::{Place, Subject};
use crate::auth::Scope;
use crate::{Error, Kind};

/// Pages of one list, and entries of them: a registry that never ends is left alone.
const PAGES: usize = 1_000;
const ENTRIES: usize = 1_000_000;

/// Which part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most so many; all of them without.
    pub limit: Option<usize>,
    /// What the last page ended with.
    pub last: Option<String>,
}

/// What refers to a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// What it is called.
    #[serde(flatten)]
    pub descriptor: Descriptor,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

#[derive(Deserialize)]
struct Tags {
    /// Go writes an empty list as null.
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ReferrersIndex {
    #[serde(default)]
    manifests: Vec<Referrer>,
}

impl Place {
    pub(super) async fn tags(self: &Arc<Self>, page: &Page) -> Result<Vec<String>, Error> {
        let read = |body: &[u8]| serde_json::from_slice(body).map(|list: Tags| list.tags.unwrap_or_default());
        let mut tour = Tour::new(self, Need::Resolve);
        while let Some(server) = tour.next() {
            let scopes = vec![Scope::repository(&server.name, &["pull"])];
            let found = server
                .list(&format!("{}/tags/list", server.name), scopes, page, read)
                .await;
            match found {
                Ok(found) => return Ok(found),
                Err(error) => tour.failed(&server, error),
            }
        }
        Err(tour.error())
    }

    /// What mirrors have is not what the registry has: only it is asked.
    pub(super) async fn catalog(self: &Arc<Self>, page: &Page) -> Result<Vec<String>, Error> {
        let read = |body: &[u8]| {
            serde_json::from_slice(body).map(|list: Catalog| list.repositories.unwrap_or_default())
        };
        let server = Tour::new(self, Need::Resolve).upstream()?;
        server.list("_catalog", vec![Scope::catalog()], page, read).await
    }

    pub(super) async fn referrers(
        self: &Arc<Self>,
        digest: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Referrer>, Error> {
        let mut tour = Tour::new(self, Need::Referrers);
        while let Some(server) = tour.next() {
            match server.referrers(digest, artifact_type).await {
                Ok(found) => return Ok(found),
                Err(error) => tour.failed(&server, error),
            }
        }
        Err(tour.error())
    }
}

impl Server {
    async fn list(
        &self,
        path: &str,
        scopes: Vec<Scope>,
        page: &Page,
        read: impl Fn(&[u8]) -> serde_json::Result<Vec<String>> + Send,
    ) -> Result<Vec<String>, Error> {
        let limit = page.limit.map(|limit| limit.to_string());
        let mut query = Vec::new();
        query.extend(limit.as_deref().map(|limit| ("n", limit)));
        query.extend(page.last.as_deref().map(|last| ("last", last)));
        let mut call = Call::new(Method::GET, self.absolute(path, &query)?, scopes);
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let (body, next) = self.page(&call).await?;
            let found =
                read(&body).map_err(|error| call.protocol(format!("the list is not one: {error}")))?;
            all.extend(found);
            // Docker's registry before version 3 does not know `last`, and begins at the beginning.
            let seen = page
                .last
                .as_ref()
                .and_then(|last| all.iter().position(|each| each == last));
            all.drain(..seen.map_or(0, |seen| seen + 1));
            let enough = page.limit.is_some_and(|limit| all.len() >= limit);
            match next {
                Some(next) if !enough && all.len() < ENTRIES => call.uri = next,
                _ => {
                    all.truncate(page.limit.unwrap_or(ENTRIES));
                    return Ok(all);
                }
            }
        }
        Err(call.protocol(format!("the list has more than {PAGES} pages")))
    }

    /// One page, and where the next one is: with the same server, since it is shown the same credentials.
    async fn page(&self, call: &Call) -> Result<(Bytes, Option<Uri>), Error> {
        let answer = self.call(call, &[200]).await?;
        let link = answer.headers.get(LINK).and_then(|value| value.to_str().ok());
        let next = link.and_then(next_link).map(|target| follow(&answer.uri, target));
        let next = match next {
            None => None,
            Some(Some(next)) if self.is_own(&next) => Some(next),
            Some(_) => return Err(call.protocol("its next page is with another server")),
        };
        let limit = self.client().0.settings.manifest;
        let body = self.client().read(call, "the list", limit, answer).await?;
        Ok((body, next))
    }

    /// By the API, or where there is none by the tag that stands for it (§Referrers Tag Schema).
    async fn referrers(&self, digest: Digest, artifact_type: Option<&str>) -> Result<Vec<Referrer>, Error> {
        let query: Vec<_> = artifact_type
            .map(|wanted| ("artifactType", wanted))
            .into_iter()
            .collect();
        let uri = self.uri(&format!("referrers/{digest}"), &query)?;
        let scopes = vec![Scope::repository(&self.name, &["pull"])];
        let mut call = Call::new(Method::GET, uri, scopes).with(ACCEPT, media_type::INDEX);
        let mut all: BTreeMap<Digest, Referrer> = BTreeMap::new();
        for _ in 0..PAGES {
            let (body, next) = match self.page(&call).await {
                Ok(page) => page,
                Err(Error::Refused(refusal)) if refusal.status == 404 => {
                    return self.tagged_referrers(digest, artifact_type).await;
                }
                Err(error) => return Err(error),
            };
            all.extend(read_referrers(&call, &body)?);
            match next {
                Some(next) if all.len() < ENTRIES => call.uri = next,
                _ => return Ok(chosen(all, artifact_type)),
            }
        }
        Err(call.protocol(format!("the list has more than {PAGES} pages")))
    }

    async fn tagged_referrers(
        &self,
        digest: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Referrer>, Error> {
        let tag = Subject::Tag(referrers_tag(digest));
        match self.manifest(&tag).await {
            Ok(document) => {
                let call = Call::new(
                    Method::GET,
                    self.uri(&format!("manifests/{tag}"), &[])?,
                    Vec::new(),
                );
                let all = read_referrers(&call, &document.bytes)?.collect();
                Ok(chosen(all, artifact_type))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The tag under which an index of a manifest's referrers lies in a registry that does not keep one itself
/// (distribution-spec §Referrers Tag Schema).
#[must_use]
pub fn referrers_tag(digest: Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

fn read_referrers(
    call: &Call,
    body: &[u8],
) -> Result<impl Iterator<Item = (Digest, Referrer)> + use<>, Error> {
    let index: ReferrersIndex = serde_json::from_slice(body)
        .map_err(|error| call.protocol(format!("its referrers are no index: {error}")))?;
    Ok(index
        .manifests
        .into_iter()
        .map(|each| (each.descriptor.digest, each)))
}

/// Whether or not the server has chosen already (`OCI-Filters-Applied`), the same remains.
fn chosen(all: BTreeMap<Digest, Referrer>, artifact_type: Option<&str>) -> Vec<Referrer> {
    let wanted =
        |each: &Referrer| artifact_type.is_none_or(|wanted| each.artifact_type.as_deref() == Some(wanted));
    all.into_values().filter(wanted).collect()
}
