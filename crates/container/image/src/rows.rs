//! The rows of this room in the node's store: `/images/`, `/tags/`, `/leases/`, `/snapshots/`,
//! `/manifests/`, `/registry/blob/`, `/compressed/`, `/used/`.
//!
//! There is no transaction over several rows. What is made together is made under a lease: every
//! row names it, the lease's own row is written first, and deleting that one row, durably, is
//! what makes all of them count. A lease that is still there at the next open was cut off, and the
//! rows that name it are taken back. The log keeps the order of writes, so rows in between
//! need no fsync of their own.

mod registry;
mod used;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Durability, Expect, Key, KeyRange, Op, Pending, RangeRequest, Store, Write, Written};

use crate::standing::Standing;
use crate::table::Tag;
use crate::{Descriptor, Digest, Error, Image, Reference, Step, Target};

pub(crate) use registry::{CompressedName, CompressedRow, LinkName, LinkRow, ManifestRow};
pub(crate) use used::UsedRow;

const IMAGES: &str = "/images/";
const TAGS: &str = "/tags/";
const LEASES: &str = "/leases/";
const LAYERS: &str = "/snapshots/layer/";
const OWNERS: &str = "/snapshots/owner/";
const MANIFESTS: &str = "/manifests/";
const LINKS: &str = "/registry/blob/";
const COMPRESSED: &str = "/compressed/";
const USED: &str = "/used/";

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
    /// The manifest it came by.
    #[serde(default)]
    pub(crate) manifest: Option<Digest>,
    /// Whether its layers have not been unpacked yet.
    #[serde(default)]
    pub(crate) asleep: bool,
    /// Whether somebody was told its id as the result of a build without a name.
    #[serde(default)]
    pub(crate) result: bool,
    /// What it is to the build cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<Step>,
}

/// `/tags/REFERENCE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TagRow {
    pub(crate) v: u8,
    /// The image. (Rows of the first release always have one.)
    #[serde(default)]
    pub(crate) id: Option<Digest>,
    #[serde(default)]
    pub(crate) manifest: Option<Digest>,
    /// When it was given.
    pub(crate) time: Timestamp,
    pub(crate) lease: Option<LeaseId>,
    /// The image it named before that lease, and the manifest.
    pub(crate) previous: Option<Digest>,
    #[serde(default)]
    pub(crate) previous_manifest: Option<Digest>,
    /// Whose it is. (Rows that were written before this was known do not say it.)
    #[serde(default)]
    pub(crate) standing: Option<Standing>,
    /// Whose it was before that lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous_standing: Option<Standing>,
}

/// `/leases/NAME`. Its revision is the lease's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRow {
    pub(crate) v: u8,
    /// The boot of the machine during which it was kept: what was made counts as long as that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<String>,
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
    /// What is known of an image, to be written.
    pub(crate) fn of(image: &Image, lease: Option<LeaseId>) -> Self {
        Self {
            v: VERSION,
            config: String::from_utf8_lossy(&image.config_bytes).into_owned(),
            parent: image.parent,
            made_here: image.made_here,
            lease,
            manifest: image.manifest,
            asleep: image.asleep,
            result: image.result,
            step: image.step,
        }
    }
}

impl TagRow {
    /// A name given now.
    pub(crate) const fn new(target: Target, standing: Standing, time: Timestamp) -> Self {
        Self {
            v: VERSION,
            id: target.image,
            manifest: target.manifest,
            time,
            lease: None,
            previous: None,
            previous_manifest: None,
            standing: Some(standing),
            previous_standing: None,
        }
    }

    /// The same, given under a lease in place of another.
    pub(crate) fn under(mut self, lease: LeaseId, previous: Option<Tag>) -> Self {
        self.lease = Some(lease);
        if let Some(Tag { target, standing, .. }) = previous {
            (self.previous, self.previous_manifest) = (target.image, target.manifest);
            self.previous_standing = Some(standing);
        }
        self
    }

    pub(crate) const fn target(&self) -> Target {
        Target {
            image: self.id,
            manifest: self.manifest,
        }
    }

    /// What it named before its lease.
    pub(crate) fn before(&self) -> Option<Target> {
        let (image, manifest) = (self.previous, self.previous_manifest);
        Some(Target { image, manifest }).filter(|target| *target != Target::default())
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
row!(ManifestRow, MANIFESTS, Digest, Digest::hex);
row!(UsedRow, USED, Digest, Digest::hex);
row!(LinkRow, LINKS, LinkName, LinkName::to_string);
row!(
    CompressedRow,
    COMPRESSED,
    CompressedName,
    CompressedName::to_string
);

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

    /// One row.
    pub(crate) fn get<R: Row>(&self, name: &R::Name) -> Result<Option<R>, Error> {
        let Some(row) = self.0.get(&R::key(name)).wait()? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&row.value);
        value.map(Some).map_err(|source| Error::Row {
            key: String::from_utf8_lossy(&row.key).into_owned(),
            source,
        })
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
    LeaseRow {
        v: VERSION,
        kept: None,
    }
}

/// The row of a lease that is kept as soon as its content is durable.
pub(crate) const fn kept_lease(boot: String) -> LeaseRow {
    LeaseRow {
        v: VERSION,
        kept: Some(boot),
    }
}

/// A writable snapshot's row.
pub(crate) const fn owner(number: u64, top: Option<Digest>) -> OwnerRow {
    OwnerRow {
        v: VERSION,
        number,
        top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// What the first release wrote.
    #[test]
    fn old_rows_are_read() {
        let digest = Digest::from_hex(HEX).unwrap();
        let image = format!(r#"{{"v":1,"config":"{{}}","parent":"{digest}","made_here":true,"lease":null}}"#);
        let image: ImageRow = serde_json::from_str(&image).unwrap();
        assert_eq!(
            (
                image.manifest,
                image.asleep,
                image.result,
                image.step,
                image.parent
            ),
            (None, false, false, None, Some(digest))
        );
        let time = "2026-11-22T00:00:00Z";
        let tag = format!(r#"{{"v":1,"id":"{digest}","time":"{time}","lease":7,"previous":"{digest}"}}"#);
        let tag: TagRow = serde_json::from_str(&tag).unwrap();
        assert_eq!(
            (tag.target(), tag.before(), tag.standing),
            (Target::image(digest), Some(Target::image(digest)), None)
        );
        let tag = format!(r#"{{"v":1,"id":"{digest}","time":"{time}","lease":null,"previous":null}}"#);
        assert_eq!(serde_json::from_str::<TagRow>(&tag).unwrap().before(), None);
    }
}
