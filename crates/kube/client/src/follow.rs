//! A collection followed for good: one list, then one watch after the other, and a new list where the server has
//! forgotten what was seen last (client-go's reflector).

use std::sync::Arc;
use std::time::Duration;

use driver::{Env, Instant, Rng};

use crate::{Client, Error, Event, ListOptions, Object, Resource, Selectors, Watch, WatchOptions};

/// The first pause after a failure, and the longest; client-go's.
const PAUSE: (Duration, Duration) = (Duration::from_millis(800), Duration::from_secs(30));

/// What came so long after the failure before is a new trouble.
const QUIET: Duration = Duration::from_secs(120);

/// What following a collection brings.
#[derive(Debug)]
pub enum Step {
    /// This is all there is. What is known from before and not here is gone.
    Listed {
        /// The objects.
        objects: Vec<Object>,
        /// As of when.
        resource_version: String,
    },
    /// Something has happened since. Bookmarks are told too.
    Happened(Event),
}

enum State {
    /// Nothing is known, or it is forgotten.
    Unlisted,
    /// Everything up to this version is told.
    Told(String),
    /// The same, with a watch.
    Watching(Box<Watch>, String),
}

/// Follows a collection.
pub struct Follow {
    client: Client,
    env: Arc<dyn Env>,
    resource: Resource,
    namespace: String,
    selectors: Selectors,
    state: State,
    pause: Pause,
}

impl Follow {
    /// Of these objects; an empty namespace means all.
    pub fn new(
        client: Client,
        env: Arc<dyn Env>,
        resource: Resource,
        namespace: &str,
        selectors: Selectors,
    ) -> Self {
        Self {
            pause: Pause::new(env.rng()),
            client,
            env,
            resource,
            namespace: namespace.to_owned(),
            selectors,
            state: State::Unlisted,
        }
    }

    /// Goes on from a version that is known.
    #[must_use]
    pub fn from(self, resource_version: &str) -> Self {
        let state = State::Told(resource_version.to_owned());
        Self { state, ..self }
    }

    /// What comes next. Failures are tried again, ever more slowly; they are told to `failed`.
    pub async fn next(&mut self, mut failed: impl FnMut(&Error)) -> Step {
        loop {
            match self.advance().await {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(error) if error.is_expired() => self.state = State::Unlisted,
                Err(error) => {
                    failed(&error);
                    let pause = self.pause.next(self.env.now());
                    self.env.sleep(pause).await;
                }
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<Step>, Error> {
        match std::mem::replace(&mut self.state, State::Unlisted) {
            State::Unlisted => self.list().await.map(Some),
            State::Told(version) => {
                self.state = State::Told(version.clone());
                let watch = self.watch(&version).await?;
                self.state = State::Watching(Box::new(watch), version);
                Ok(None)
            }
            State::Watching(watch, version) => self.hear(watch, version).await,
        }
    }

    async fn list(&mut self) -> Result<Step, Error> {
        let options = ListOptions {
            selectors: self.selectors.clone(),
            ..ListOptions::default()
        };
        let place = self.resource.within(&self.namespace);
        let list = self.client.list_all(place, &options).await?;
        self.state = State::Told(list.resource_version.clone());
        Ok(Step::Listed {
            objects: list.items,
            resource_version: list.resource_version,
        })
    }

    async fn watch(&mut self, version: &str) -> Result<Watch, Error> {
        let options = WatchOptions {
            selectors: self.selectors.clone(),
            resource_version: version.to_owned(),
            timeout_seconds: 0,
        };
        let place = self.resource.within(&self.namespace);
        self.client.watch(place, &options).await
    }

    /// A watch that ends is begun again where it ended; only one that told nothing at all is waited after.
    async fn hear(&mut self, mut watch: Box<Watch>, version: String) -> Result<Option<Step>, Error> {
        self.state = State::Told(version.clone());
        match watch.next().await? {
            Some(event) => {
                self.pause.calm();
                self.state = State::Watching(watch, event.resource_version());
                Ok(Some(Step::Happened(event)))
            }
            None => {
                let pause = self.pause.next(self.env.now());
                self.env.sleep(pause).await;
                Ok(None)
            }
        }
    }
}

/// Ever longer pauses, with chance in them so that not all clients of a server come back at once.
struct Pause {
    rng: Rng,
    failures: u32,
    last: Option<Instant>,
}

impl Pause {
    fn new(rng: Rng) -> Self {
        Self {
            rng,
            failures: 0,
            last: None,
        }
    }

    fn calm(&mut self) {
        self.failures = 0;
    }

    fn next(&mut self, now: Instant) -> Duration {
        let quiet = self.last.is_some_and(|last| now.saturating_since(last) > QUIET);
        self.failures = if quiet { 0 } else { self.failures };
        self.last = Some(now);
        let (first, longest) = PAUSE;
        let pause = first.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures += 1;
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        pause + Duration::from_millis(self.rng.below(millis.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_quiet() {
        let mut pause = Pause::new(Rng::from_seed(1));
        let mut now = Instant::from_origin(Duration::ZERO);
        let pauses: Vec<Duration> = (0..12).map(|_| pause.next(now)).collect();
        assert!(pauses[0] >= PAUSE.0 && pauses[0] < 2 * PAUSE.0, "{pauses:?}");
        assert!(pauses[11] >= PAUSE.1 && pauses[11] < 2 * PAUSE.1, "{pauses:?}");
        now = now.saturating_add(2 * QUIET);
        assert!(pause.next(now) < 2 * PAUSE.0);
    }
}
