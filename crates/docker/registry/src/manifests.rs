//! Manifests (distribution-spec, "Pulling manifests", "Pushing Manifests", "Deleting tags", "Deleting Manifests").

use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use https::{Budget, Whole, WholeError};
use image::{Digest, MAX_MANIFEST, Pushed, ServedManifest};
use tokio::time::timeout;

use crate::call::Call;
use crate::error::{Code, Fault};
use crate::hooks::Happened;
use crate::names::{Which, is_tag};
use crate::reply::{self, Body, DIGEST, Reply, SUBJECT, TAG};
use crate::route::Right;
use crate::state::blocking;
use crate::uploads::Incoming;
use crate::uploads::receive::STALLED;

/// Most tags that one push sets.
const TAGS: usize = 100;

/// `GET …/manifests/REFERENCE`. What is stored is served, whatever the client says it accepts: that is for it to judge,
/// and each image has one manifest here.
pub(crate) async fn get(call: &mut Call<'_>) -> Result<Reply, Fault> {
    let which = Which::parse(call.last())?;
    let Some(manifest) = find(call, &which).await? else {
        return Err(unknown(&which));
    };
    let etag = format!("\"{}\"", manifest.digest);
    let mut reply = if call.has(&etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        call.happened(Happened::manifest(Right::Pull, &manifest, tag(&which)));
        let mut reply = Response::new(Body::from(manifest.bytes));
        reply::set(&mut reply, CONTENT_TYPE, &manifest.media_type);
        reply
    };
    reply::set(&mut reply, DIGEST, &manifest.digest.to_string());
    reply::set(&mut reply, ETAG, &etag);
    Ok(reply)
}

fn unknown(which: &Which) -> Fault {
    let detail = match which {
        Which::Tag(tag) => serde_json::json!({ "Tag": tag }),
        Which::Digest(digest) => serde_json::json!({ "digest": digest.to_string() }),
    };
    Fault::from(Code::ManifestUnknown).detail(detail)
}

fn tag(which: &Which) -> Option<String> {
    match which {
        Which::Tag(tag) => Some(tag.clone()),
        Which::Digest(_) => None,
    }
}

async fn find(call: &Call<'_>, which: &Which) -> Result<Option<ServedManifest>, Fault> {
    call.state.mirror.refresh_manifest(call, which).await?;
    if let Some(found) = here(call, which).await? {
        return Ok(Some(found));
    }
    if call.state.mirror.fetch_manifest(call, which).await? {
        return here(call, which).await;
    }
    Ok(None)
}

