//! Uploads of blobs (distribution-spec, "Pushing blobs"): begun, added to, finished, cancelled.

pub(crate) mod left;
pub(crate) mod receive;
pub(crate) mod session;
pub(crate) mod table;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use http::{Request, StatusCode};
use http_body::Body;
use image::{Digest, DigestAlgorithm};

use crate::call::Call;
use crate::content::Content;
use crate::error::{Code, Fault, internal};
use crate::hooks::Happened;
use crate::names::{self, Place};
use crate::reply::{self, DIGEST, Reply, UPLOAD};
use crate::route::Right;
use crate::state::blocking;
use left::Note;
use receive::{Received, receive};
use table::{Turn, UploadId};

/// Repositories that are looked through for a blob whose place a client does not name.
const LOOKED_THROUGH: usize = 10_000;

/// What an upload's requests bring.
pub(crate) trait Incoming: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin {}

impl<B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin> Incoming for B {}

/// `POST …/blobs/uploads/`: an upload, a whole blob (`?digest=`), or a link to one that is there (`?mount=`).
pub(crate) async fn begin<B: Incoming>(call: &mut Call<'_>, request: Request<B>) -> Result<Reply, Fault> {
    let place = call.place()?.clone();
    if let Some(text) = call.query.given("mount") {
        let digest = names::digest(text)?;
        if let Some(from) = mounted(call, &place, digest).await? {
            call.happened(Happened::Mount { digest, from });
            return Ok(created(&place, &digest));
        }
    }
    let digest = call.query.given("digest").map(names::digest).transpose()?;
    let algorithm = match call.query.given("digest-algorithm") {
        Some(name) => DigestAlgorithm::named(name).ok_or_else(unknown_algorithm)?,
        None => digest.map(|digest| digest.algorithm()).unwrap_or_default(),
    };
    let content = &call.state.content;
    let id = UploadId::new(pki::random().map_err(|error| internal(&error))?);
    let (client, now) = (call.client(), call.state.clock.now());
    let note = Note {
        repository: place.own().to_owned(),
        client: client.clone(),
        algorithm: algorithm.name().to_owned(),
    };
    let incoming = match digest {
        // Nobody could go on with it.
        Some(_) => content.upload(algorithm),
        None => content.lasting_upload(&id.to_string(), &note.bytes()?, algorithm),
    };
    call.state.uploads.add(id, place.own(), &client, incoming, now)?;
    call.state.upkeep.uploads();
    let Some(digest) = digest else {
        return Ok(accepted(&place, id, 0));
    };
    let (_, turn) = call.state.uploads.turn(&id.to_string(), place.own(), now).await?;
    let finished = finish_with(call, request, (id, turn), &place, digest).await;
    // Nobody has heard of it: whatever became of it, nobody goes on with it.
    call.state.uploads.remove(id);
    finished
}

fn unknown_algorithm() -> Fault {
    Fault::from(Code::DigestInvalid).detail("unsupported digest algorithm: there are sha256 and sha512")
}

/// `PATCH`: the next bytes.
pub(crate) async fn chunk<B: Incoming>(call: &mut Call<'_>, request: Request<B>) -> Result<Reply, Fault> {
    let (place, id, turn) = turn(call).await?;
    let added = add(call, request, id, turn).await?;
    let turn = blocking(move || Ok::<_, Fault>(added.write()?)).await?;
    let received = turn.as_ref().map_or(0, |incoming| incoming.size());
    Ok(accepted(&place, id, received))
}

/// `PUT ?digest=`: the end, with or without the last bytes.
pub(crate) async fn finish<B: Incoming>(call: &mut Call<'_>, request: Request<B>) -> Result<Reply, Fault> {
    let text = call.query.given("digest");
    let digest =
        names::digest(text.ok_or_else(|| Fault::from(Code::DigestInvalid).detail("digest missing"))?)?;
    let (place, id, mut turn) = turn(call).await?;
    turn.iter_mut().for_each(|incoming| incoming.ends());
    finish_with(call, request, (id, turn), &place, digest).await
}

/// `GET`: how far it has come.
pub(crate) async fn status(call: &Call<'_>) -> Result<Reply, Fault> {
    let (place, id, turn) = turn(call).await?;
    let received = turn.as_ref().map_or(0, |incoming| incoming.size());
    let mut reply = accepted(&place, id, received);
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply.headers_mut().remove(CONTENT_LENGTH);
    Ok(reply)
}

