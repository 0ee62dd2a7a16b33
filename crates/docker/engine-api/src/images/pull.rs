//! `POST /images/create` with `fromImage`: pulling.

use distribution::auth::AuthConfig;
use distribution::{Credentials, Event, Fault, Progress, Pull, Pulled, Step};
use image::{Platform, Reference};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::import::import;
use crate::Api;
use crate::containers::create::platform;
use crate::error::ApiError;
use crate::server::body::BodySender;
use crate::server::call::Call;
use crate::server::reply::{JSON, Reply};
use crate::stream::{bar, progress};

/// What may wait to be told to a slow client.
const WAITING: usize = 64;
/// The header with credentials.
const AUTH: &str = "x-registry-auth";

/// `POST /images/create`: a pull, or an import.
pub(crate) async fn create(call: Call<Api>) -> Result<Reply, ApiError> {
    match call.query.text("fromImage").map(String::from) {
        Some(name) => pull(&call, &name).await,
        None => import(call).await,
    }
}

/// Until the first line an error is an HTTP status, afterwards it is the last line of the stream.
async fn pull(call: &Call<Api>, name: &str) -> Result<Reply, ApiError> {
    let platform = call
        .query
        .text("platform")
        .filter(|_| call.version.since(32))
        .map(platform)
        .transpose()?;
    let reference = pulled(name, call.query.get("tag"))?;
    let (api, credentials) = (call.state.clone(), credentials(call));
    let (progress, events) = mpsc::channel(WAITING);
    let work = tokio::spawn(pull_all(
        api,
        reference,
        platform,
        credentials,
        Progress(progress),
    ));
    answer(Working(work), events).await
}

/// The lines of a pull or push, as they come.
pub(super) async fn answer(mut work: Working, mut events: mpsc::Receiver<Event>) -> Result<Reply, ApiError> {
    let Some(first) = events.recv().await else {
        let last = work.end().await?;
        let (sender, reply) = Reply::stream(JSON);
        if let Some(last) = last {
            sender.send(last).await;
        }
        return Ok(reply);
    };
    let (sender, reply) = Reply::stream(JSON);
    tokio::spawn(async move {
        let mut next = Some(first);
        while let Some(event) = next {
            if !tell(&sender, &event).await {
                return;
            }
            // `recv` is cancel-safe; dropping `work` ends the pull or push.
            next = tokio::select! {
                biased;
                () = sender.closed() => return,
                event = events.recv() => event,
            };
        }
        let last = match work.end().await {
            Ok(last) => last,
            Err(error) => Some(progress::error(&error)),
        };
        if let Some(last) = last {
            sender.send(last).await;
        }
    });
    Ok(reply)
}

async fn tell(sender: &BodySender, event: &Event) -> bool {
    for line in lines(event) {
        if !sender.send(line).await {
            return false;
        }
    }
    true
}

/// A pull or push that ends when nobody waits for it any more. It ends with a last line, or none.
pub(super) struct Working(pub(super) JoinHandle<Result<Option<bytes::Bytes>, ApiError>>);

