//! Volumes: directories that outlive containers (`docker volume`), upstream's `local` driver.
//!
//! `DIR/NAME/_data` is the data, a row in the node's store under `/volumes/NAME` the rest. The
//! two cannot be changed together, so their order makes every crash harmless: a directory without
//! a row is a volume (data is never lost), a row without a directory is none, and a removed volume
//! is first renamed to a name no volume can have, which the next open clears away.
//!
//! Everything blocks; callers with an executor call from a blocking thread. The lock is held for
//! lookups only. A volume in use is held by its users (containers by id), told by the engine at
//! create and at every open: they are not rows.

mod copy_up;
mod driver;
mod mounts;
mod prune;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::driver::{Clock, Rng};
use driver::Options;
use jiff::Timestamp;
use store::Store;

use crate::Error;
use crate::events::{Actor, Event, Events, Kind};

pub use mounts::Mounted;
pub use prune::{LabelFilter, PruneFilter, Pruned};

/// The label of a volume that was made without a name.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// The one driver there is.
pub const LOCAL: &str = "local";

/// What a removed volume's directory is renamed to: no volume's name begins with a dot.
const REMOVING: &str = ".removing-";

/// A volume to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its name; empty for an anonymous volume, which gets 64 hexadecimal digits and a label.
    pub name: String,
    /// Its driver; empty for `local`.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The driver's options as given.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// Where its data is on the host: `Mountpoint` of inspect.
    pub mountpoint: PathBuf,
}

impl Volume {
    /// Whether it was made without a name.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.labels.contains_key(ANONYMOUS)
    }

    fn root(&self) -> &Path {
        self.mountpoint.parent().unwrap_or(&self.mountpoint)
    }
}

/// The volumes of the node. Cloning is cheap.
#[derive(Clone)]
pub struct Volumes(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    events: Events,
    table: Mutex<Table>,
}

struct Table {
    rng: Rng,
    volumes: BTreeMap<String, Arc<Volume>>,
    /// Volumes on their way out: no longer found, not yet gone.
    removing: BTreeSet<String>,
    /// Containers by volume.
    users: BTreeMap<String, BTreeSet<String>>,
    /// Containers that have it mounted, by volume; for volumes that are a file system.
    mounted: BTreeMap<String, BTreeSet<String>>,
}

