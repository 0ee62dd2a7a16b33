//! Which class is the default: the newest that is marked as one, and of equally new ones the first by name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schema::object::View;
use schema::status::Status;
use serde::Deserialize;

use crate::Answer;
use crate::cache::Snapshot;

/// What is looked at of a class's metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) annotations: BTreeMap<String, String>,
    /// RFC 3339 in UTC with whole seconds: sorts as the times do.
    pub(super) creation_timestamp: String,
}

/// A kind of class.
pub(super) trait Class: View {
    /// The annotations that mark the default.
    const MARKS: &[&str];

    fn metadata(&self) -> &Metadata;
}

/// The default's name, if there is one.
///
/// # Errors
/// 500 for a class that cannot be read.
pub(super) fn find<C: Class>(classes: &Snapshot) -> Answer<Option<String>> {
    let mut marked = Vec::new();
    for class in classes.iter() {
        let class = class.view::<C>().map_err(Status::internal)?;
        let annotations = &class.metadata().annotations;
        let is = |mark: &&str| annotations.get(*mark).is_some_and(|value| value == "true");
        if C::MARKS.iter().any(is) {
            marked.push(class);
        }
    }
    let newest = marked.into_iter().min_by_key(|class| {
        let metadata = class.metadata();
        (
            Reverse(metadata.creation_timestamp.clone()),
            metadata.name.clone(),
        )
    });
    Ok(newest.map(|class| class.metadata().name.clone()))
}
