//! Finds the metadata of a stored body, without building a tree and without reading the rest.

use super::Order;
use super::meta::{Labels, Meta, OwnerReference};
use crate::json::{Reader, SyntaxError, Token};

/// Why bytes are not a stored body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// JSON, but a member of `metadata` has a type it cannot have.
    #[error("metadata.{member} is not {expected}")]
    Type {
        /// The member.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// There is no `metadata` object.
    #[error("the object has no metadata")]
    NoMetadata,
    /// `metadata` already has a `resourceVersion`: these are not stored bytes.
    #[error("a stored body has no resourceVersion")]
    HasVersion,
    /// A view does not find what it reads.
    #[error("{0}")]
    Unreadable(String),
    /// The object's one view is of another type.
    #[error("the object has a view of another type")]
    View,
}

type Result<T> = std::result::Result<T, ScanError>;

/// Member names of `metadata` that come after the place, in the order declared, where `resourceVersion` goes.
const AFTER_VERSION: [&str; 9] = [
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// Reads the metadata of a stored body, and finds the offset where its `resourceVersion` belongs:
/// in upstream's order, right after the last member that comes before it.
///
/// Metadata comes before all that is large, and what follows it is not read: it is what
/// [`super::body`] made and the store kept.
///
/// # Errors
/// See [`ScanError`].
pub fn scan(body: &[u8], order: Order) -> Result<(Meta, usize)> {
    let mut reader = Reader::new(body);
    if reader.peek()? != Token::Object {
        return Err(ScanError::NoMetadata);
    }
    let mut first = true;
    while let Some(key) = reader.key(std::mem::take(&mut first))? {
        if key == "metadata" && reader.peek()? == Token::Object {
            return read_metadata(&mut reader, order);
        }
        reader.skip()?;
    }
    Err(ScanError::NoMetadata)
}

/// The `metadata` member of an object as JSON, a stored body's or a served one's: what a
/// `PartialObjectMetadata` is made of.
///
/// # Errors
/// See [`ScanError`].
pub fn metadata(object: &[u8]) -> Result<&[u8]> {
    let mut reader = Reader::new(object);
    if reader.peek()? != Token::Object {
        return Err(ScanError::NoMetadata);
    }
    let mut first = true;
    while let Some(key) = reader.key(std::mem::take(&mut first))? {
        reader.peek()?;
        let start = reader.offset();
        reader.skip()?;
        if key == "metadata" {
            return Ok(&object[start..reader.offset()]);
        }
    }
    Err(ScanError::NoMetadata)
}

fn read_metadata(reader: &mut Reader<'_>, order: Order) -> Result<(Meta, usize)> {
    let mut meta = Meta::default();
    let mut at = reader.offset() + 1;
    let (mut first, mut passed) = (true, false);
    while let Some(key) = reader.key(std::mem::take(&mut first))? {
        if key == "resourceVersion" {
            return Err(ScanError::HasVersion);
        }
        passed |= match order {
            Order::Declared => AFTER_VERSION.contains(&&*key),
            Order::Sorted => *key > *"resourceVersion",
        };
        member(reader, &key, &mut meta)?;
        if !passed {
            at = reader.offset();
        }
    }
    Ok((meta, at))
}

fn member(reader: &mut Reader<'_>, key: &str, meta: &mut Meta) -> Result<()> {
    match key {
        "name" => meta.name = string(reader, "name")?,
        "namespace" => meta.namespace = string(reader, "namespace")?,
        "uid" => meta.uid = string(reader, "uid")?,
        "generation" => meta.generation = int(reader, "generation")?.unwrap_or(0),
        "creationTimestamp" => meta.creation_timestamp = string(reader, "creationTimestamp")?,
        "deletionTimestamp" => {
            let time = string(reader, "deletionTimestamp")?;
            meta.deletion_timestamp = (!time.is_empty()).then_some(time);
        }
        "deletionGracePeriodSeconds" => {
            meta.deletion_grace_period_seconds = int(reader, "deletionGracePeriodSeconds")?;
        }
        "labels" => meta.labels = labels(reader)?,
        "ownerReferences" => meta.owner_references = list(reader, "ownerReferences", owner)?,
        "finalizers" => meta.finalizers = list(reader, "finalizers", |r| string(r, "finalizers"))?,
        _ => reader.skip()?,
    }
    Ok(())
}

/// Looks for a token; false, stepping over it, for `null`.
fn expect(reader: &mut Reader<'_>, token: Token, member: &'static str) -> Result<bool> {
    match reader.peek()? {
        found if found == token => Ok(true),
        Token::Null => {
            reader.null()?;
            Ok(false)
        }
        _ => Err(ScanError::Type {
            member,
            expected: token.word(),
        }),
    }
}

fn string(reader: &mut Reader<'_>, member: &'static str) -> Result<Box<str>> {
    Ok(if expect(reader, Token::String, member)? {
        reader.string()?.into()
    } else {
        Box::default()
    })
}

fn int(reader: &mut Reader<'_>, member: &'static str) -> Result<Option<i64>> {
    if !expect(reader, Token::Number, member)? {
        return Ok(None);
    }
    let int = reader.number()?.parse().map_err(|_| ScanError::Type {
        member,
        expected: "an integer",
    })?;
    Ok(Some(int))
}

fn boolean(reader: &mut Reader<'_>, member: &'static str) -> Result<bool> {
    Ok(expect(reader, Token::Bool, member)? && reader.boolean()?)
}

fn labels(reader: &mut Reader<'_>) -> Result<Labels> {
    let mut labels: Vec<(Box<str>, Box<str>)> = Vec::new();
    if expect(reader, Token::Object, "labels")? {
        while let Some(key) = reader.key(labels.is_empty())? {
            labels.push((key.into(), string(reader, "labels")?));
        }
    }
    // Stored bodies are canonical, so this is one comparison a label.
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(labels.into())
}

fn list<'a, T>(
    reader: &mut Reader<'a>,
    member: &'static str,
    item: impl Fn(&mut Reader<'a>) -> Result<T>,
) -> Result<Box<[T]>> {
    let mut items = Vec::new();
    if expect(reader, Token::Array, member)? {
        while reader.element(items.is_empty())? {
            items.push(item(reader)?);
        }
    }
    Ok(items.into())
}

fn owner(reader: &mut Reader<'_>) -> Result<OwnerReference> {
    const MEMBER: &str = "ownerReferences";
    let mut owner = OwnerReference::default();
    if !expect(reader, Token::Object, MEMBER)? {
        return Ok(owner);
    }
    let mut first = true;
    while let Some(key) = reader.key(std::mem::take(&mut first))? {
        match &*key {
            "apiVersion" => owner.api_version = string(reader, MEMBER)?,
            "kind" => owner.kind = string(reader, MEMBER)?,
            "name" => owner.name = string(reader, MEMBER)?,
            "uid" => owner.uid = string(reader, MEMBER)?,
            "controller" => owner.controller = boolean(reader, MEMBER)?,
            "blockOwnerDeletion" => owner.block_owner_deletion = boolean(reader, MEMBER)?,
            _ => reader.skip()?,
        }
    }
    Ok(owner)
}
