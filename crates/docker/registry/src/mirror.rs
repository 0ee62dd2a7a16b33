//! The pull-through cache: what is asked of another registry's names (`?ns=HOST`, or all names where there is a default)
//! and is not here is fetched, kept and served.
//!
//! It is kept under names of its own (`HOST.mirror.invalid/NAME`): what a client of the cache asks for must not change
//! what the node's own tags stand for. A tag is asked about again after a while; where nobody answers, what is here is
//! served. The same thing is fetched once, however many ask for it, and all of them have its bytes as they come.

mod coming;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driver::Instant;
use image::{Blob, Digest, Reference};

use crate::call::Call;
use crate::error::Fault;
use crate::names::{self, Place, Which};
use crate::state::blocking;
use crate::uploads;
use crate::upstream::Upstream;
pub(crate) use coming::Coming;
pub use coming::ComingBody;

/// Tags whose age is known.
const KNOWN: usize = 4096;
/// Blobs that are fetched at once. More wait.
const AT_ONCE: usize = 64;

/// Which registries are fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorConfig {
    /// Hosts of `?ns=`; `*` is all.
    pub hosts: Vec<String>,
    /// The registry that names without `?ns=` are fetched from.
    pub default: Option<String>,
    /// How long a tag is believed.
    pub fresh: Duration,
}

impl Default for MirrorConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            default: None,
            fresh: Duration::from_secs(60),
        }
    }
}

pub(crate) struct Mirror {
    config: MirrorConfig,
    upstream: Option<Arc<dyn Upstream>>,
    checked: Mutex<HashMap<String, Instant>>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// What is on its way, by repository and digest.
    coming: Arc<Mutex<HashMap<(String, Digest), Coming>>>,
    room: Arc<tokio::sync::Semaphore>,
}

/// What there is of a blob of another registry.
pub(crate) enum Fetched {
    /// It is here.
    Here(Blob),
    /// It is on its way.
    Coming(Coming),
}

/// Where something comes from, and under which name it is kept.
struct Origin {
    upstream: Arc<dyn Upstream>,
    /// There: `docker.io/library/debian`.
    there: String,
    /// Here.
    here: String,
}

impl Mirror {
    pub(crate) fn new(config: MirrorConfig, upstream: Option<Arc<dyn Upstream>>) -> Self {
        Self {
            config,
            upstream,
            checked: Mutex::default(),
            turns: Mutex::default(),
            coming: Arc::default(),
            room: Arc::new(tokio::sync::Semaphore::new(AT_ONCE)),
        }
    }

    /// The registry that a repository is fetched from, if it is from any.
    fn host<'a>(&'a self, namespace: Option<&'a str>) -> Option<&'a str> {
        self.upstream.as_ref()?;
        match namespace {
            Some(host) => self
                .config
                .hosts
                .iter()
                .any(|each| each == host || each == "*")
                .then_some(host),
            None => self.config.default.as_deref(),
        }
    }

    /// Also looks where fetched things are kept.
    pub(crate) fn place(&self, mut place: Place) -> Place {
        let namespace = place.namespace.clone();
        if let Some(host) = self.host(namespace.as_deref()) {
            let kept = format!("{}/{}", image::fetched_from(host), place.name.as_str());
            let good = kept.len() <= names::MAX_NAME && Reference::parse(&kept).is_ok();
            // Under another registry's name what comes from there goes before what the node knows by it.
            let at = if namespace.is_some() { 0 } else { place.whole.len() };
            if good {
                place.whole.insert(at, kept);
            }
        }
        place
    }

    fn origin(&self, call: &Call<'_>) -> Option<Origin> {
        let place = call.place().ok()?;
        let host = self.host(place.namespace.as_deref())?;
        let name = place.name.as_str();
        let here = format!("{}/{name}", image::fetched_from(host));
        place.whole.contains(&here).then_some(Origin {
            upstream: self.upstream.clone()?,
            there: format!("{host}/{name}"),
            here,
        })
    }

