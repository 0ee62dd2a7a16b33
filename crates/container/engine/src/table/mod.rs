//! The table: every container by id, name and beginning of an id.
//!
//! Two locks exist and neither is held across I/O. The index's is taken to find a container or to
//! reserve a name, for microseconds; each entry has its own for the snapshot it hands out. What
//! takes longer is serial for each container, by [`Entry::operation`], and for nothing else.

mod entry;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use entry::{Entry, Process, Signals, Template};
pub(crate) use rows::Rows;

use crate::container::{Container, ContainerId};
use crate::error::Error;

/// All containers.
#[derive(Debug, Default)]
pub(crate) struct Table(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    entries: BTreeMap<ContainerId, Arc<Entry>>,
    /// Also names of containers that are being made or renamed.
    names: HashMap<String, ContainerId>,
}

impl Table {
    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every container, the newest first.
    pub(crate) fn list(&self) -> Vec<Arc<Container>> {
        let mut all: Vec<_> = self.read().entries.values().map(|entry| entry.get()).collect();
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// Every entry, by id.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        self.read().entries.values().cloned().collect()
    }

    /// The entry with this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Entry>> {
        self.read().entries.get(id).cloned()
    }

    /// What a user means: a full id, then a name (with or without slash), then a beginning of an
    /// id that only one container has.
    pub(crate) fn find(&self, reference: &str) -> Result<Arc<Entry>, Error> {
        if reference.is_empty() {
            return Err(Error::Invalid("No container name or ID supplied".into()));
        }
        let index = self.read();
        let name = reference.strip_prefix('/').unwrap_or(reference);
        let named = || index.names.get(name).and_then(|id| index.entries.get(id));
        match index.entries.get(reference).or_else(named) {
            Some(entry) => Ok(entry.clone()),
            None => index.by_prefix(reference),
        }
    }

    /// Takes a name for a container, whether it is in the table yet or not.
    pub(crate) fn reserve(&self, name: &str, id: &ContainerId) -> Result<(), Error> {
        let mut index = self.write();
        match index.names.get(name) {
            Some(holder) if holder == id => Ok(()),
            Some(holder) => Err(taken(name, holder)),
            None => {
                index.names.insert(name.to_owned(), id.clone());
                Ok(())
            }
        }
    }

    /// Gives a name back if it is this container's.
    pub(crate) fn release(&self, name: &str, id: &ContainerId) {
        let mut index = self.write();
        if index.names.get(name) == Some(id) {
            index.names.remove(name);
        }
    }

    /// Whether a name is taken.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.read().names.contains_key(name)
    }

    /// Enters a container whose name has been reserved.
    pub(crate) fn insert(&self, entry: Entry) -> Arc<Entry> {
        let entry = Arc::new(entry);
        self.write().entries.insert(entry.id.clone(), entry.clone());
        entry
    }

    /// Takes a container out, and gives its name back.
    pub(crate) fn remove(&self, id: &ContainerId) {
        let mut index = self.write();
        index.entries.remove(id);
        index.names.retain(|_, holder| holder != id);
    }
}

impl Index {
    fn by_prefix(&self, prefix: &str) -> Result<Arc<Entry>, Error> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let mut found = self
            .entries
            .range::<str, _>(from)
            .take_while(|(id, _)| id.starts_with(prefix))
            .map(|(_, entry)| entry);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry.clone()),
            (Some(_), Some(_)) => Err(Error::Invalid(format!(
                "multiple IDs found with provided prefix: {prefix}"
            ))),
            (None, _) => Err(Error::no_container(prefix)),
        }
    }
}

fn taken(name: &str, holder: &ContainerId) -> Error {
    Error::Conflict(format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". \
         You have to remove (or rename) that container to be able to reuse that name."
    ))
}

/// A name that a container may have: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, without the slash that the API
/// allows before it.
pub(crate) fn checked_name(name: &str) -> Result<&str, Error> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let mut bytes = bare.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if first && bare.len() > 1 && bytes.all(rest) {
        Ok(bare)
    } else {
        Err(Error::Invalid(format!(
            "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )))
    }
}

#[cfg(test)]
pub(crate) mod tests;
