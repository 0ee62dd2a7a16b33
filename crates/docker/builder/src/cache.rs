//! The build cache: which image a step on a parent makes.
//!
//! A step's key is a digest over everything that goes into it; the row behind it names an image.
//! Rows lie in the node's store (`/buildcache/steps/KEY`) and in memory, so a look-up costs a map
//! access. They are written relaxed: a row that is lost is a step done again, and a row whose
//! image is gone is dropped when it is met.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driver::Clock;
use image::{Digest, Hasher, RunConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Durability, Expect, Key, KeyRange, Op, Pending, RangeRequest, Store, Write, Written};

use crate::copy::Known;

const PREFIX: &str = "/buildcache/steps/";

/// At most so many steps are remembered; the least recently used one makes room.
const MAX_STEPS: usize = 16_384;
/// A step's last use is written down in so many seconds once.
const COARSE: i64 = 3600;
/// At most so many hashes of paths in images are remembered.
const MAX_PATHS: usize = 16_384;

/// A step that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepRow {
    /// The image it made.
    pub(crate) image: Digest,
    /// The image it was carried out on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Digest>,
    /// The command line in the history.
    pub(crate) description: String,
    pub(crate) created: Timestamp,
    pub(crate) last_used: Timestamp,
    /// How often it was used since it was carried out.
    #[serde(default)]
    pub(crate) uses: u64,
}

/// The build cache.
pub(crate) struct Cache {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    steps: Mutex<BTreeMap<Digest, StepRow>>,
    paths: Mutex<HashMap<(Digest, PathBuf), String>>,
}

impl Cache {
    /// Reads the cache. A row that is none of ours is left alone and not used.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, store::Error> {
        let request = RangeRequest {
            range: KeyRange::prefix(PREFIX.as_bytes()),
            revision: None,
            limit: None,
        };
        let rows = store.range(&request).wait()?.rows;
        let steps = rows.iter().filter_map(|row| {
            let hex = std::str::from_utf8(row.key.strip_prefix(PREFIX.as_bytes())?).ok()?;
            Some((
                Digest::from_hex(hex).ok()?,
                serde_json::from_slice(&row.value).ok()?,
            ))
        });
        let steps = Mutex::new(steps.collect());
        Ok(Self {
            store,
            clock,
            steps,
            paths: Mutex::default(),
        })
    }

    /// The image that a step made, if it was carried out before.
    pub(crate) fn get(&self, key: &Digest) -> Option<Digest> {
        lock(&self.steps).get(key).map(|row| row.image)
    }

    /// Counts a use.
    pub(crate) fn used(&self, key: &Digest) {
        let now = self.now();
        let mut steps = lock(&self.steps);
        let Some(row) = steps.get_mut(key) else { return };
        // On the disk to the hour: what a restart forgets of a step's uses is little.
        let hour = |time: Timestamp| time.as_second() / COARSE;
        let stale = hour(now) != hour(row.last_used);
        row.last_used = now;
        row.uses += 1;
        if stale && let Ok(value) = serde_json::to_vec(row) {
            drop(self.write(Op::Put {
                key: store_key(key),
                value: value.into(),
                expect: Expect::Any,
                lease: None,
            }));
        }
    }

    /// Remembers a step; it survives the death of this process when this returns.
    pub(crate) async fn put(&self, key: Digest, image: Digest, parent: Option<Digest>, description: String) {
        let now = self.now();
        let row = StepRow {
            image,
            parent,
            description,
            created: now,
            last_used: now,
            uses: 0,
        };
        let value = serde_json::to_vec(&row).unwrap_or_default();
        let oldest = {
            let mut steps = lock(&self.steps);
            steps.insert(key, row);
            let full = steps.len() > MAX_STEPS;
            full.then(|| {
                steps
                    .iter()
                    .min_by_key(|(_, row)| row.last_used)
                    .map(|(key, _)| *key)
            })
            .flatten()
        };
        let written = self.write(Op::Put {
            key: store_key(&key),
            value: value.into(),
            expect: Expect::Any,
            lease: None,
        });
        if let Err(error) = written.await {
            tracing::debug!(%error, "a step is not remembered");
        }
        oldest.into_iter().for_each(|key| self.forget(&key));
    }

    /// Forgets a step.
    pub(crate) fn forget(&self, key: &Digest) {
        if lock(&self.steps).remove(key).is_some() {
            // Nobody waits: a row that comes back is dropped again when it is met.
            drop(self.write(Op::Delete {
                key: store_key(key),
                expect: Expect::Any,
            }));
        }
    }

    /// All steps, by key.
    pub(crate) fn steps(&self) -> Vec<(Digest, StepRow)> {
        lock(&self.steps)
            .iter()
            .map(|(key, row)| (*key, row.clone()))
            .collect()
    }

    fn write(&self, op: Op) -> Pending<Written> {
        self.store.write(Write {
            op,
            durability: Durability::Relaxed,
        })
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn store_key(key: &Digest) -> Key {
    Key::from(format!("{PREFIX}{}", key.hex()).as_str())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hashes of paths in one image, which never changes.
pub(crate) struct ImagePaths {
    pub(crate) cache: Arc<Cache>,
    pub(crate) image: Digest,
}

impl Known for ImagePaths {
    fn get(&self, path: &Path) -> Option<String> {
        lock(&self.cache.paths)
            .get(&(self.image, path.to_owned()))
            .cloned()
    }

    fn put(&self, path: &Path, hash: &str) {
        let mut paths = lock(&self.cache.paths);
        if paths.len() >= MAX_PATHS {
            paths.clear();
        }
        paths.insert((self.image, path.to_owned()), hash.to_owned());
    }
}

/// What goes into a step's key.
#[derive(Debug)]
pub(crate) struct KeyParts<'a> {
    /// The image below.
    pub(crate) parent: Option<&'a Digest>,
    /// `linux/amd64`: an empty parent says nothing of it.
    pub(crate) platform: &'a str,
    pub(crate) author: &'a str,
    /// As it is after the step.
    pub(crate) config: &'a RunConfig,
    /// The command line in the history, which names the hash of files that are copied and the
    /// build arguments that a command sees.
    pub(crate) command: &'a [String],
    /// Text of a here-document's program.
    pub(crate) script: &'a str,
    /// What else the step depends on: mounts, network, the time everything is to have.
    pub(crate) more: &'a [String],
}

impl KeyParts<'_> {
    /// The key. Fields are written with their lengths, so that no two steps read alike.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(b"gantry build step 1");
        field(self.parent.map(Digest::to_string).unwrap_or_default().as_bytes());
        field(self.platform.as_bytes());
        field(self.author.as_bytes());
        field(&serde_json::to_vec(self.config).unwrap_or_default());
        field(self.script.as_bytes());
        self.command.iter().for_each(|word| field(word.as_bytes()));
        if !self.more.is_empty() {
            field(b"more");
            self.more.iter().for_each(|word| field(word.as_bytes()));
        }
        hasher.digest()
    }
}
