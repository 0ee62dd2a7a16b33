//! Upstream's names of schemas: `io.k8s.api.core.v1.Pod`.

use schema::row::{TypeId, Types};

/// Groups of types that do not live under `io.k8s.api`.
const ROOTS: &[(&str, &str)] = &[
    (
        "apiextensions",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    ),
    (
        "apiregistration",
        "io.k8s.kube-aggregator.pkg.apis.apiregistration",
    ),
    ("meta", "io.k8s.apimachinery.pkg.apis.meta"),
];

/// The name of a built-in type's schema. Types of a custom resource have none: they are written in place.
pub(crate) fn of(types: &Types, ty: TypeId) -> String {
    let (package, name) = types.type_name(ty);
    let (group, version) = package.split_once('/').unwrap_or((package, ""));
    let root = ROOTS.iter().find(|(of, _)| *of == group);
    let root = root.map_or_else(|| format!("io.k8s.api.{group}"), |(_, root)| (*root).to_owned());
    format!("{root}.{version}.{name}")
}

/// The name of a custom resource's schema: its group from the end, `com.example.stable.v1.CronTab`.
pub(crate) fn custom(group: &str, version: &str, kind: &str) -> String {
    let group: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", group.join("."))
}

/// What ids and tags call a group: `rbacAuthorization` of `rbac.authorization.k8s.io`, and `core`.
pub(crate) fn group(group: &str) -> String {
    let mut words = group.trim_end_matches(".k8s.io").split('.');
    let first = words.next().filter(|first| !first.is_empty()).unwrap_or("core");
    let rest: String = words.map(crate::paths::capital).collect();
    format!("{first}{rest}")
}

/// A type of `meta/v1`.
pub(crate) fn meta(name: &str) -> String {
    format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}")
}

/// `{"$ref": …}`
pub(crate) fn reference(name: &str) -> serde_json::Value {
    serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
}
