//! `POST /images/NAME/push`.

use std::sync::Arc;

use distribution::auth::AuthConfig;
use distribution::{Credentials, Event, Progress, Push};
use image::{Platform, Reference};
use tokio::sync::mpsc;

use super::inspect::{asked_platform, of_platform};
use super::pull::{Working, answer, credentials};
use super::repo_tag;
use crate::Api;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::Reply;

/// What may wait to be told to a slow client.
const WAITING: usize = 64;

/// Pushes one tag, or all of a repository.
pub(crate) async fn push(call: Call<Api>) -> Result<Reply, ApiError> {
    let tag = call.query.get("tag");
    let reference = match repo_tag(&call.name, tag)? {
        Some(reference) if !tag.is_empty() => reference,
        _ => Reference::parse(&call.name).map_err(|error| ApiError::bad(error.to_string()))?,
    };
    let api = call.state.clone();
    let platform = asked_platform(&call, 46)?;
    let credentials = match call.header("x-registry-auth") {
        "" => from_body(call).await?,
        _ => credentials(&call),
    };
    let (progress, events) = mpsc::channel(WAITING);
    let work = tokio::spawn(push_all(
        api,
        (reference, platform),
        credentials,
        Progress(progress),
    ));
    answer(Working(work), events).await
}

/// Where old clients have their credentials. What is none is nobody's, as upstream.
async fn from_body(call: Call<Api>) -> Result<Credentials, ApiError> {
    let body = call.bytes().await?;
    let said = AuthConfig::from_json(&body);
    Ok(said.map(|said| said.credentials).unwrap_or_default())
}

async fn push_all(
    api: Arc<Api>,
    (reference, platform): (Reference, Option<Platform>),
    credentials: Credentials,
    progress: Progress,
) -> Result<Option<bytes::Bytes>, ApiError> {
    let references = tagged(&api, &reference);
    if references.is_empty() {
        // The first line comes all the same, so this is a line too.
        drop(progress.0.send(Event::PushingTo(reference.name())).await);
        let name = reference.familiar_name();
        let text = format!("An image does not exist locally with the tag: {name}");
        return Err(ApiError::not_found(text));
    }
    if let Some(platform) = &platform {
        for reference in &references {
            of_platform(&api, &reference.familiar(), Some(platform))?;
        }
    }
    let push = Push {
        references,
        credentials,
        platform,
    };
    let pushed = api.registries.push(&push, &progress).await;
    pushed.map_err(|fault| super::registry::refused(&fault, fault.pushing()))?;
    let (id, name) = (reference.familiar(), reference.familiar_name());
    let image = api.images().resolve(&id).ok();
    api.publish_image(image.as_ref(), &id, &name, "push");
    Ok(None)
}

/// The references of a repository that have the tag that is asked for, or any.
fn tagged(api: &Api, reference: &Reference) -> Vec<Reference> {
    let images = api.images().list();
    let mut found: Vec<_> = images
        .iter()
        .flat_map(|image| &image.tags)
        .filter(|known| known.name() == reference.name())
        .filter(|known| reference.tag.is_none() || known.tag == reference.tag)
        .cloned()
        .collect();
    found.sort();
    found
}
