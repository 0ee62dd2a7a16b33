//! Events: what people are told of an object (`core/v1 Event`).
//!
//! Telling never waits. A [`Recorder`] hands what happened to a task of its own, which first makes less of it, as
//! client-go does (`correlate`): the same thing twice is one event with a count, many similar things are one event that
//! says so, and a source that talks too much about one object is not heard. Events are for people: what cannot be
//! written, or comes when a thousand others wait, is lost.

mod correlate;
mod recent;
mod write;

use std::sync::Arc;

use async_channel::{Receiver, Sender};
use driver::Env;
use schema::object::Obj;

use crate::{Client, Resource};
use correlate::Correlator;

/// Events that wait to be written at most; client-go's.
const CAPACITY: usize = 1_000;

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What should happen.
    Normal,
    /// What somebody may have to look at.
    Warning,
}

impl Level {
    /// As events write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What an event is about (`core/v1 ObjectReference`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// `apps/v1`
    pub api_version: Box<str>,
    /// `Deployment`
    pub kind: Box<str>,
    /// Empty for cluster-scoped objects.
    pub namespace: Box<str>,
    /// The object's name.
    pub name: Box<str>,
    /// The object's uid; for nodes their name, as kubelets write.
    pub uid: Box<str>,
    /// The version that was looked at; empty where none was.
    pub resource_version: Box<str>,
    /// `spec.containers{web}`; empty for the whole object.
    pub field_path: Box<str>,
}

impl Subject {
    /// An object of a resource.
    pub fn of(resource: &Resource, object: &Obj) -> Self {
        let meta = &object.meta;
        Self {
            api_version: resource.api_version().into(),
            kind: (*resource.kind).into(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: object.rev.0.to_string().into(),
            field_path: Box::default(),
        }
    }

    /// A part of the object.
    #[must_use]
    pub fn part(mut self, field_path: &str) -> Self {
        self.field_path = field_path.into();
        self
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Happened {
    subject: Subject,
    level: Level,
    reason: Box<str>,
    message: Box<str>,
    at: jiff::Timestamp,
}

/// Who tells.
#[derive(Clone, Debug)]
struct Source {
    component: &'static str,
    /// The node, of kubelets; else empty.
    host: Box<str>,
}

/// Tells people what happened, in the name of one component. Clones tell through the same task, which ends with the last
/// of them.
#[derive(Clone)]
pub struct Recorder {
    telling: Sender<Happened>,
    env: Arc<dyn Env>,
}

impl Recorder {
    /// A recorder whose events come from `component` (`deployment-controller`) on `host`, which is empty for those that
    /// belong to no node.
    pub fn start(client: Client, env: &Arc<dyn Env>, component: &'static str, host: &str) -> Self {
        let (telling, told) = async_channel::bounded(CAPACITY);
        let source = Source {
            component,
            host: host.into(),
        };
        env.spawn(Box::pin(record(told, client, env.clone(), source)));
        let env = env.clone();
        Self { telling, env }
    }

    /// Tells that something happened to an object. `reason` is one word (`SuccessfulCreate`), `message` a sentence.
    pub fn event(&self, subject: &Subject, level: Level, reason: &str, message: impl Into<Box<str>>) {
        let happened = Happened {
            subject: subject.clone(),
            level,
            reason: reason.into(),
            message: message.into(),
            at: jiff::Timestamp::try_from(self.env.wall()).unwrap_or_default(),
        };
        if self.telling.try_send(happened).is_err() {
            tracing::debug!(reason, object = %subject.name, "too many events wait: one is lost");
        }
    }
}

/// Writes what is told, one after the other, until nobody can tell any more.
async fn record(told: Receiver<Happened>, client: Client, env: Arc<dyn Env>, source: Source) {
    let mut correlator = Correlator::default();
    let mut rng = env.rng();
    while let Ok(happened) = told.recv().await {
        let Some(entry) = correlator.correlate(happened, &mut rng) else {
            continue;
        };
        if let Err(error) = write::write(&client, &*env, &source, &entry).await {
            let (reason, object) = (&entry.happened.reason, &entry.happened.subject.name);
            tracing::debug!(%error, %reason, %object, "an event was not written");
        }
    }
}

#[cfg(test)]
mod tests;