impl Working {
    async fn end(&mut self) -> Result<Option<bytes::Bytes>, ApiError> {
        let ended = (&mut self.0).await;
        ended.unwrap_or_else(|cause| Err(ApiError::internal(format!("internal error: {cause}"))))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Pulls one tag, or all of a repository.
async fn pull_all(
    api: Arc<Api>,
    reference: Reference,
    platform: Option<Platform>,
    credentials: Credentials,
    progress: Progress,
) -> Result<Option<bytes::Bytes>, ApiError> {
    let references = if reference.is_name_only() {
        let tags = api.registries.tags(&reference, &credentials).await;
        let tags = tags.map_err(|fault| of_pull(&fault, &reference))?;
        let tagged = tags.iter().filter_map(|tag| reference.clone().with_tag(tag).ok());
        tagged.collect()
    } else {
        vec![reference.clone()]
    };
    let mut newer = false;
    for reference in references {
        let wish = Pull {
            reference,
            platform: platform.clone(),
            credentials: credentials.clone(),
        };
        let pulled = api.registries.pull(&wish, &progress).await;
        let pulled = pulled.map_err(|fault| of_pull(&fault, &wish.reference))?;
        newer |= pulled.newer;
        tell_pulled(&api, &wish.reference, &pulled);
    }
    let status = if newer {
        "Downloaded newer image"
    } else {
        "Image is up to date"
    };
    let text = format!("Status: {status} for {}", reference.familiar());
    Ok(Some(progress::status("", &text)))
}

fn tell_pulled(api: &Api, reference: &Reference, pulled: &Pulled) {
    let (id, name) = (reference.familiar(), reference.familiar_name());
    api.publish_image(Some(&pulled.image), &id, &name, "pull");
}

fn of_pull(fault: &Fault, reference: &Reference) -> ApiError {
    super::registry::refused(fault, fault.pulling(reference))
}

/// What the client says of itself. It may say nothing, and what makes no sense is nothing.
pub(super) fn credentials(call: &Call<Api>) -> Credentials {
    let said = AuthConfig::from_header(call.header(AUTH));
    said.map(|said| said.credentials).unwrap_or_default()
}

/// The reference of a pull: a `tag` that is a digest names the content.
fn pulled(name: &str, tag: &str) -> Result<Reference, ApiError> {
    let wrong = |error: image::ReferenceError| ApiError::bad(error.to_string());
    let mut reference = Reference::parse(name.trim_end_matches(':')).map_err(wrong)?;
    if let Ok(digest) = tag.parse() {
        reference.tag = None;
        reference.digest = Some(digest);
    } else if !tag.is_empty() {
        reference = reference.with_tag(tag).map_err(wrong)?;
    }
    if reference.familiar_name() == "scratch" {
        return Err(ApiError::new(
            http::StatusCode::FORBIDDEN,
            "'scratch' is a reserved name",
        ));
    }
    Ok(reference)
}

/// Docker's lines for an event.
fn lines(event: &Event) -> Vec<bytes::Bytes> {
    match event {
        Event::PullingFrom { path, subject } => {
            vec![progress::status(subject, &format!("Pulling from {path}"))]
        }
        Event::PushingTo(name) => {
            let text = format!("The push refers to repository [{name}]");
            vec![progress::status("", &text)]
        }
        Event::Layer { id, step } => vec![layer(id, step)],
        Event::Digest(digest) => vec![progress::status("", &format!("Digest: {digest}"))],
        Event::Tagged { tag, digest, size } => {
            let text = format!("{tag}: digest: {digest} size: {size}");
            let aux = json!({ "Tag": tag, "Digest": digest, "Size": size });
            vec![
                progress::status("", &text),
                progress::line(&json!({ "progressDetail": {}, "aux": aux })),
            ]
        }
        Event::InsteadOf { index, manifest } => {
            let aux = json!({
                "manifestPushedInsteadOfIndex": true, "originalIndex": index, "selectedManifest": manifest,
            });
            vec![progress::line(&json!({ "progressDetail": {}, "aux": aux }))]
        }
    }
}

fn layer(id: &str, step: &Step) -> bytes::Bytes {
    let moving = |status: &str, current: u64, total: u64| {
        let detail = json!({ "current": current, "total": total });
        let bar = bar::render(current, total);
        progress::line(&json!({ "status": status, "progressDetail": detail, "progress": bar, "id": id }))
    };
    let status = match step {
        Step::Downloading(current, total) => return moving("Downloading", *current, *total),
        Step::Pushing(current, total) => return moving("Pushing", *current, *total),
        Step::MountedFrom(name) => format!("Mounted from {name}"),
        Step::PullingFsLayer => "Pulling fs layer".to_owned(),
        Step::AlreadyExists => "Already exists".to_owned(),
        Step::DownloadComplete => "Download complete".to_owned(),
        Step::PullComplete => "Pull complete".to_owned(),
        Step::Preparing => "Preparing".to_owned(),
        Step::LayerAlreadyExists => "Layer already exists".to_owned(),
        Step::Pushed => "Pushed".to_owned(),
    };
    progress::line(&json!({ "status": status, "progressDetail": {}, "id": id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_reference_has_a_tag_or_a_digest() {
        let read = |name, tag| {
            pulled(name, tag)
                .map(|reference| reference.familiar())
                .map_err(|error| error.message)
        };
        assert_eq!(read("busybox", ""), Ok("busybox".into()));
        assert_eq!(read("busybox:", "1"), Ok("busybox:1".into()));
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(read("busybox:1", &digest), Ok(format!("busybox@{digest}")));
        assert_eq!(read("scratch", ""), Err("'scratch' is a reserved name".into()));
        assert_eq!(
            read("UP", ""),
            Err("invalid reference format: repository name (library/UP) must be lowercase".into())
        );
    }

    #[test]
    fn lines_are_docker_s() {
        let text = |event: Event| -> String {
            let lines = lines(&event);
            lines
                .iter()
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect()
        };
        let layer = |step| Event::Layer {
            id: "0123456789ab".into(),
            step,
        };
        let from = Event::PullingFrom {
            path: "library/a".into(),
            subject: "1".into(),
        };
        assert_eq!(
            text(from),
            "{\"id\":\"1\",\"status\":\"Pulling from library/a\"}\r\n"
        );
        assert_eq!(
            text(layer(Step::PullComplete)),
            "{\"id\":\"0123456789ab\",\"progressDetail\":{},\"status\":\"Pull complete\"}\r\n"
        );
        let moving = text(layer(Step::Downloading(1000, 2000)));
        assert!(
            moving.contains("\"progressDetail\":{\"current\":1000,\"total\":2000}"),
            "{moving}"
        );
        assert!(moving.contains("     1kB/2kB\""), "{moving}");
        let digest = image::Digest::of(b"");
        let tagged = text(Event::Tagged {
            tag: "1".into(),
            digest,
            size: 7,
        });
        let aux = format!(
            "{{\"aux\":{{\"Digest\":\"{digest}\",\"Size\":7,\"Tag\":\"1\"}},\"progressDetail\":{{}}}}\r\n"
        );
        assert!(tagged.ends_with(&aux), "{tagged}");
    }
}
