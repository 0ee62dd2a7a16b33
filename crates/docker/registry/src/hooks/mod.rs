//! Webhooks: others hear of pushes, pulls, mounts and deletions, in docker-registry's form.
//!
//! Nobody waits for a receiver. Each has a queue of its own that is bounded: what does not fit is dropped and said in the
//! log, as is what a receiver does not take after some tries.

mod event;
mod send;

use std::sync::Arc;
use std::time::Duration;

use driver::Clock;
use http::{HeaderMap, Uri};
use https::{Caller, ServerTrust};
use image::{Digest, ServedManifest};
use serde_json::Value;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::AbortHandle;

use crate::names::Which;
use crate::route::Right;

/// Events that wait for one receiver.
const WAITING: usize = 1024;

/// Somebody who wants to hear.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where to POST: `http` or `https`.
    pub url: Uri,
    /// Further headers.
    pub headers: HeaderMap,
    /// Whose certificates it may have.
    pub trust: ServerTrust,
    /// For one try.
    pub timeout: Duration,
    /// Before the second try; twice as long before each further one.
    pub retry: Duration,
    /// Tries in all.
    pub attempts: u32,
    /// `push`, `pull`, `mount`, `delete`: what it does not want to hear of.
    pub ignore: Vec<String>,
}

/// What a request has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Manifest {
        right: Right,
        digest: Digest,
        media_type: String,
        size: u64,
        tag: Option<String>,
    },
    Blob {
        right: Right,
        digest: Digest,
        size: u64,
    },
    Mount {
        digest: Digest,
        from: String,
    },
    Deleted {
        which: Which,
    },
}

/// Who asked for it, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) repository: String,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) method: String,
    pub(crate) user_agent: String,
    pub(crate) user: String,
}

impl Happened {
    pub(crate) fn manifest(right: Right, manifest: &ServedManifest, tag: Option<String>) -> Self {
        Self::Manifest {
            right,
            digest: manifest.digest,
            media_type: manifest.media_type.clone(),
            size: manifest.bytes.len() as u64,
            tag,
        }
    }

    fn action(&self) -> &'static str {
        match self {
            Self::Manifest { right, .. } | Self::Blob { right, .. } => right.action(),
            Self::Mount { .. } => "mount",
            Self::Deleted { .. } => "delete",
        }
    }
}

/// The receivers.
pub(crate) struct Hooks {
    queues: Vec<Queue>,
    source: event::Source,
    clock: Arc<dyn Clock>,
}

struct Queue {
    ignore: Vec<String>,
    url: String,
    events: Sender<Arc<Value>>,
    task: AbortHandle,
}

impl Hooks {
    /// Begins to send, on the current executor.
    pub(crate) fn open(
        webhooks: Vec<Webhook>,
        caller: &Caller,
        address: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let queue = |webhook: Webhook| {
            let (events, waiting) = mpsc::channel(WAITING);
            Queue {
                ignore: webhook.ignore.clone(),
                url: webhook.url.to_string(),
                events,
                task: tokio::spawn(send::run(webhook, caller.clone(), waiting)).abort_handle(),
            }
        };
        Self {
            queues: webhooks.into_iter().map(queue).collect(),
            source: event::Source::new(address),
            clock,
        }
    }

    /// Puts it in the queues of those who want to hear of it.
    pub(crate) fn tell(&self, happened: Happened, asked: impl FnOnce() -> Asked) {
        let action = happened.action();
        let mut wanted = self
            .queues
            .iter()
            .filter(|queue| !queue.ignore.iter().any(|each| each == action))
            .peekable();
        if wanted.peek().is_none() {
            return;
        }
        let event = Arc::new(event::event(&happened, &asked(), &self.source, self.clock.wall()));
        for queue in wanted {
            if queue.events.try_send(event.clone()).is_err() {
                tracing::warn!(
                    url = queue.url,
                    action,
                    "a webhook does not keep up: an event is dropped"
                );
            }
        }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.queues.iter().for_each(|queue| queue.task.abort());
    }
}
