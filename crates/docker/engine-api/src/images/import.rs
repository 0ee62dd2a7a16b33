//! `POST /images/create` with `fromSrc`: an image of a file system that comes with the request, or from a web server.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use distribution::WebAnswer;
use http::StatusCode;
use image::{Digest, Import, RunConfig};
use serde_json::json;
use tokio::runtime::Handle;

use super::repo_tag;
use crate::Api;
use crate::api::blocking;
use crate::containers::create::platform;
use crate::error::ApiError;
use crate::server::body::BodySender;
use crate::server::call::Call;
use crate::server::reply::{JSON, Reply, with_type};
use crate::stream::{bar, progress};

/// Bytes between two lines of progress (dockerd's number).
const STEP: u64 = 512 << 10;
/// Bytes of a server's own words that are passed on.
const SAID: usize = 4 << 10;

/// `POST /images/create?fromSrc=`: `-` or an address.
pub(crate) async fn import(call: Call<Api>) -> Result<Reply, ApiError> {
    let import = asked(&call)?;
    match call.query.get("fromSrc").to_owned().as_str() {
        "-" => {
            let (api, mut archive) = (call.state.clone(), call.reader());
            let id = blocking(move || run(&api, &mut archive, import)).await?;
            let line = progress::status("", &id.to_string()).to_vec();
            Ok(Reply::Http(with_type(StatusCode::OK, JSON, line.into())))
        }
        source => download(call.state.clone(), source, import).await,
    }
}

fn asked(call: &Call<Api>) -> Result<Import, ApiError> {
    let query = &call.query;
    let reference = repo_tag(query.get("repo"), query.get("tag"))?;
    let mut config = image::ImageConfig::for_host();
    if let Some(platform) = query
        .text("platform")
        .filter(|_| call.version.since(32))
        .map(platform)
        .transpose()?
    {
        (config.os, config.architecture, config.variant) =
            (platform.os, platform.architecture, platform.variant);
    }
    let changes: Vec<_> = query.all("changes").map(String::from).collect();
    config.config = builder::apply_changes(RunConfig::default(), &changes)?;
    config.created = Some(call.state.now());
    let message = query
        .text("message")
        .map_or_else(|| format!("Imported from {}", query.get("fromSrc")), String::from);
    Ok(Import {
        reference,
        config,
        message,
    })
}

fn run(api: &Arc<Api>, archive: &mut dyn Read, import: Import) -> Result<Digest, image::Error> {
    let tag = import.reference.as_ref().map(|tag| tag.familiar());
    let id = api.images().import(archive, import)?;
    let text = id.to_string();
    if let Some(tag) = tag {
        api.publish_image(api.images().get(&id).as_ref(), &text, &tag, "tag");
    }
    api.publish_image(api.images().get(&id).as_ref(), &text, &text, "import");
    Ok(id)
}

/// Until the server has answered an error is an HTTP status, afterwards it is the last line of the stream.
async fn download(api: Arc<Api>, source: &str, import: Import) -> Result<Reply, ApiError> {
    // As dockerd: what has no scheme is asked for without TLS.
    let url = match source.contains("://") {
        true => source.to_owned(),
        false => format!("http://{source}"),
    };
    let answer = api.registries.client().web(false, &url, &[]).await;
    let answer = answer.map_err(|why| ApiError::internal(format!("Get {:?}: {why}", without_user(&url))))?;
    let answer = succeeded(answer, &without_user(&url)).await?;
    let (sender, reply) = Reply::stream(JSON);
    let said = format!("Downloading from {}", without_user(&url));
    sender.send(progress::status("", &said)).await;
    let total = answer
        .header("content-length")
        .and_then(|length| length.parse().ok());
    let mut archive = Download {
        answer,
        handle: Handle::current(),
        piece: Bytes::new(),
        sender: sender.clone(),
        done: 0,
        told: 0,
        total: total.unwrap_or(0),
    };
    tokio::task::spawn_blocking(move || {
        let last = match run(&api, &mut archive, import) {
            Ok(id) => progress::status("", &id.to_string()),
            Err(error) => progress::error(&error.into()),
        };
        sender.blocking_send(last);
    });
    Ok(reply)
}

/// An address without the name and password in it.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Upstream's sentence for what the server has not got, with the beginning of what it says.
async fn succeeded(mut answer: WebAnswer, url: &str) -> Result<WebAnswer, ApiError> {
    if answer.status.as_u16() < 400 {
        return Ok(answer);
    }
    let mut said = Vec::new();
    while said.len() < SAID
        && let Ok(Some(piece)) = answer.piece().await
    {
        said.extend_from_slice(&piece);
    }
    said.truncate(SAID);
    let said = String::from_utf8_lossy(&said);
    let sentence = format!("failed to GET {url} with status {}: {said}", answer.status);
    let status = match answer.status {
        status @ (StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => status,
        status if status.is_client_error() => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Err(ApiError::new(status, sentence))
}

/// What a web server sends, for a thread that reads it; the client is told how much has come.
struct Download {
    answer: WebAnswer,
    handle: Handle,
    piece: Bytes,
    sender: BodySender,
    done: u64,
    told: u64,
    total: u64,
}

impl Download {
    fn tell(&mut self) -> io::Result<()> {
        let detail = match self.total {
            0 => json!({ "current": self.done }),
            total => json!({ "current": self.done, "total": total }),
        };
        let bar = bar::render(self.done, self.total);
        let line = json!({ "status": "Importing", "progressDetail": detail, "progress": bar });
        self.told = self.done;
        if self.sender.blocking_send(progress::line(&line)) {
            return Ok(());
        }
        // Nobody waits for it any more.
        Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.handle.block_on(self.answer.piece()) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) if self.told < self.done => self.tell()?,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        self.done += length as u64;
        if self.done - self.told >= STEP {
            self.tell()?;
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_told() {
        for (url, shown) in [
            ("http://a:b@h/x@y", "http://h/x@y"),
            ("https://h:1?a@b", "https://h:1?a@b"),
            ("x", "x"),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }
}
