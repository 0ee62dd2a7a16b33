//! Events: what people are told of an object.

use std::sync::Arc;

use client::{Client, WriteOptions};
use driver::Env;
use schema::object::Meta;
use serde_json::json;

use crate::resources::EVENTS;

/// Tells people what happened, in the name of one controller.
#[derive(Clone)]
pub(crate) struct Recorder {
    client: Client,
    env: Arc<dyn Env>,
    component: &'static str,
}

/// Of which kind an object is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindOf<'a> {
    pub(crate) api_version: &'a str,
    pub(crate) kind: &'a str,
}

impl Recorder {
    pub(crate) fn new(client: Client, env: Arc<dyn Env>, component: &'static str) -> Self {
        Self {
            client,
            env,
            component,
        }
    }

    /// Writes a warning. One that cannot be written is lost: it is for people.
    pub(crate) async fn warn(&self, kind: KindOf<'_>, meta: &Meta, reason: &str, message: &str) {
        let wall = self.env.wall();
        let now = jiff::Timestamp::try_from(wall).unwrap_or_default();
        let time = jiff::Timestamp::from_second(now.as_second())
            .unwrap_or_default()
            .to_string();
        let namespace = match &*meta.namespace {
            "" => "default",
            namespace => namespace,
        };
        let name = format!("{}.{:x}", meta.name, now.as_nanosecond());
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "kind": kind.kind, "apiVersion": kind.api_version,
                "namespace": meta.namespace, "name": meta.name, "uid": meta.uid,
            },
            "reason": reason, "message": message, "type": "Warning", "count": 1,
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "firstTimestamp": time, "lastTimestamp": time,
        });
        let place = EVENTS.within(namespace);
        let written = self
            .client
            .create(place, event.to_string(), &WriteOptions::default())
            .await;
        if let Err(error) = written {
            tracing::debug!(%error, reason, "an event was not written");
        }
    }
}
