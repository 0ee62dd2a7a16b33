//! Discovery, one document for each path: `/api`, `/apis`, `/apis/GROUP`, `/apis/GROUP/VERSION`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use schema::resource::{ResourceDef, Scope, Subresource, Version};
use serde::Serialize;

use crate::catalog::{Catalog, Group, GroupVersion};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiVersions<'a> {
    kind: &'a str,
    versions: Vec<&'a str>,
    #[serde(rename = "serverAddressByClientCIDRs")]
    addresses: [Address<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    #[serde(rename = "clientCIDR")]
    client_cidr: &'a str,
    server_address: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroupList<'a> {
    kind: &'a str,
    api_version: &'a str,
    groups: Vec<ApiGroup<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroup<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'a str>,
    name: &'a str,
    versions: Vec<Served<'a>>,
    preferred_version: Option<Served<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Served<'a> {
    group_version: String,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResourceList<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    group_version: String,
    resources: Vec<ApiResource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource<'a> {
    name: String,
    singular_name: &'a str,
    namespaced: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    kind: &'a str,
    verbs: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    short_names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    storage_version_hash: String,
}

impl Catalog {
    /// Every path of discovery.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = ["/api", "/apis", "/apis/"].map(str::to_owned).into();
        for group in &self.groups {
            if !group.name.is_empty() {
                paths.push(format!("/apis/{}", group.name));
            }
            paths.extend(group.versions.iter().map(GroupVersion::root));
        }
        paths
    }

    /// `/api`. `address` is this server's, `10.0.0.1:6443`. As ever since 1.1, without `apiVersion`.
    pub fn api_versions(&self, address: &str) -> Vec<u8> {
        let core = self
            .group("")
            .map(|group| &group.versions[..])
            .unwrap_or_default();
        json(&ApiVersions {
            kind: "APIVersions",
            versions: core.iter().map(|served| served.version.as_str()).collect(),
            addresses: [Address {
                client_cidr: "0.0.0.0/0",
                server_address: address,
            }],
        })
    }

    /// `/apis`
    pub fn api_groups(&self) -> Vec<u8> {
        let named = self.groups.iter().filter(|group| !group.name.is_empty());
        json(&ApiGroupList {
            kind: "APIGroupList",
            api_version: "v1",
            groups: named.map(|group| api_group(group, None)).collect(),
        })
    }

    /// `/apis/GROUP`; nothing for a group that is not served.
    pub fn api_group(&self, name: &str) -> Option<Vec<u8>> {
        let group = self.group(name).filter(|group| !group.name.is_empty())?;
        Some(json(&api_group(group, Some("APIGroup"))))
    }

    /// `/apis/GROUP/VERSION`, `/api/v1`; nothing for what is not served.
    pub fn api_resources(&self, group: &str, version: &str) -> Option<Vec<u8>> {
        let served = self.group_version(group, version)?;
        Some(json(&ApiResourceList {
            kind: "APIResourceList",
            // The core group stays as it was in 1.1.
            api_version: if group.is_empty() { "" } else { "v1" },
            group_version: served.name(),
            resources: resources(served),
        }))
    }
}

fn api_group<'a>(group: &'a Group, kind: Option<&'a str>) -> ApiGroup<'a> {
    let served = |version: &'a GroupVersion| Served {
        group_version: version.name(),
        version: &version.version,
    };
    ApiGroup {
        kind,
        api_version: kind.map(|_| "v1"),
        name: &group.name,
        versions: group.versions.iter().map(served).collect(),
        preferred_version: group.versions.first().map(served),
    }
}

/// Resources by plural, each followed by its subresources.
fn resources(served: &GroupVersion) -> Vec<ApiResource<'_>> {
    let mut all = Vec::new();
    for (def, version) in served.resources() {
        all.push(resource(def, version));
        all.extend(
            version
                .subresources
                .iter()
                .map(|sub| subresource(served, def, sub)),
        );
    }
    all
}

fn resource<'a>(def: &'a ResourceDef, version: &'a Version) -> ApiResource<'a> {
    ApiResource {
        name: def.plural.to_string(),
        singular_name: &def.singular,
        namespaced: def.scope == Scope::Namespaced,
        group: "",
        version: "",
        kind: &def.kind,
        verbs: version.verbs.names().collect(),
        short_names: def.short_names.iter().map(|name| &**name).collect(),
        categories: def.categories.iter().map(|name| &**name).collect(),
        storage_version_hash: storage_version_hash(def, version),
    }
}

/// A subresource; its body's group and version are told where they are not the resource's.
fn subresource<'a>(served: &GroupVersion, def: &'a ResourceDef, sub: &'a Subresource) -> ApiResource<'a> {
    let foreign = (&*sub.group, &*sub.version) != (served.group.as_str(), served.version.as_str());
    ApiResource {
        name: format!("{}/{}", def.plural, sub.name),
        singular_name: "",
        namespaced: def.scope == Scope::Namespaced,
        group: if foreign { &sub.group } else { "" },
        version: if foreign { &sub.version } else { "" },
        kind: &sub.kind,
        verbs: sub.verbs.names().collect(),
        short_names: Vec::new(),
        categories: Vec::new(),
        storage_version_hash: String::new(),
    }
}

/// Upstream's hash of where a resource is stored; empty for what is not stored.
fn storage_version_hash(def: &ResourceDef, version: &Version) -> String {
    if !version.verbs.contains(schema::resource::Verbs::WATCH) {
        return String::new();
    }
    let at = &def.storage_version;
    let kind = format!("{}/{}/{}", at.group, at.version, def.kind);
    STANDARD.encode(&digest(&SHA256, kind.as_bytes()).as_ref()[..8])
}

pub(crate) fn json(document: &impl Serialize) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "plain structs with text keys always have a JSON form"
    )]
    serde_json::to_vec(document).expect("documents are plain structs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::resource::builtin;
    use serde_json::Value;
    use std::sync::Arc;

    fn catalog() -> Catalog {
        let rows: Vec<_> = builtin().iter().cloned().map(Arc::new).collect();
        Catalog::new(&rows)
    }

    fn read(document: &[u8]) -> Value {
        serde_json::from_slice(document).unwrap()
    }

    #[test]
    fn groups_come_in_upstreams_order() {
        let groups = read(&catalog().api_groups());
        let names: Vec<_> = groups["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names[..6],
            [
                "apiregistration.k8s.io",
                "apps",
                "events.k8s.io",
                "authentication.k8s.io",
                "authorization.k8s.io",
                "autoscaling"
            ]
        );
        let autoscaling = read(&catalog().api_group("autoscaling").unwrap());
        assert_eq!(autoscaling["preferredVersion"]["groupVersion"], "autoscaling/v2");
        assert!(catalog().api_group("nope").is_none());
        assert!(catalog().api_group("").is_none());
    }

    #[test]
    fn a_resource_is_told_as_upstream_tells_it() {
        let text = String::from_utf8(catalog().api_resources("", "v1").unwrap()).unwrap();
        assert!(text.starts_with(
            r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"bindings","#
        ));
        for part in [
            concat!(
                r#"{"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["create","delete","#,
                r#""deletecollection","get","list","patch","update","watch"],"shortNames":["po"],"#,
                r#""categories":["all"],"storageVersionHash":"xPOwRZ+Yhw8="},{"name":"pods/attach""#
            ),
            concat!(
                r#"{"name":"pods/eviction","singularName":"","namespaced":true,"group":"policy","version":"v1","#,
                r#""kind":"Eviction","verbs":["create"]}"#
            ),
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
}
