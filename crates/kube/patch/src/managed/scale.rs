//! Managers of the `scale` subresource: who scales owns the replicas of the object itself (apimachinery
//! `managedfields.ScaleHandler`).

use schema::row::Types;
use schema::tree::Struct;

use super::entry::{self, Entry};
use crate::fieldset::{Element, FieldSet};

const SCALE_VERSION: &str = "autoscaling/v1";
const REPLICAS_IN_SCALE: [&str; 2] = ["spec", "replicas"];

/// Where the object has its replicas.
#[derive(Clone, Copy)]
pub struct Replicas<'a> {
    /// The object's table
    pub types: &'a Types,
    /// `apps/v1`
    pub api_version: &'a str,
    /// `["spec", "replicas"]`
    pub path: &'a [&'a str],
    /// Whether a version of the object is served, with its replicas at the same place
    pub served: &'a dyn Fn(&str) -> bool,
}

impl<'a> Replicas<'a> {
    fn owned_by(&self, entry: &Entry<'_>) -> bool {
        let path: Vec<Element<'_>> = self
            .path
            .iter()
            .map(|name| Element::Field((*name).into()))
            .collect();
        entry.fields.contains(&path)
    }

    fn knows(&self, entry: &Entry<'_>) -> bool {
        entry.api_version == self.api_version || (self.served)(&entry.api_version)
    }

    fn set(&self) -> FieldSet<'a> {
        FieldSet::path(self.path)
    }
}

/// Gives a `Scale` the managers that own the object's replicas.
pub fn to_scale(replicas: Replicas<'_>, parent: &Struct, scale_types: &Types, scale: &mut Struct) {
    let mut entries = entry::decode(replicas.types, parent).unwrap_or_default();
    entries.retain(|entry| replicas.knows(entry) && replicas.owned_by(entry));
    for entry in &mut entries {
        entry.api_version = SCALE_VERSION.into();
        *entry.fields_mut() = FieldSet::path(&REPLICAS_IN_SCALE);
    }
    let entries = entry::encode(scale_types, scale, entries);
    entry::put(scale_types, scale, entries);
}

/// Gives the object the managers of a `Scale` that was written: those that lost the replicas lose them, and
/// those that took them have them.
pub fn to_parent(replicas: Replicas<'_>, parent: &mut Struct, scale_types: &Types, scale: &Struct) {
    let before = parent.clone();
    let mut entries = entry::decode(replicas.types, &before).unwrap_or_default();
    let mut scaling = entry::decode(scale_types, scale).unwrap_or_default();
    entries.retain(|entry| replicas.knows(entry));
    for entry in entries.iter_mut().filter(|entry| replicas.owned_by(entry)) {
        let same = |other: &Entry<'_>| {
            other.manager == entry.manager
                && other.operation == entry.operation
                && other.subresource == entry.subresource
        };
        match scaling.iter().position(same) {
            Some(at) => {
                scaling.swap_remove(at);
            }
            None => entry.fields_mut().subtract(&replicas.set()),
        }
    }
    for mut entry in scaling {
        entry.api_version = replicas.api_version.into();
        *entry.fields_mut() = replicas.set();
        entries.push(entry);
    }
    let entries = entry::encode(replicas.types, parent, entries);
    entry::put(replicas.types, parent, entries);
}
