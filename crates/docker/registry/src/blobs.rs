//! Blobs (distribution-spec, "Pulling blobs", "Deleting Blobs").

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
};
use http::{HeaderValue, Response, StatusCode};
use https::{FileBody, FilePart};
use image::{Blob, Digest};

use crate::call::Call;
use crate::error::{Code, Fault};
use crate::hooks::Happened;
use crate::mirror::Fetched;
use crate::names;
use crate::range::{Wanted, wanted};
use crate::reply::{self, Body, DIGEST, Reply};
use crate::route::Right;
use crate::state::blocking;

/// What a digest names never changes.
const FOREVER: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// `GET …/blobs/DIGEST`, whole or in part.
pub(crate) async fn get(call: &mut Call<'_>) -> Result<Reply, Fault> {
    let digest = names::digest(call.last())?;
    let etag = format!("\"{digest}\"");
    let blob = find(call, digest).await?;
    call.state.upkeep.links();
    let Some(blob) = blob else {
        return Err(Fault::from(Code::BlobUnknown).detail(serde_json::json!({"digest": digest.to_string()})));
    };
    let mut reply = if call.has(&etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        let size = size(&blob);
        call.happened(Happened::Blob {
            right: Right::Pull,
            digest,
            size,
        });
        part(blob, asked(call, &etag, size))
    };
    reply::set(&mut reply, DIGEST, &digest.to_string());
    reply::set(&mut reply, ETAG, &etag);
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, FOREVER);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(reply)
}

/// A blob of the repository, fetched from elsewhere where that is wanted.
async fn find(call: &Call<'_>, digest: Digest) -> Result<Option<Fetched>, Fault> {
    match here(call, digest).await? {
        Some(blob) => Ok(Some(Fetched::Here(blob))),
        None => call.state.mirror.fetch_blob(call, digest).await,
    }
}

fn size(blob: &Fetched) -> u64 {
    match blob {
        Fetched::Here(blob) => blob.size(),
        Fetched::Coming(coming) => coming.size,
    }
}

async fn here(call: &Call<'_>, digest: Digest) -> Result<Option<Blob>, Fault> {
    let (content, whole) = (call.state.content.clone(), call.place()?.whole.clone());
    blocking(move || {
        for repository in whole {
            if let Some(blob) = content.blob(&repository, &digest)? {
                return Ok(Some(blob));
            }
        }
        Ok::<_, Fault>(None)
    })
    .await
}

/// The part that the client wants of `size` bytes.
fn asked(call: &Call<'_>, etag: &str, size: u64) -> Wanted {
    let text = |name| {
        call.headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let same = text(IF_RANGE).is_none_or(|known| known == etag);
    let mut ranges = call.headers.get_all(RANGE).iter();
    match (text(RANGE).filter(|_| same), ranges.nth(1)) {
        (Some(range), None) => wanted(range, size),
        _ => Wanted::All,
    }
}

fn part(blob: Fetched, wanted: Wanted) -> Reply {
    let size = size(&blob);
    let (status, first, length) = match wanted {
        Wanted::All => (StatusCode::OK, 0, size),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Nothing => {
            let fault = Fault::from(Code::SizeInvalid).status(StatusCode::RANGE_NOT_SATISFIABLE);
            let mut reply = Reply::from(fault);
            reply::set(&mut reply, CONTENT_RANGE, &format!("bytes */{size}"));
            return reply;
        }
    };
    let mut reply = Response::new(body(blob, first, length));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static("application/octet-stream");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    // Of a body without bytes, HTTP/2's server does not say the length by itself.
    reply.headers_mut().insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + length - 1;
        reply::set(&mut reply, CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
    }
    reply
}

fn body(blob: Fetched, start: u64, length: u64) -> Body {
    let blob = match blob {
        Fetched::Here(blob) => blob,
        Fetched::Coming(coming) => return Body::Coming(coming.body(start, length)),
    };
    match blob {
        Blob::File(file, _) => Body::File(FileBody::new(FilePart {
            file: Arc::new(file),
            start,
            length,
        })),
        Blob::Bytes(bytes) => {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
            let part: Bytes = bytes.slice(at(start)..at(start.saturating_add(length)));
            Body::from(part)
        }
    }
}

/// `DELETE …/blobs/DIGEST`.
pub(crate) async fn delete(call: &Call<'_>) -> Result<Reply, Fault> {
    let digest = names::digest(call.last())?;
    let (content, own) = (call.state.content.clone(), call.place()?.own().to_owned());
    if !blocking(move || content.delete_blob(&own, &digest)).await? {
        return Err(Code::BlobUnknown.into());
    }
    call.state.upkeep.links();
    call.happened(Happened::Blob {
        right: Right::Delete,
        digest,
        size: 0,
    });
    Ok(reply::empty(StatusCode::ACCEPTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_said_even_of_nothing() {
        for (bytes, wanted, length) in [
            ("", Wanted::All, "0"),
            ("abc", Wanted::All, "3"),
            ("abc", Wanted::Part(1, 2), "2"),
        ] {
            let blob = Blob::Bytes(Bytes::from_static(bytes.as_bytes()));
            let reply = part(Fetched::Here(blob), wanted);
            assert_eq!(reply.headers()[CONTENT_LENGTH], length, "{bytes}");
        }
    }
}
