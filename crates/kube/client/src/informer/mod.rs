//! One view of the world, shared by all who follow it.
//!
//! An [`Informer`] is a resource's objects as a persistent ordered map, and what happens to them. Whoever does not keep
//! up is told so and looks at the map again: consumers decide from how things stand, never from counting events.

mod local;
mod reflector;
mod seat;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use apiserver::ApiServer;
use apiserver::cache::Snapshot;
use driver::Env;
use schema::object::Obj;

use crate::{Client, Discovery, Error, Resource};
use local::Local;
use reflector::Reflector;

/// How often a remote server is asked what it serves.
const REDISCOVERY: Duration = Duration::from_secs(30);

/// What happened to one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// As it is now; none if it is gone.
    pub object: Option<Arc<Obj>>,
    /// As it was; none if it is new.
    pub previous: Option<Arc<Obj>>,
}

impl Change {
    /// The object, or what it was last.
    pub fn either(&self) -> Option<&Arc<Obj>> {
        self.object.as_ref().or(self.previous.as_ref())
    }
}

/// What a consumer hears.
#[derive(Clone, Debug)]
pub enum Changes {
    /// One object has changed.
    One(Change),
    /// The consumer was too slow, or all was read anew: this is how things stand.
    All(Snapshot),
}

/// Where objects come from.
#[derive(Clone)]
enum Source {
    /// The API server's own watch cache.
    Local(ApiServer),
    /// Lists and watches, one of each for a resource.
    Remote(Arc<Remote>),
}

struct Remote {
    client: Client,
    env: Arc<dyn Env>,
    /// What anybody follows now. Those that nobody holds any more are taken out when the next one comes.
    followed: Mutex<BTreeMap<Resource, Weak<Reflector>>>,
}

/// All informers of a process. Clones share them.
#[derive(Clone)]
pub struct Informers(Source);

impl Informers {
    /// Those of the API server's own process. They stand on its watch cache: no object is in memory twice.
    pub fn in_process(server: ApiServer) -> Self {
        Self(Source::Local(server))
    }

    /// Those of another process, over a client. Each resource that is asked for has one list and one watch.
    pub fn remote(client: Client, env: Arc<dyn Env>) -> Self {
        let followed = Mutex::default();
        Self(Source::Remote(Arc::new(Remote {
            client,
            env,
            followed,
        })))
    }

    /// The informer of a resource. Over a client, the resource is followed for as long as an informer of it, or somebody
    /// who follows one, is there.
    pub fn of(&self, resource: &Resource) -> Informer {
        match &self.0 {
            Source::Local(server) => Informer(Kind::Local(Local::new(server, resource))),
            Source::Remote(remote) => Informer(Kind::Remote(remote.follow(resource))),
        }
    }

    /// What is served now.
    ///
    /// # Errors
    /// The client's.
    pub async fn discovery(&self) -> Result<Discovery, Error> {
        match &self.0 {
            Source::Local(server) => Ok(Discovery::of(server.resources())),
            Source::Remote(remote) => Discovery::read(&remote.client).await,
        }
    }

    /// Waits until what is served may have changed after `seen`, which is 0 or what this answered before. Over a client
    /// that is every 30 seconds, as upstream's controllers ask.
    pub async fn rediscovered(&self, seen: u64) -> u64 {
        match &self.0 {
            Source::Local(server) => server.resources().wait_for_change(seen).await,
            Source::Remote(remote) => {
                if seen > 0 {
                    remote.env.sleep(REDISCOVERY).await;
                }
                seen + 1
            }
        }
    }

    /// Waits until everything that this process has been told of, by answers to its writes too, is in the informers.
    /// A remote server promises no such thing: what is decided from an older state is then refused by preconditions.
    pub async fn settle(&self) {
        if let Source::Local(server) = &self.0
            && let Err(error) = server.cache().wait_for_newest().await
        {
            tracing::debug!(%error, "the cache lags");
        }
    }
}

impl Remote {
    fn follow(&self, resource: &Resource) -> Arc<Reflector> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = followed.get(resource).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let reflector = Reflector::start(&self.client, &self.env, resource);
            followed.retain(|_, reflector| reflector.strong_count() > 0);
            followed.insert(resource.clone(), Arc::downgrade(&reflector));
            reflector
        })
    }
}

enum Kind {
    Local(Local),
    Remote(Arc<Reflector>),
}

/// A resource's objects, and what happens to them.
pub struct Informer(Kind);

impl Informer {
    /// The objects, keyed `namespace/name` or `name`.
    pub fn snapshot(&self) -> Snapshot {
        match &self.0 {
            Kind::Local(local) => local.snapshot(),
            Kind::Remote(reflector) => reflector.snapshot(),
        }
    }

    /// Whether the objects were read once.
    pub fn synced(&self) -> bool {
        match &self.0 {
            Kind::Local(_) => true,
            Kind::Remote(reflector) => reflector.synced(),
        }
    }

    /// What happens from now on; the first thing heard is how things stand.
    pub fn follow(&self) -> Following {
        Following(match &self.0 {
            Kind::Local(local) => Followed::Local(local.follow()),
            Kind::Remote(reflector) => Followed::Remote(reflector.follow()),
        })
    }
}

enum Followed {
    Local(local::Following),
    Remote(seat::Following),
}

/// A consumer's place. Dropped, it is forgotten.
pub struct Following(Followed);

impl Following {
    /// The next that happened; none when the server closes. Cancel-safe.
    pub async fn next(&mut self) -> Option<Changes> {
        match &mut self.0 {
            Followed::Local(following) => following.next().await,
            Followed::Remote(following) => following.next().await,
        }
    }
}
