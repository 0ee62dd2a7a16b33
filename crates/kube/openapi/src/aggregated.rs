//! Aggregated discovery (KEP-3352): all groups, versions and resources in one document.

use schema::resource::{ResourceDef, Scope, Subresource, Version};
use serde::Serialize;

use crate::catalog::{Catalog, Group, GroupVersion};
use crate::plain::json;

/// The version of `apidiscovery.k8s.io` that a client asked for; their documents differ in nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryVersion {
    /// `v2`
    V2,
    /// `v2beta1`
    V2Beta1,
}

impl DiscoveryVersion {
    /// The version named `v2` or `v2beta1`.
    pub fn parse(version: &str) -> Option<Self> {
        match version {
            "v2" => Some(Self::V2),
            "v2beta1" => Some(Self::V2Beta1),
            _ => None,
        }
    }

    const fn api_version(self) -> &'static str {
        match self {
            Self::V2 => "apidiscovery.k8s.io/v2",
            Self::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
        }
    }

    /// The content type of the document, which clients compare with.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Self::V2Beta1 => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupList<'a> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Metadata<'a>,
    items: Vec<GroupItem<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[derive(Serialize)]
struct GroupItem<'a> {
    metadata: Metadata<'a>,
    versions: Vec<VersionItem<'a>>,
}

#[derive(Serialize)]
struct VersionItem<'a> {
    version: &'a str,
    resources: Vec<ResourceItem<'a>>,
    freshness: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceItem<'a> {
    resource: &'a str,
    response_kind: KindOf<'a>,
    scope: &'a str,
    singular_resource: &'a str,
    verbs: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    short_names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<SubresourceItem<'a>>,
}

/// A kind; its group and version are empty where they are the resource's.
#[derive(Serialize)]
struct KindOf<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubresourceItem<'a> {
    subresource: &'a str,
    response_kind: KindOf<'a>,
    verbs: Vec<&'static str>,
}

impl Catalog {
    /// `/api` (`core`) or `/apis` as one document.
    pub fn aggregated(&self, core: bool, version: DiscoveryVersion) -> Vec<u8> {
        let of_prefix = self.groups.iter().filter(|group| group.name.is_empty() == core);
        json(&GroupList {
            kind: "APIGroupDiscoveryList",
            api_version: version.api_version(),
            metadata: Metadata { name: "" },
            items: of_prefix.map(group).collect(),
        })
    }
}

fn group(group: &Group) -> GroupItem<'_> {
    GroupItem {
        metadata: Metadata { name: &group.name },
        versions: group.versions.iter().map(version_item).collect(),
    }
}

fn version_item(served: &GroupVersion) -> VersionItem<'_> {
    VersionItem {
        version: &served.version,
        resources: served
            .resources()
            .map(|(def, version)| resource(served, def, version))
            .collect(),
        freshness: "Current",
    }
}

fn resource<'a>(served: &'a GroupVersion, def: &'a ResourceDef, version: &'a Version) -> ResourceItem<'a> {
    ResourceItem {
        resource: &def.plural,
        response_kind: KindOf {
            group: "",
            version: "",
            kind: &def.kind,
        },
        scope: match def.scope {
            Scope::Namespaced => "Namespaced",
            Scope::Cluster => "Cluster",
        },
        singular_resource: &def.singular,
        verbs: version.verbs.names().collect(),
        short_names: def.short_names.iter().map(|name| &**name).collect(),
        categories: def.categories.iter().map(|name| &**name).collect(),
        subresources: version
            .subresources
            .iter()
            .map(|sub| subresource(served, sub))
            .collect(),
    }
}

fn subresource<'a>(served: &'a GroupVersion, sub: &'a Subresource) -> SubresourceItem<'a> {
    let own = (&*sub.group, &*sub.version) == (served.group.as_str(), served.version.as_str());
    let (group, version) = if own {
        ("", "")
    } else {
        (&*sub.group, &*sub.version)
    };
    SubresourceItem {
        subresource: &sub.name,
        response_kind: KindOf {
            group,
            version,
            kind: &sub.kind,
        },
        verbs: sub.verbs.names().collect(),
    }
}
