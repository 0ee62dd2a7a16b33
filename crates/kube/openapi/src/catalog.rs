//! The rows of one moment, grouped and ordered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use schema::resource::{ResourceDef, Version};

use crate::priority::{group_priority, version_rank};

/// What is served, grouped as discovery shows it.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The core group first, then by priority and name.
    pub(crate) groups: Vec<Group>,
}

/// A group and its served versions, preferred first.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) versions: Vec<GroupVersion>,
}

/// What is served under `/apis/GROUP/VERSION`, or `/api/v1`.
#[derive(Clone, Debug)]
pub struct GroupVersion {
    pub(crate) group: String,
    pub(crate) version: String,
    /// Rows by plural.
    rows: Vec<Arc<ResourceDef>>,
}

impl GroupVersion {
    /// `apps/v1`, `v1`
    pub fn name(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `/apis/apps/v1`, `/api/v1`
    pub(crate) fn root(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    /// Each resource with its row for this version, by plural.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&ResourceDef, &Version)> {
        self.rows
            .iter()
            .filter_map(|def| Some((&**def, def.version(&self.version)?)))
    }
}

pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

impl Catalog {
    /// Groups the enabled versions of rows.
    pub fn new(rows: &[Arc<ResourceDef>]) -> Self {
        let mut groups: BTreeMap<&str, BTreeMap<&str, Vec<Arc<ResourceDef>>>> = BTreeMap::new();
        for def in rows {
            let group = groups.entry(&def.group).or_default();
            for version in def.versions.iter().filter(|version| version.enabled) {
                group.entry(&version.name).or_default().push(def.clone());
            }
        }
        let mut groups: Vec<Group> = groups
            .into_iter()
            .filter(|(_, versions)| !versions.is_empty())
            .map(|(name, versions)| group(name, versions))
            .collect();
        groups.sort_by_key(|group| (!group.name.is_empty(), Reverse(group.priority())));
        Self { groups }
    }

    /// The group of this name.
    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// What is served in a version of a group.
    pub fn group_version(&self, group: &str, version: &str) -> Option<&GroupVersion> {
        let versions = &self.group(group)?.versions;
        versions.iter().find(|served| served.version == version)
    }
}

impl Group {
    fn priority(&self) -> i32 {
        group_priority(&self.name, "").group
    }
}

fn group(name: &str, versions: BTreeMap<&str, Vec<Arc<ResourceDef>>>) -> Group {
    let served = |(version, mut rows): (&str, Vec<Arc<ResourceDef>>)| {
        rows.sort_by(|a, b| a.plural.cmp(&b.plural));
        GroupVersion {
            group: name.to_owned(),
            version: version.to_owned(),
            rows,
        }
    };
    let mut versions: Vec<GroupVersion> = versions.into_iter().map(served).collect();
    versions.sort_by(|a, b| version_rank(&b.version).cmp(&version_rank(&a.version)));
    Group {
        name: name.to_owned(),
        versions,
    }
}
