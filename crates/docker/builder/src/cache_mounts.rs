//! Directories of `RUN --mount=type=cache`: they last from build to build.
//!
//! Each lies at `DIRECTORY/NAME/fs`, and a row in the node's store says what it is
//! (`/buildcache/mounts/NAME`, docs/formats/build-cache.md). The table in memory knows who uses it.
//! A directory without a row, or a row without its directory, is dropped at the start.

mod still;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driver::Clock;
use image::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Durability, Expect, Key, KeyRange, Op, RangeRequest, Store, Write};
use tokio::sync::Notify;

use crate::BuildError;
use crate::dockerfile::Sharing;
use crate::executor::CacheMount;

const PREFIX: &str = "/buildcache/mounts/";

/// What is written about a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountRow {
    /// Of everything that must agree for a step to get it.
    pub(crate) key: Digest,
    /// What lists show.
    pub(crate) description: String,
    pub(crate) created: Timestamp,
    pub(crate) last_used: Timestamp,
    pub(crate) uses: u64,
}

/// A directory, and who uses it.
#[derive(Clone, Debug)]
struct Entry {
    row: MountRow,
    users: usize,
    /// Others may join those who use it.
    open: bool,
    /// It does not hold yet what it is to hold at first.
    new: bool,
    /// Somebody reads it, and who wants it waits.
    still: bool,
}

/// All directories.
pub(crate) struct CacheMounts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Somebody has stopped using one.
    freed: Notify,
}

/// What [`CacheMounts::claim`] found.
enum Claim {
    /// One that is there.
    There(String),
    /// One that has to be made; whether it is the only one of its key.
    New(String, bool),
    /// Somebody else has it alone.
    Taken,
}

/// A directory in use; it is free again when this is dropped.
pub(crate) struct Held {
    mounts: Arc<CacheMounts>,
    name: String,
    /// It holds nothing yet.
    pub(crate) is_new: bool,
    /// And there is none like it.
    pub(crate) is_first: bool,
    /// What it is to hold at first was put there.
    ready: bool,
}