/// Mostly without a thread's help: a name is looked up in memory, and so is what it names.
async fn here(call: &Call<'_>, which: &Which) -> Result<Option<ServedManifest>, Fault> {
    for reference in call.place()?.references(which)? {
        let known = call.state.content.known(&reference);
        if let Some(manifest) = known.and_then(|digest| call.state.manifests.get(&digest)) {
            return Ok(Some(manifest));
        }
        let content = call.state.content.clone();
        if let Some(manifest) = blocking(move || content.manifest(&reference)).await? {
            call.state.manifests.keep(&manifest);
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}

/// `PUT …/manifests/REFERENCE`, with more tags in `?tag=`.
pub(crate) async fn put<B: Incoming>(call: &mut Call<'_>, request: Request<B>) -> Result<Reply, Fault> {
    let which = Which::parse(call.last()).map_err(|fault| match fault.status {
        // A tag that cannot be is unknown to those who read, and wrong for those who write.
        StatusCode::NOT_FOUND => Fault::from(Code::ManifestInvalid).detail("invalid tag"),
        _ => fault,
    })?;
    let further = further_tags(call)?;
    let media_type = media_type(request.headers())?;
    // Its seat is kept until it is stored.
    let whole = body(&call.state.unfinished, request.into_body()).await?;
    let bytes = whole.bytes.clone();
    let (digest, mut tags) = match which {
        Which::Tag(tag) => (None, vec![tag]),
        Which::Digest(digest) => (Some(digest), Vec::new()),
    };
    tags.extend(further.iter().cloned());
    let place = call.place()?.clone();
    let (content, own) = (call.state.content.clone(), place.own().to_owned());
    let manifest = (media_type.clone(), bytes.clone(), tags.clone());
    let pushed: Pushed = blocking(move || {
        let (media_type, bytes, tags) = manifest;
        let push = image::Push {
            repository: &own,
            digest,
            tags: &tags,
            media_type: &media_type,
        };
        content.push_manifest(&push, bytes)
    })
    .await?;
    call.state.upkeep.links();
    let manifest = ServedManifest {
        digest: pushed.digest,
        media_type,
        bytes,
    };
    call.happened(Happened::manifest(
        Right::Push,
        &manifest,
        tags.into_iter().next(),
    ));
    Ok(stored(place.name.as_str(), &pushed, &further))
}

fn stored(name: &str, pushed: &Pushed, tags: &[String]) -> Reply {
    let mut reply = reply::empty(StatusCode::CREATED);
    reply::set(
        &mut reply,
        LOCATION,
        &format!("/v2/{name}/manifests/{}", pushed.digest),
    );
    reply::set(&mut reply, DIGEST, &pushed.digest.to_string());
    if let Some(subject) = pushed.subject {
        reply::set(&mut reply, SUBJECT, &subject.to_string());
    }
    for tag in tags {
        reply::set(&mut reply, TAG, tag);
    }
    reply
}

fn further_tags(call: &Call<'_>) -> Result<Vec<String>, Fault> {
    let mut tags: Vec<String> = Vec::new();
    for tag in call.query.all("tag") {
        if !is_tag(tag) {
            return Err(Fault::from(Code::ManifestInvalid).detail("invalid tag"));
        }
        if !tags.iter().any(|each| each == tag) {
            tags.push(tag.to_owned());
        }
    }
    if tags.len() > TAGS {
        let fault = Fault::from(Code::ManifestInvalid).status(StatusCode::URI_TOO_LONG);
        return Err(fault.detail(format!("more than {TAGS} tags at once")));
    }
    Ok(tags)
}

/// The type without its parameters.
fn media_type(headers: &http::HeaderMap) -> Result<String, Fault> {
    let shown = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split(';').next()).map(str::trim);
    let shown = shown.filter(|value| !value.is_empty() && value.len() <= 256);
    let missing = || Fault::from(Code::ManifestInvalid).detail("Content-Type says which manifest it is");
    shown.map(str::to_owned).ok_or_else(missing)
}

async fn body<B: Incoming>(budget: &Budget, body: B) -> Result<Whole<'_>, Fault> {
    let body = body.map_err(|error| error.to_string());
    let whole = timeout(STALLED, budget.read(body, MAX_MANIFEST)).await;
    match whole.unwrap_or_else(|_| Err(WholeError::Broken("it did not come in time".to_owned()))) {
        Ok(whole) => Ok(whole),
        Err(WholeError::TooLarge) => {
            let fault = Fault::from(Code::ManifestInvalid).status(StatusCode::PAYLOAD_TOO_LARGE);
            Err(fault.detail(format!("a manifest has {MAX_MANIFEST} bytes at most")))
        }
        Err(WholeError::Slow) => {
            let fault = Fault::from(Code::ManifestInvalid).status(StatusCode::REQUEST_TIMEOUT);
            Err(fault.detail("it comes too slowly, and others wait"))
        }
        Err(WholeError::Broken(error)) => {
            tracing::debug!(%error, "a manifest was broken off");
            Err(Code::ManifestInvalid.into())
        }
    }
}

/// `DELETE …/manifests/REFERENCE`: a tag, or a manifest with its tags.
pub(crate) async fn delete(call: &Call<'_>) -> Result<Reply, Fault> {
    let which = Which::parse(call.last())?;
    let gone = remove(call, &which).await?;
    if !gone {
        return Err(not_deleted(call, which).await?);
    }
    call.state.upkeep.links();
    call.happened(Happened::Deleted { which });
    Ok(reply::empty(StatusCode::ACCEPTED))
}

async fn remove(call: &Call<'_>, which: &Which) -> Result<bool, Fault> {
    let (content, own) = (call.state.content.clone(), call.place()?.own().to_owned());
    let references = call.place()?.references(which)?;
    let digest: Option<Digest> = match which {
        Which::Tag(_) => None,
        Which::Digest(digest) => Some(*digest),
    };
    blocking(move || match (digest, references.first()) {
        (Some(digest), _) => Ok(content.delete_manifest(&own, &digest)?.is_some()),
        (None, Some(reference)) => content.untag(reference),
        (None, None) => Ok(false),
    })
    .await
}

/// An image that this node knows by a short name can be pulled here, and is deleted as what it is: an image.
async fn not_deleted(call: &Call<'_>, which: Which) -> Result<Fault, Fault> {
    let others = call.place()?.references(&which)?.into_iter().skip(1);
    let content = call.state.content.clone();
    let others: Vec<_> = others.collect();
    let there =
        blocking(move || Ok::<_, Fault>(others.iter().any(|reference| content.known(reference).is_some())));
    if there.await? {
        let why = "this is an image of the node: remove it with docker rmi";
        return Ok(Fault::from(Code::Unsupported).detail(why));
    }
    Ok(unknown(&which))
}
