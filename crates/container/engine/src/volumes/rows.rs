//! Volumes in the store and on disk, and how the two are brought together at open.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Expect, Key, KeyRange, RangeRequest, Store};

use super::{REMOVING, Volume, driver, system};
use crate::Error;

const PREFIX: &str = "/volumes/";

/// The value of a row: version 1. What is added later has a default.
#[derive(Serialize, Deserialize)]
struct Row {
    version: u32,
    #[serde(default)]
    options: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    created: Timestamp,
}

fn key(name: &str) -> Key {
    Key::from(format!("{PREFIX}{name}").as_str())
}

fn value(volume: &Volume) -> Bytes {
    let row = Row {
        version: 1,
        options: volume.options.clone(),
        labels: volume.labels.clone(),
        created: volume.created,
    };
    // A row has only text and a time: it cannot fail to be written as JSON.
    Bytes::from(serde_json::to_vec(&row).unwrap_or_default())
}

fn read(directory: &Path, name: &str, value: &[u8]) -> Result<Volume, Error> {
    let broken = |error: serde_json::Error| Error::System {
        context: format!("reading the row of volume {name}"),
        source: error.into(),
    };
    let row: Row = serde_json::from_slice(value).map_err(broken)?;
    Ok(Volume {
        name: name.to_owned(),
        options: row.options,
        labels: row.labels,
        created: row.created,
        mountpoint: directory.join(name).join("_data"),
    })
}

/// Writes a volume's row unless there is one, which is then the volume; `true` if it was written.
pub(super) fn insert(store: &dyn Store, volume: Volume) -> Result<(Volume, bool), Error> {
    match store
        .put(key(&volume.name), value(&volume), Expect::Absent)
        .wait()
    {
        Ok(_) => Ok((volume, true)),
        Err(store::Error::RevisionMismatch { current: Some(row) }) => {
            let directory = volume.root().parent().unwrap_or(volume.root());
            Ok((read(directory, &volume.name, &row.value)?, false))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn delete(store: &dyn Store, name: &str) -> Result<(), Error> {
    store.delete(key(name), Expect::Any).wait()?;
    Ok(())
}

/// All volumes: those with a row and a directory, and those with a directory alone, which get a
/// row. A row alone is dropped.
pub(super) fn load(directory: &Path, store: &dyn Store) -> Result<BTreeMap<String, Arc<Volume>>, Error> {
    let range = KeyRange::prefix(PREFIX.as_bytes());
    let rows = store
        .range(&RangeRequest {
            range,
            revision: None,
            limit: None,
        })
        .wait()?
        .rows;
    let mut volumes = BTreeMap::new();
    for row in &rows {
        let name = String::from_utf8_lossy(&row.key[PREFIX.len()..]).into_owned();
        let volume = read(directory, &name, &row.value)?;
        if volume.root().is_dir() {
            volumes.insert(name, Arc::new(volume));
        } else {
            delete(store, &name)?;
        }
    }
    for entry in fs::read_dir(directory)
        .map_err(system("reading the directory of volumes"))?
        .flatten()
    {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with(REMOVING) {
            clear(&entry.path()).map_err(system("removing a volume's data"))?;
        } else if !volumes.contains_key(&name) && is_volume(&entry.path(), &name) {
            let (volume, _) = insert(store, found(directory, &name))?;
            volumes.insert(name, Arc::new(volume));
        }
    }
    Ok(volumes)
}

fn is_volume(path: &Path, name: &str) -> bool {
    driver::check_name(name).is_ok() && path.join("_data").is_dir()
}

/// A volume of which only the directory is known.
fn found(directory: &Path, name: &str) -> Volume {
    let modified = directory
        .join(name)
        .metadata()
        .and_then(|metadata| metadata.modified());
    let created = modified.ok().and_then(|time| Timestamp::try_from(time).ok());
    Volume {
        name: name.to_owned(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        created: created.unwrap_or(Timestamp::UNIX_EPOCH),
        mountpoint: directory.join(name).join("_data"),
    }
}

/// Removes what is left of a volume.
pub(super) fn clear(trash: &Path) -> io::Result<()> {
    sys::tree::remove(trash)
}