/// `DELETE`: it is given up.
pub(crate) async fn cancel(call: &Call<'_>) -> Result<Reply, Fault> {
    let (_, id, mut turn) = turn(call).await?;
    call.state.uploads.remove(id);
    // What has come is deleted, which may take a while.
    blocking(move || {
        drop(turn.take());
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn turn(call: &Call<'_>) -> Result<(Place, UploadId, Turn), Fault> {
    let place = call.place()?.clone();
    let now = call.state.clock.now();
    let (id, turn) = call.state.uploads.turn(call.last(), place.own(), now).await?;
    Ok((place, id, turn))
}

/// Adds a request's body to an upload.
async fn add<B: Incoming>(
    call: &Call<'_>,
    request: Request<B>,
    id: UploadId,
    turn: Turn,
) -> Result<Received, Fault> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let length = text(CONTENT_LENGTH).map(|text| text.parse().map_err(|_| Fault::from(Code::SizeInvalid)));
    let received = turn.as_ref().map_or(0, |incoming| incoming.size());
    let most = call.state.limits.blob;
    let allowed = session::judge(received, text(CONTENT_RANGE), length.transpose()?, most);
    let allowed = allowed.map_err(|fault| told(fault, received))?;
    let added = receive(request.into_body(), turn, allowed).await;
    call.state.uploads.touch(id, call.state.clock.now());
    added
}

/// A client that is out of order is told where it stands.
fn told(fault: Fault, received: u64) -> Fault {
    match session::range(received).parse() {
        Ok(range) if fault.status == StatusCode::RANGE_NOT_SATISFIABLE => fault.header(RANGE, range),
        _ => fault,
    }
}

async fn finish_with<B: Incoming>(
    call: &mut Call<'_>,
    request: Request<B>,
    (id, turn): (UploadId, Turn),
    place: &Place,
    digest: Digest,
) -> Result<Reply, Fault> {
    // A PUT without a body may say so by a Content-Range of nothing, which is no chunk.
    let added = add(call, request, id, turn).await?;
    let repository = place.own().to_owned();
    call.state.uploads.remove(id);
    let size = blocking(move || {
        let incoming = added
            .write()?
            .take()
            .ok_or(Fault::from(Code::BlobUploadUnknown))?;
        Ok::<_, Fault>(incoming.finish(&digest, &repository)?)
    })
    .await?;
    settle(call.state.content.clone(), place.own().to_owned(), digest);
    call.state.upkeep.links();
    call.happened(Happened::Blob {
        right: Right::Push,
        digest,
        size,
    });
    Ok(created(place, &digest))
}

/// Lets a blob become durable while its client goes on; a manifest that names it waits for that.
pub(crate) fn settle(content: Arc<dyn Content>, repository: String, digest: Digest) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = content.settle(&repository, &digest) {
            tracing::warn!(repository, %digest, %error, "a blob is not durable yet");
        }
    });
}

/// Links a blob that is in another repository; answers which.
async fn mounted(call: &mut Call<'_>, place: &Place, digest: Digest) -> Result<Option<String>, Fault> {
    let from = match call.query.given("from") {
        Some(name) => {
            let from = Place::new(&call.state.domain, name.parse()?, None)?;
            // Whoever may not look there is told no more than that nothing was mounted.
            if call.judge(&from.judged(), Right::Pull).await.is_err() {
                return Ok(None);
            }
            from.whole
        }
        None => pullable(call, digest).await?,
    };
    let (content, to) = (call.state.content.clone(), place.own().to_owned());
    let found = blocking(move || {
        for from in from {
            if content.mount_blob(&from, &to, &digest)? {
                return Ok(Some(from));
            }
        }
        Ok::<_, Fault>(None)
    })
    .await?;
    call.state.upkeep.links();
    Ok(found)
}

/// Whole names of what may have a blob, and the client may pull.
async fn pullable(call: &mut Call<'_>, digest: Digest) -> Result<Vec<String>, Fault> {
    let content = call.state.content.clone();
    let mut all = blocking(move || Ok::<_, Fault>(content.may_have(&digest, LOOKED_THROUGH))).await?;
    let mut may = Vec::with_capacity(all.len());
    for whole in all.drain(..) {
        let judged = names::listed(&call.state.domain, &whole)
            .unwrap_or(&whole)
            .to_owned();
        if call.judge(&judged, Right::Pull).await.is_ok() {
            may.push(whole);
        }
    }
    Ok(may)
}

fn accepted(place: &Place, id: UploadId, received: u64) -> Reply {
    let mut reply = reply::empty(StatusCode::ACCEPTED);
    let location = format!("/v2/{}/blobs/uploads/{id}", place.name.as_str());
    reply::set(&mut reply, LOCATION, &location);
    reply::set(&mut reply, RANGE, &session::range(received));
    reply::set(&mut reply, UPLOAD, &id.to_string());
    reply
}

fn created(place: &Place, digest: &Digest) -> Reply {
    let mut reply = reply::empty(StatusCode::CREATED);
    let location = format!("/v2/{}/blobs/{digest}", place.name.as_str());
    reply::set(&mut reply, LOCATION, &location);
    reply::set(&mut reply, DIGEST, &digest.to_string());
    reply
}
