//! How long each stage of a start took, told by tracing's spans.
//!
//! A span with the target [`TARGET`] is a stage. It lasts from the end of the one before to its own: what
//! happens in between is part of what it prepares, and so the stages are all of the time, on a busy machine
//! too. Other spans pass by untouched. Stages are kept where both the log and the control socket can see
//! them, and whoever waits for the node is woken by each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::Subscriber;
use tracing::span::Id;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The target of spans that are stages.
pub(crate) const TARGET: &str = "gantry::stage";

/// Opens the span of a stage.
#[macro_export]
macro_rules! stage {
    ($name:literal) => {
        $crate::tracing::info_span!(target: "gantry::stage", $name)
    };
}

/// A finished stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What was done.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

impl Stage {
    /// A stage that took `time`, to the microsecond.
    #[must_use]
    pub fn new(name: impl Into<String>, time: Duration) -> Self {
        Self {
            name: name.into(),
            ms: milliseconds(time),
        }
    }
}

/// Whole microseconds, as milliseconds.
#[must_use]
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The stages so far; clones see the same ones.
#[derive(Clone, Debug)]
pub struct Stages {
    finished: watch::Sender<Vec<Stage>>,
    /// When the one before ended, in boot time.
    border: Arc<Mutex<Duration>>,
}

impl Stages {
    /// No stage yet; the first one begins now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            finished: watch::Sender::new(Vec::new()),
            border: Arc::new(Mutex::new(sys::clock::boottime())),
        }
    }

    /// Lets the next stage begin now, and answers when that is.
    pub fn begin(&self) -> Duration {
        let now = sys::clock::boottime();
        self.cross(now);
        now
    }

    /// Moves the border to `now`; answers where it was.
    fn cross(&self, now: Duration) -> Duration {
        let mut border = self.border.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *border, now)
    }

    /// Those that have finished.
    #[must_use]
    pub fn finished(&self) -> Vec<Stage> {
        self.finished.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Vec<Stage>> {
        self.finished.subscribe()
    }

    /// The layer of a subscriber that notes them.
    #[must_use]
    pub fn layer(&self) -> Layer {
        Layer(self.clone())
    }
}

impl Default for Stages {
    fn default() -> Self {
        Self::new()
    }
}

/// Notes the stages among a subscriber's spans.
#[derive(Debug)]
pub struct Layer(Stages);

impl<S> tracing_subscriber::Layer<S> for Layer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context
            .span(&id)
            .filter(|span| span.metadata().target() == TARGET)
        else {
            return;
        };
        let now = sys::clock::boottime();
        let stage = Stage::new(span.name(), now.saturating_sub(self.0.cross(now)));
        self.0.finished.send_modify(|stages| stages.push(stage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn spans_of_the_target_are_stages_in_the_order_they_finish() {
        let stages = Stages::new();
        let subscriber = tracing_subscriber::registry().with(stages.layer());
        tracing::subscriber::with_default(subscriber, || {
            stage!("first").in_scope(|| tracing::info_span!("inner").in_scope(|| ()));
            drop(stage!("second"));
        });
        let names: Vec<String> = stages.finished().into_iter().map(|stage| stage.name).collect();
        assert_eq!(names, ["first", "second"]);
    }

    #[test]
    fn times_are_kept_to_the_microsecond() {
        assert_eq!(Stage::new("x", Duration::from_nanos(1_234_567)).ms, 1.235);
    }
}
