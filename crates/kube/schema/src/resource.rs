//! The resource row: everything generic code needs to know to serve a resource.
//!
//! Built-in resources and custom ones are the same row; lookups here find the built-in ones.

use crate::generated::{BUILTIN, GROUPS, RESOURCES};
use crate::row::{TypeId, TypesRef};
use std::borrow::Cow;

type Text = Cow<'static, str>;

/// Where objects of a resource live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster.
    Cluster,
}

/// A set of RBAC verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbs(pub u16);

impl Verbs {
    /// `create`
    pub const CREATE: Self = Self(1);
    /// `delete`
    pub const DELETE: Self = Self(1 << 1);
    /// `deletecollection`
    pub const DELETECOLLECTION: Self = Self(1 << 2);
    /// `get`
    pub const GET: Self = Self(1 << 3);
    /// `list`
    pub const LIST: Self = Self(1 << 4);
    /// `patch`
    pub const PATCH: Self = Self(1 << 5);
    /// `update`
    pub const UPDATE: Self = Self(1 << 6);
    /// `watch`
    pub const WATCH: Self = Self(1 << 7);

    /// Every verb.
    pub const ALL: Self = Self(0xff);

    const NAMES: [&'static str; 8] = [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];

    /// Whether every verb of `other` is in the set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The verbs' names, in the order discovery prints them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| name)
    }
}

/// An API group and version, such as `apps` and `v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupVersion {
    /// The group; empty for the core group.
    pub group: Text,
    /// The version.
    pub version: Text,
}

/// An API group and the first part of the Go packages that hold its types.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The group; empty for the core group.
    pub name: &'static str,
    /// `rbac` for `rbac.authorization.k8s.io`
    pub package: &'static str,
}

/// A path below an object: `status`, `scale`, `log` …
#[derive(Clone, Debug)]
pub struct Subresource {
    /// The path element.
    pub name: Text,
    /// Group of the body's kind.
    pub group: Text,
    /// Version of the body's kind.
    pub version: Text,
    /// Kind of the body (`Scale`, `Eviction`), or of the options of a connection.
    pub kind: Text,
    /// The body's type.
    pub schema: TypeId,
    /// What can be done with it.
    pub verbs: Verbs,
}

/// One served version of a resource.
#[derive(Clone, Debug)]
pub struct Version {
    /// `v1`
    pub name: Text,
    /// Served unless configured otherwise: upstream leaves alpha and beta off.
    pub enabled: bool,
    /// The object's type.
    pub schema: TypeId,
    /// The list's type, for resources that can be listed.
    pub list: Option<TypeId>,
    /// What can be done with it.
    pub verbs: Verbs,
    /// Paths below its objects, by name.
    pub subresources: Cow<'static, [Subresource]>,
}

/// One resource, built in or custom.
#[derive(Clone, Debug)]
pub struct ResourceDef {
    /// The API group; empty for the core group.
    pub group: Text,
    /// `Pod`
    pub kind: Text,
    /// `pods`
    pub plural: Text,
    /// `pod`
    pub singular: Text,
    /// `po`
    pub short_names: Cow<'static, [Text]>,
    /// `all`
    pub categories: Cow<'static, [Text]>,
    /// Namespaced or not.
    pub scope: Scope,
    /// The version (and, for events, the group) that objects are stored in.
    pub storage_version: GroupVersion,
    /// The table that the type ids below point into.
    pub types: TypesRef,
    /// Served versions, preferred first.
    pub versions: Cow<'static, [Version]>,
}

impl ResourceDef {
    /// The row of a version.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.get(self.place_of(name)?)
    }

    /// The place of a version among the row's.
    pub fn place_of(&self, name: &str) -> Option<usize> {
        self.versions.iter().position(|version| version.name == name)
    }
}

/// Every built-in resource, sorted by (group, plural).
pub fn builtin() -> &'static [ResourceDef] {
    &RESOURCES
}

/// The built-in resource with this group and plural, and its row for the version.
pub fn by_resource(
    group: &str,
    version: &str,
    plural: &str,
) -> Option<(&'static ResourceDef, &'static Version)> {
    let key = |def: &ResourceDef| (&*def.group, &*def.plural).cmp(&(group, plural));
    let def = &RESOURCES[RESOURCES.binary_search_by(key).ok()?];
    Some((def, def.version(version)?))
}

/// The built-in resource with this kind, and its row for the version.
pub fn by_kind(group: &str, version: &str, kind: &str) -> Option<(&'static ResourceDef, &'static Version)> {
    let of_kind = |def: &&ResourceDef| def.group == group && def.kind == kind;
    RESOURCES
        .iter()
        .filter(of_kind)
        .find_map(|def| Some((def, def.version(version)?)))
}

/// The built-in type of a kind, served as a resource or not (`DeleteOptions`, `Status`, lists).
///
/// Kinds of `meta.k8s.io` are registered in every group, as upstream does.
pub fn type_of_kind(group: &str, version: &str, kind: &str) -> Option<TypeId> {
    let packages = GROUPS
        .iter()
        .filter(|g| g.name == group)
        .map(|g| format!("{}/{version}", g.package));
    packages
        .chain(["meta/v1".to_owned()])
        .find_map(|package| BUILTIN.find(&package, kind))
}
