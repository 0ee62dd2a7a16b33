//! Events in docker-registry's form ("Notifications").

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Asked, Happened};
use crate::names::Which;
use crate::uploads::table::UploadId;

/// Which registry says it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    address: String,
    instance: String,
}

impl Source {
    pub(crate) fn new(address: String) -> Self {
        Self {
            address,
            instance: id(),
        }
    }
}

fn id() -> String {
    // Without chance events have one id, and are sent.
    UploadId::new(pki::random().unwrap_or_default()).to_string()
}

pub(crate) fn event(happened: &Happened, asked: &Asked, source: &Source, now: SystemTime) -> Value {
    let time = Timestamp::try_from(now)
        .map(|time| time.to_string())
        .unwrap_or_default();
    json!({
        "id": id(),
        "timestamp": time,
        "action": happened.action(),
        "target": target(happened, asked),
        "request": {
            "id": id(),
            "addr": asked.client,
            "host": asked.host,
            "method": asked.method,
            "useragent": asked.user_agent,
        },
        "actor": if asked.user.is_empty() { json!({}) } else { json!({"name": asked.user}) },
        "source": {"addr": source.address, "instanceID": source.instance},
    })
}

fn target(happened: &Happened, asked: &Asked) -> Value {
    let repository = &asked.repository;
    let url = |kind: &str, digest: &dyn std::fmt::Display| {
        format!("http://{}/v2/{repository}/{kind}/{digest}", asked.host)
    };
    let mut target = match happened {
        Happened::Manifest {
            digest,
            media_type,
            size,
            ..
        } => json!({
            "mediaType": media_type, "size": size, "length": size,
            "digest": digest.to_string(), "url": url("manifests", digest),
        }),
        Happened::Blob { digest, size, .. } => json!({
            "mediaType": "application/octet-stream", "size": size, "length": size,
            "digest": digest.to_string(), "url": url("blobs", digest),
        }),
        Happened::Mount { digest, from } => json!({
            "mediaType": "application/octet-stream", "fromRepository": from,
            "digest": digest.to_string(), "url": url("blobs", digest),
        }),
        Happened::Deleted {
            which: Which::Digest(digest),
        } => json!({"digest": digest.to_string()}),
        Happened::Deleted {
            which: Which::Tag(tag),
        } => json!({ "tag": tag }),
    };
    target["repository"] = json!(repository);
    if let Happened::Manifest { tag: Some(tag), .. } = happened {
        target["tag"] = json!(tag);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Right;
    use image::Digest;

    #[test]
    fn an_event_has_docker_registrys_form() {
        let asked = Asked {
            repository: "team/x".into(),
            client: "127.0.0.1:4242".into(),
            host: "localhost:5000".into(),
            method: "PUT".into(),
            user_agent: "test".into(),
            user: "ann".into(),
        };
        let digest = Digest::of(b"");
        let happened = Happened::Manifest {
            right: Right::Push,
            digest,
            media_type: "m".into(),
            size: 7,
            tag: Some("v1".into()),
        };
        let event = event(
            &happened,
            &asked,
            &Source::new("a:1".into()),
            SystemTime::UNIX_EPOCH,
        );
        assert_eq!(
            (&event["action"], &event["timestamp"]),
            (&json!("push"), &json!("1970-01-01T00:00:00Z"))
        );
        assert_eq!(
            event["target"],
            json!({
                "mediaType": "m", "size": 7, "length": 7, "digest": digest.to_string(), "repository": "team/x",
                "url": format!("http://localhost:5000/v2/team/x/manifests/{digest}"), "tag": "v1",
            })
        );
        assert_eq!(
            (&event["actor"]["name"], &event["request"]["useragent"]),
            (&json!("ann"), &json!("test"))
        );
    }
}