    /// Asks whether a tag that is here names something else by now.
    pub(crate) async fn refresh_manifest(&self, call: &Call<'_>, which: &Which) -> Result<(), Fault> {
        let (Some(origin), Which::Tag(_)) = (self.origin(call), which) else {
            return Ok(());
        };
        let (here, there) = (
            names::reference(&origin.here, which)?,
            names::reference(&origin.there, which)?,
        );
        let Some(known) = call.state.content.known(&here) else {
            // What the node itself knows by another registry's name may be older than what that one has.
            if call.place()?.namespace.is_some() {
                self.fetch_manifest(call, which).await?;
            }
            return Ok(());
        };
        if self.is_fresh(&here, call.state.clock.now()) {
            return Ok(());
        }
        match origin.upstream.head(there).await {
            Ok(Some(now)) if now != known => drop(self.fetch_manifest(call, which).await?),
            Ok(_) => self.check(&here, call.state.clock.now()),
            Err(error) => {
                tracing::debug!(%here, error, "a tag cannot be asked about: what is here is served");
            }
        }
        Ok(())
    }

    /// Fetches a manifest; false if there is none.
    pub(crate) async fn fetch_manifest(&self, call: &Call<'_>, which: &Which) -> Result<bool, Fault> {
        let Some(origin) = self.origin(call) else {
            return Ok(false);
        };
        let (here, there) = (
            names::reference(&origin.here, which)?,
            names::reference(&origin.there, which)?,
        );
        let _turn = self.turn(&here.to_string()).await;
        if self.is_fresh(&here, call.state.clock.now()) && call.state.content.known(&here).is_some() {
            return Ok(true);
        }
        let manifest = match origin.upstream.manifest(there).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(false),
            Err(error) => {
                tracing::warn!(%here, error, "a manifest cannot be fetched");
                return Ok(false);
            }
        };
        let named = Digest::by(manifest.digest.algorithm(), &manifest.bytes);
        if manifest.digest != named || matches!(which, Which::Digest(wanted) if *wanted != named) {
            tracing::warn!(%here, "another registry gave a manifest that is not what it says");
            return Ok(false);
        }
        let (content, reference) = (call.state.content.clone(), here.clone());
        blocking(move || content.cache_manifest(&reference, manifest)).await?;
        self.check(&here, call.state.clock.now());
        Ok(true)
    }

    /// Begins to fetch a blob, unless it is here or on its way; none if there is none.
    pub(crate) async fn fetch_blob(&self, call: &Call<'_>, digest: Digest) -> Result<Option<Fetched>, Fault> {
        let Some(origin) = self.origin(call) else {
            return Ok(None);
        };
        let _turn = self.turn(&format!("{} {digest}", origin.here)).await;
        let key = (origin.here.clone(), digest);
        if let Some(coming) = self.lock_coming().get(&key) {
            return Ok(Some(Fetched::Coming(coming.clone())));
        }
        let (content, here) = (call.state.content.clone(), origin.here.clone());
        if let Some(blob) = blocking(move || content.blob(&here, &digest)).await? {
            return Ok(Some(Fetched::Here(blob)));
        }
        let Ok(room) = self.room.clone().acquire_owned().await else {
            return Ok(None);
        };
        let blob = match origin.upstream.blob(origin.there, digest).await {
            Ok(Some(blob)) => blob,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::warn!(%digest, error, "a blob cannot be fetched");
                return Ok(None);
            }
        };
        if coming::refused(&digest, blob.size, call.state.limits.blob) {
            return Ok(None);
        }
        let (content, keeper) = (call.state.content.clone(), call.state.content.clone());
        let (coming, writer) =
            blocking(move || coming::begin(blob, content.upload(digest.algorithm()))).await?;
        self.lock_coming().insert(key.clone(), coming.clone());
        let (all, upkeep) = (self.coming.clone(), call.state.upkeep.clone());
        // It is kept even if nobody waits for it any more.
        tokio::spawn(async move {
            let gone = || drop(all.lock().unwrap_or_else(PoisonError::into_inner).remove(&key));
            writer.run(digest, origin.here.clone(), gone).await;
            uploads::settle(keeper, origin.here, digest);
            upkeep.links();
            drop(room);
        });
        Ok(Some(Fetched::Coming(coming)))
    }

    fn lock_coming(&self) -> std::sync::MutexGuard<'_, HashMap<(String, Digest), Coming>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else fetches the same.
    async fn turn(&self, key: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            turns.entry(key.to_owned()).or_default().clone()
        };
        turn.lock_owned().await
    }

    fn is_fresh(&self, reference: &Reference, now: Instant) -> bool {
        let checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let at = checked.get(&reference.to_string());
        at.is_some_and(|at| now.saturating_since(*at) < self.config.fresh)
    }

    fn check(&self, reference: &Reference, now: Instant) {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= KNOWN {
            // They are asked about once more; that is all.
            checked.clear();
        }
        checked.insert(reference.to_string(), now);
    }
}
