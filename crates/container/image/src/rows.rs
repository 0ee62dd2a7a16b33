//! The rows of this room in the node's store: `/images/`, `/tags/`, `/leases/`, `/snapshots/`.
//!
//! There is no transaction over several rows. What is made together is made under a lease: every
//! row names it, the lease's own row is written first, and deleting that one row, durably, is
//! what makes all of them count. A lease that is still there at the next open was cut off, and the
//! rows that name it are taken back. The log keeps the order of writes, so rows in between
//! need no fsync of their own.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Durability, Expect, Key, KeyRange, Op, Pending, RangeRequest, Store, Write, Written};

use crate::{Descriptor, Digest, Error, Reference};

const IMAGES: &str = "/images/";
const TAGS: &str = "/tags/";
const LEASES: &str = "/leases/";
const LAYERS: &str = "/snapshots/layer/";
const OWNERS: &str = "/snapshots/owner/";

/// The version of all rows here.
const VERSION: u8 = 1;

/// A lease that was taken, by the revision of its row: never used twice.
pub(crate) type LeaseId = u64;

/// `/images/HEX`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRow {
    pub(crate) v: u8,
    /// The configuration's very bytes; they are JSON, hence a text.
    pub(crate) config: String,
    pub(crate) parent: Option<Digest>,
    pub(crate) made_here: bool,
    pub(crate) lease: Option<LeaseId>,
}

/// `/tags/REFERENCE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TagRow {
    pub(crate) v: u8,
    pub(crate) id: Digest,
    /// When it was given.
    pub(crate) time: Timestamp,
    pub(crate) lease: Option<LeaseId>,
    /// What it named before that lease.
    pub(crate) previous: Option<Digest>,
}

/// `/leases/NAME`. Its revision is the lease's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRow {
    pub(crate) v: u8,
}

/// `/snapshots/layer/HEX` (the chain id).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRow {
    pub(crate) v: u8,
    /// Its directory.
    pub(crate) number: u64,
    pub(crate) diff_id: Digest,
    /// The chain below.
    pub(crate) parent: Option<Digest>,
    /// Bytes of its files.
    pub(crate) size: u64,
    pub(crate) blob: Option<Descriptor>,
    /// The directory of the init layer upon it, once a container was made of it.
    #[serde(default)]
    pub(crate) init: Option<u64>,
}

/// `/snapshots/owner/OWNER`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnerRow {
    pub(crate) v: u8,
    /// Its directory.
    pub(crate) number: u64,
    /// The topmost layer below it.
    pub(crate) top: Option<Digest>,
}

impl ImageRow {
    pub(crate) const fn new(config: String, parent: Option<Digest>, lease: Option<LeaseId>) -> Self {
        Self {
            v: VERSION,
            config,
            parent,
            made_here: true,
            lease,
        }
    }
}

impl TagRow {
    /// A tag given now.
    pub(crate) const fn new(id: Digest, time: Timestamp) -> Self {
        Self {
            v: VERSION,
            id,
            time,
            lease: None,
            previous: None,
        }
    }

    /// The same, given under a lease in place of another.
    pub(crate) const fn under(mut self, lease: LeaseId, previous: Option<Digest>) -> Self {
        (self.lease, self.previous) = (Some(lease), previous);
        self
    }
}

impl LayerRow {
    pub(crate) const fn new(number: u64, diff_id: Digest, parent: Option<Digest>, size: u64) -> Self {
        Self {
            v: VERSION,
            number,
            diff_id,
            parent,
            size,
            blob: None,
            init: None,
        }
    }

    pub(crate) fn chain(&self) -> Digest {
        Digest::chain(self.parent, self.diff_id)
    }
}

/// A kind of row: where it is kept and what it is called.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// The beginning of its keys.
    const PREFIX: &'static str;
    /// What names it.
    type Name: ToString;

    fn key(name: &Self::Name) -> Key;
}

macro_rules! row {
    ($row:ty, $prefix:expr, $name:ty, $text:expr) => {
        impl Row for $row {
            const PREFIX: &'static str = $prefix;
            type Name = $name;

            fn key(name: &Self::Name) -> Key {
                let text: fn(&$name) -> String = $text;
                Key::from(format!("{}{}", $prefix, text(name)).as_str())
            }
        }
    };
}

row!(ImageRow, IMAGES, Digest, Digest::hex);
row!(TagRow, TAGS, Reference, Reference::to_string);
row!(LeaseRow, LEASES, String, String::clone);
row!(LayerRow, LAYERS, Digest, Digest::hex);
row!(OwnerRow, OWNERS, String, String::clone);

/// The rows, typed.
#[derive(Clone)]
pub(crate) struct Rows(pub(crate) Arc<dyn Store>);

impl Rows {
    /// All rows of a kind, with what follows the prefix in their keys, and their creation.
    pub(crate) fn all<R: Row>(&self) -> Result<Vec<(String, u64, R)>, Error> {
        let range = RangeRequest {
            range: KeyRange::prefix(R::PREFIX.as_bytes()),
            revision: None,
            limit: None,
        };
        let read = |row: &Arc<store::KeyValue>| {
            let key = String::from_utf8_lossy(&row.key).into_owned();
            let value = serde_json::from_slice(&row.value);
            let value = value.map_err(|source| Error::Row {
                key: key.clone(),
                source,
            })?;
            Ok((key[R::PREFIX.len()..].to_owned(), row.create_revision.0, value))
        };
        self.0.range(&range).wait()?.rows.iter().map(read).collect()
    }

    /// Writes a row; answers its revision.
    pub(crate) fn put<R: Row>(&self, name: &R::Name, row: &R, durability: Durability) -> Result<u64, Error> {
        Ok(self.begin_put(name, row, durability)?.wait()?.revision.0)
    }

    /// As [`Self::put`], with the waiting left to the caller, who has other things to do meanwhile.
    pub(crate) fn begin_put<R: Row>(
        &self,
        name: &R::Name,
        row: &R,
        durability: Durability,
    ) -> Result<Pending<Written>, Error> {
        let key = R::key(name);
        let value = serde_json::to_vec(row).map_err(|source| Error::Row {
            key: name.to_string(),
            source,
        })?;
        let op = Op::Put {
            key,
            value: Bytes::from(value),
            expect: Expect::Any,
            lease: None,
        };
        Ok(self.0.write(Write { op, durability }))
    }

    /// Deletes a row. There being none is no error.
    pub(crate) fn delete<R: Row>(&self, name: &R::Name, durability: Durability) -> Result<(), Error> {
        self.begin_delete::<R>(name, durability).wait()?;
        Ok(())
    }

    /// As [`Self::delete`], with the waiting left to the caller.
    pub(crate) fn begin_delete<R: Row>(&self, name: &R::Name, durability: Durability) -> Pending<Written> {
        let op = Op::Delete {
            key: R::key(name),
            expect: Expect::Any,
        };
        self.0.write(Write { op, durability })
    }
}

/// A lease's row.
pub(crate) const fn lease() -> LeaseRow {
    LeaseRow { v: VERSION }
}

/// A writable snapshot's row.
pub(crate) const fn owner(number: u64, top: Option<Digest>) -> OwnerRow {
    OwnerRow {
        v: VERSION,
        number,
        top,
    }
}