impl CacheMounts {
    /// Reads what there is.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub(crate) fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        directory: PathBuf,
    ) -> Result<Self, BuildError> {
        let request = RangeRequest {
            range: KeyRange::prefix(PREFIX.as_bytes()),
            revision: None,
            limit: None,
        };
        let rows = store.range(&request).wait().map_err(image::Error::from)?.rows;
        let mut entries = BTreeMap::new();
        for row in rows {
            let name = row
                .key
                .strip_prefix(PREFIX.as_bytes())
                .and_then(|name| std::str::from_utf8(name).ok());
            let (Some(name), Ok(row)) = (name, serde_json::from_slice::<MountRow>(&row.value)) else {
                continue;
            };
            if is_name(name) && directory.join(name).join("fs").is_dir() {
                let entry = Entry {
                    row,
                    users: 0,
                    open: false,
                    new: false,
                    still: false,
                };
                entries.insert(name.to_owned(), entry);
            }
        }
        let mounts = Self {
            store,
            clock,
            directory,
            entries: Mutex::new(entries),
            freed: Notify::new(),
        };
        mounts
            .clear()
            .map_err(BuildError::io("clearing the builder's caches"))?;
        Ok(mounts)
    }

    /// Removes directories that no row tells of.
    fn clear(&self) -> std::io::Result<()> {
        let there = match std::fs::read_dir(&self.directory) {
            Ok(there) => there,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in there {
            let entry = entry?;
            let known = entry
                .file_name()
                .to_str()
                .is_some_and(|name| self.lock().contains_key(name));
            if !known {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets a directory; one that somebody else has locked is waited for. Cancel-safe.
    pub(crate) async fn hold(self: &Arc<Self>, wanted: &CacheMount) -> Held {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Who is freed from here on is not missed.
            freed.as_mut().enable();
            let (name, is_new, is_first) = match self.claim(wanted) {
                Claim::There(name) => (name, false, false),
                Claim::New(name, first) => (name, true, first),
                Claim::Taken => {
                    freed.await;
                    continue;
                }
            };
            return Held {
                mounts: self.clone(),
                name,
                is_new,
                is_first,
                ready: !is_new,
            };
        }
    }

    /// Whether there is a directory of this key, or somebody makes one.
    pub(crate) fn has(&self, key: &Digest) -> bool {
        self.lock().values().any(|entry| entry.row.key == *key)
    }

    fn claim(&self, wanted: &CacheMount) -> Claim {
        let (key, now) = (key(wanted), self.now());
        let mut entries = self.lock();
        let open = wanted.sharing == Sharing::Shared;
        let mut fitting = entries.iter_mut().filter(|(_, entry)| entry.row.key == key);
        let (mut there, mut new, mut still) = (false, false, false);
        let found = fitting.find_map(|(name, entry)| {
            there = true;
            new |= entry.new;
            still |= entry.still;
            (entry.users == 0 || (open && entry.open)).then_some((name.clone(), entry))
        });
        if let Some((name, entry)) = found {
            entry.users += 1;
            entry.open = open;
            entry.row.uses += 1;
            entry.row.last_used = now;
            return Claim::There(name);
        }
        // One that is to be shared is waited for until there is something to share, and one that is read until it has been.
        if (wanted.sharing == Sharing::Locked && there) || (open && new) || still {
            return Claim::Taken;
        }
        let name = (0..)
            .map(|number: u64| format!("{}-{number}", &key.hex()[..32]))
            .find(|name| !entries.contains_key(name))
            .unwrap_or_default();
        let row = MountRow {
            key,
            description: wanted.description.clone(),
            created: now,
            last_used: now,
            uses: 0,
        };
        // Nobody joins before it holds what it is to hold at first.
        let entry = Entry {
            row,
            users: 1,
            open: false,
            new: true,
            still: false,
        };
        entries.insert(name.clone(), entry);
        Claim::New(name, !there)
    }

    fn release(&self, name: &str, keep: bool) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(name) {
            entry.users -= 1;
            if keep {
                self.write(name, Some(&entry.row));
            } else {
                entries.remove(name);
            }
        }
        drop(entries);
        self.freed.notify_waiters();
    }

    /// All directories, with their sizes, and whether somebody uses them.
    pub(crate) fn list(&self) -> Vec<(String, MountRow, bool)> {
        let entries = self.lock();
        let list = entries.iter();
        list.map(|(name, entry)| (name.clone(), entry.row.clone(), entry.users > 0))
            .collect()
    }

    /// Where a directory is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name).join("fs")
    }

    /// Removes what there is of a cache and nobody uses.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn renew(&self, key: &Digest) -> std::io::Result<()> {
        let known: Vec<String> = {
            let entries = self.lock();
            let known = entries.iter().filter(|(_, entry)| entry.row.key == *key);
            known.map(|(name, _)| name.clone()).collect()
        };
        known.iter().try_for_each(|name| self.remove(name).map(drop))
    }

    /// Removes a directory that nobody uses. Says whether it did.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn remove(&self, name: &str) -> std::io::Result<bool> {
        let mut entries = self.lock();
        if entries.get(name).is_none_or(|entry| entry.users > 0) {
            return Ok(false);
        }
        entries.remove(name);
        self.write(name, None);
        // Under the lock, so that no step makes it anew meanwhile.
        std::fs::remove_dir_all(self.directory.join(name))?;
        Ok(true)
    }

    /// Nobody waits: a row that is lost costs a cache.
    fn write(&self, name: &str, row: Option<&MountRow>) {
        let key = Key::from(format!("{PREFIX}{name}").as_str());
        let op = match row {
            Some(row) => Op::Put {
                key,
                value: serde_json::to_vec(row).unwrap_or_default().into(),
                expect: Expect::Any,
                lease: None,
            },
            None => Op::Delete {
                key,
                expect: Expect::Any,
            },
        };
        drop(self.store.write(Write {
            op,
            durability: Durability::Relaxed,
        }));
    }

    fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Held {
    /// The directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.mounts.path(&self.name)
    }

    /// It holds what it is to hold at first; from now on others may join.
    pub(crate) fn ready(&mut self, sharing: Sharing) {
        self.ready = true;
        let mut entries = self.mounts.lock();
        if let Some(entry) = entries.get_mut(&self.name) {
            entry.open = sharing == Sharing::Shared;
            entry.new = false;
            self.mounts.write(&self.name, Some(&entry.row));
        }
        drop(entries);
        self.mounts.freed.notify_waiters();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.ready {
            // What stays is removed at the next start.
            let _ = std::fs::remove_dir_all(self.mounts.directory.join(&self.name));
        }
        self.mounts.release(&self.name, self.ready);
    }
}

/// Which cache is wanted, whoever shares it.
pub(crate) fn key(wanted: &CacheMount) -> Digest {
    let CacheMount {
        id,
        from,
        mode,
        uid,
        gid,
        sharing: _,
        below: _,
        fresh: _,
        description: _,
    } = wanted;
    let path = |path: &Path| path.display().to_string();
    let from = from
        .as_ref()
        .map(|(image, below)| (image.to_string(), path(below)));
    Digest::of(format!("{id:?} {from:?} {mode} {uid} {gid}").as_bytes())
}

/// Names are made here, and are no paths.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}