impl Volumes {
    /// Opens the volumes in `directory`, which is made if it does not exist, and finishes what a
    /// crash left.
    ///
    /// # Errors
    /// The directory cannot be read or written, or the store cannot.
    pub fn open(
        directory: PathBuf,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        rng: Rng,
        events: Events,
    ) -> Result<Self, Error> {
        make_directory(&directory, 0o701).map_err(system("making the directory of volumes"))?;
        let volumes = rows::load(&directory, store.as_ref())?;
        let table = Table {
            rng,
            volumes,
            removing: BTreeSet::new(),
            users: BTreeMap::new(),
            mounted: mounts::present(&directory),
        };
        let inner = Inner {
            directory,
            store,
            clock,
            events,
            table: Mutex::new(table),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Makes a volume, or answers the one that has the name already; `true` if it was made.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or an option that cannot be, [`Error::NotFound`] for another
    /// driver, [`Error::Conflict`] while a volume of that name is being removed.
    pub fn create(&self, mut spec: VolumeSpec) -> Result<(Arc<Volume>, bool), Error> {
        if spec.name.is_empty() {
            spec.name = self.lock().random_name();
            spec.labels.insert(ANONYMOUS.to_owned(), String::new());
        }
        let name = spec.name.clone();
        let named = |text: String| format!("create {name}: {text}");
        driver::check_driver(&spec.driver).map_err(|text| Error::NotFound(named(text)))?;
        driver::check_name(&spec.name).map_err(|text| Error::Invalid(named(text)))?;
        {
            let table = self.lock();
            if let Some(volume) = table.volumes.get(&spec.name) {
                return Ok((volume.clone(), false));
            }
            if table.removing.contains(&spec.name) {
                return Err(Error::Conflict(named("volume is being removed".to_owned())));
            }
        }
        Options::parse(&spec.options).map_err(|text| Error::Invalid(named(text)))?;
        self.make(spec)
    }

    /// The directory first, then the row, which decides between two creators of one name.
    fn make(&self, spec: VolumeSpec) -> Result<(Arc<Volume>, bool), Error> {
        let mountpoint = self.0.directory.join(&spec.name).join("_data");
        let made = make_directory(&self.0.directory.join(&spec.name), 0o701)
            .and_then(|()| make_directory(&mountpoint, 0o755));
        made.map_err(system("making the volume's directory"))?;
        let created = Timestamp::try_from(self.0.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        let volume = Volume {
            name: spec.name,
            options: spec.options,
            labels: spec.labels,
            created,
            mountpoint,
        };
        let (volume, made) = rows::insert(self.0.store.as_ref(), volume)?;
        let volume = Arc::new(volume);
        self.lock().volumes.insert(volume.name.clone(), volume.clone());
        if made {
            self.publish(&volume.name, "create", &[("driver", LOCAL)]);
        }
        Ok((volume, made))
    }

    /// All volumes, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Volume>> {
        self.lock().volumes.values().cloned().collect()
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// [`Error::NotFound`] with upstream's text.
    pub fn find(&self, name: &str) -> Result<Arc<Volume>, Error> {
        let found = self.lock().volumes.get(name).cloned();
        found.ok_or_else(|| Error::NotFound(format!("get {name}: no such volume")))
    }

    /// The containers that use a volume, running or not.
    #[must_use]
    pub fn users(&self, name: &str) -> Vec<String> {
        self.lock()
            .users
            .get(name)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// A container uses a volume from now on, until [`Self::unclaim`].
    ///
    /// # Errors
    /// [`Error::NotFound`]: it may have been removed since it was found.
    pub fn claim(&self, name: &str, container: &str) -> Result<Arc<Volume>, Error> {
        let mut table = self.lock();
        let volume = table.volumes.get(name).cloned();
        let volume = volume.ok_or_else(|| Error::NotFound(format!("get {name}: no such volume")))?;
        table
            .users
            .entry(name.to_owned())
            .or_default()
            .insert(container.to_owned());
        Ok(volume)
    }

    /// A container is gone.
    pub fn unclaim(&self, container: &str) {
        let users = &mut self.lock().users;
        users.values_mut().for_each(|containers| {
            containers.remove(container);
        });
        users.retain(|_, containers| !containers.is_empty());
    }

    /// Removes a volume and its data. With `force` one that does not exist is no error; one in
    /// use stays in any case.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Conflict`] naming the containers that use it.
    pub fn remove(&self, name: &str, force: bool) -> Result<(), Error> {
        let volume = match self.find(name) {
            Err(Error::NotFound(_)) if force => return Ok(()),
            found => found?,
        };
        self.lock().take(name)?;
        let removed = self.discard(&volume);
        let mut table = self.lock();
        table.removing.remove(name);
        if removed.is_err() && volume.root().exists() {
            table.volumes.insert(name.to_owned(), volume);
        }
        drop(table);
        removed?;
        self.publish(name, "destroy", &[("driver", LOCAL)]);
        Ok(())
    }

    fn discard(&self, volume: &Volume) -> Result<(), Error> {
        let trash = self.0.directory.join(format!("{REMOVING}{}", volume.name));
        mounts::detach(&volume.mountpoint).map_err(system("unmounting the volume"))?;
        match fs::rename(volume.root(), &trash) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(system("removing the volume")(error));
            }
            _ => {}
        }
        rows::delete(self.0.store.as_ref(), &volume.name)?;
        rows::clear(&trash).map_err(system("removing the volume's data"))
    }

    /// Bytes of a volume's files; hard links count once.
    ///
    /// # Errors
    /// [`Error::NotFound`], or its files cannot be read.
    pub fn size(&self, name: &str) -> Result<u64, Error> {
        let volume = self.find(name)?;
        let data = self.data(&volume)?;
        crate::size::of_tree(&data).map_err(system("measuring the volume"))
    }

    /// Where the data is: for a bind its device.
    fn data(&self, volume: &Volume) -> Result<PathBuf, Error> {
        Ok(match parsed(volume)? {
            Options::Bind { source, .. } => source,
            Options::Plain | Options::Tmpfs { .. } => volume.mountpoint.clone(),
        })
    }

    fn publish(&self, name: &str, action: &str, attributes: &[(&str, &str)]) {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.0.events.publish(Event {
            kind: Kind::Volume,
            action: action.to_owned(),
            actor: Actor {
                id: name.to_owned(),
                attributes: attributes.iter().map(own).collect(),
            },
            time: Timestamp::try_from(self.0.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn random_name(&mut self) -> String {
        (0..4).map(|_| format!("{:016x}", self.rng.next_u64())).collect()
    }

    /// Takes a volume that nobody uses out of the table.
    fn take(&mut self, name: &str) -> Result<(), Error> {
        if let Some(users) = self.users.get(name).filter(|users| !users.is_empty()) {
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            let users = users.join(", ");
            return Err(Error::Conflict(format!(
                "remove {name}: volume is in use - [{users}]"
            )));
        }
        if self.volumes.remove(name).is_none() {
            return Err(Error::NotFound(format!("get {name}: no such volume")));
        }
        self.mounted.remove(name);
        self.removing.insert(name.to_owned());
        Ok(())
    }
}

/// The options of a volume that exists, which were checked when it was made.
fn parsed(volume: &Volume) -> Result<Options, Error> {
    Options::parse(&volume.options).map_err(Error::Invalid)
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

fn system(context: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System {
        context: context.to_owned(),
        source,
    }
}
