//! Events as they are sent.

use std::time::Duration;

use driver::Env;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Source;
use super::correlate::Entry;
use crate::{Client, Error, PatchKind, Resource, WriteOptions};

static EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);

/// How often an event is sent where no server can be reached, and how long the pauses are; client-go's.
const TRIES: u32 = 12;
const PAUSE: Duration = Duration::from_secs(10);

/// Writes an event: the first of its kind is made, the next ones count it up.
///
/// # Errors
/// The server's; the event is lost then.
pub(super) async fn write(
    client: &Client,
    env: &dyn Env,
    source: &Source,
    entry: &Entry,
) -> Result<(), Error> {
    let mut left = TRIES;
    loop {
        left -= 1;
        match attempt(client, source, entry).await {
            Err(Error::Transport(_)) if left > 0 => env.sleep(PAUSE).await,
            done => return done,
        }
    }
}

async fn attempt(client: &Client, source: &Source, entry: &Entry) -> Result<(), Error> {
    let options = WriteOptions::default();
    let place = EVENTS.within(namespace(entry));
    if entry.count > 1 {
        let (place, patch) = (place.named(&entry.name), again(entry).to_string());
        let patched = client.patch(place, PatchKind::Strategic, patch, &options).await;
        // One that has expired meanwhile is made again.
        match patched {
            Err(error) if error.is_not_found() => {}
            done => return done.map(drop),
        }
    }
    let event = event(source, entry).to_string();
    client.create(place, event, &options).await.map(drop)
}

/// Events of cluster-scoped objects live where everybody looks.
fn namespace(entry: &Entry) -> &str {
    match &*entry.happened.subject.namespace {
        "" => "default",
        namespace => namespace,
    }
}

/// What changes when it happens again.
fn again(entry: &Entry) -> Value {
    json!({
        "count": entry.count,
        "lastTimestamp": seconds(entry.happened.at),
        "message": entry.happened.message,
    })
}

fn event(source: &Source, entry: &Entry) -> Value {
    let happened = &entry.happened;
    let subject = &happened.subject;
    json!({
        "metadata": {"name": entry.name, "namespace": namespace(entry)},
        "involvedObject": {
            "kind": subject.kind, "namespace": subject.namespace, "name": subject.name, "uid": subject.uid,
            "apiVersion": subject.api_version, "resourceVersion": subject.resource_version,
            "fieldPath": subject.field_path,
        },
        "reason": happened.reason, "message": happened.message, "type": happened.level.as_str(),
        "source": {"component": source.component, "host": source.host},
        "reportingComponent": source.component, "reportingInstance": source.host,
        "firstTimestamp": seconds(entry.first), "lastTimestamp": seconds(happened.at), "count": entry.count,
    })
}

/// `meta/v1 Time`: RFC 3339 without fractions.
fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or_default()
        .to_string()
}
