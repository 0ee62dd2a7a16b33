//! What a request is about.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schema::resource::{ResourceDef, Scope};

/// What a path segment may hold unescaped: what the names of Kubernetes are made of.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b':')
    .remove(b'~');

/// A resource in one of its versions: what discovery says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// `v1`
    pub version: Cow<'static, str>,
    /// `pods`
    pub plural: Cow<'static, str>,
    /// `Pod`
    pub kind: Cow<'static, str>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// A built-in resource.
    pub const fn new(
        group: &'static str,
        version: &'static str,
        plural: &'static str,
        kind: &'static str,
        namespaced: bool,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
            kind: Cow::Borrowed(kind),
            namespaced,
        }
    }

    /// The row in one of its versions.
    pub fn of(def: &ResourceDef, version: &str) -> Self {
        Self {
            group: def.group.clone(),
            version: version.to_owned().into(),
            plural: def.plural.clone(),
            kind: def.kind.clone(),
            namespaced: def.scope == Scope::Namespaced,
        }
    }

    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        match &*self.group {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `pods`, `deployments.apps`: how errors name the resource.
    pub fn group_resource(&self) -> String {
        match &*self.group {
            "" => self.plural.to_string(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Its objects in all namespaces, or in the cluster.
    pub fn everywhere(&self) -> Place<'_> {
        self.within("")
    }

    /// Its objects in a namespace; an empty one means everywhere.
    pub fn within<'a>(&'a self, namespace: &'a str) -> Place<'a> {
        let namespace = if self.namespaced { namespace } else { "" };
        Place {
            resource: self,
            namespace,
            name: "",
            subresource: "",
        }
    }
}

/// A collection, an object, or a path below one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Of which resource.
    pub resource: &'a Resource,
    /// In which namespace; empty for all, and in the cluster.
    pub namespace: &'a str,
    /// Which object; empty for the collection.
    pub name: &'a str,
    /// `status`; empty for the object itself.
    pub subresource: &'a str,
}

impl<'a> Place<'a> {
    /// An object of the collection.
    #[must_use]
    pub fn named(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    /// A path below the object.
    #[must_use]
    pub fn below(self, subresource: &'a str) -> Self {
        Self { subresource, ..self }
    }

    /// The path of requests: `/apis/apps/v1/namespaces/default/deployments/web/scale`.
    pub fn path(&self) -> String {
        let resource = self.resource;
        let mut path = match &*resource.group {
            "" => "/api".to_owned(),
            group => format!("/apis/{group}"),
        };
        let within = [("", &*resource.version)];
        let namespace = [("namespaces", ""), ("", self.namespace)];
        let object = [("", &*resource.plural), ("", self.name), ("", self.subresource)];
        let namespace = namespace.iter().filter(|_| !self.namespace.is_empty());
        for (word, segment) in within.iter().chain(namespace).chain(&object) {
            let segment = if segment.is_empty() { word } else { segment };
            if !segment.is_empty() {
                path.push('/');
                path.extend(utf8_percent_encode(segment, SEGMENT));
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
    static ROLES: Resource = Resource::new(
        "rbac.authorization.k8s.io",
        "v1",
        "clusterroles",
        "ClusterRole",
        false,
    );

    #[test]
    fn a_place_is_a_path() {
        let cases = [
            (PODS.everywhere(), "/api/v1/pods"),
            (PODS.within("a"), "/api/v1/namespaces/a/pods"),
            (
                PODS.within("a").named("b").below("log"),
                "/api/v1/namespaces/a/pods/b/log",
            ),
            (
                ROLES.within("ignored").named("system:node"),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
            ),
            (
                PODS.within("a/../b").named("?"),
                "/api/v1/namespaces/a%2F..%2Fb/pods/%3F",
            ),
        ];
        for (place, path) in cases {
            assert_eq!(place.path(), path);
        }
    }
}
