//! The documents of what is no group version: discovery, the server's version, and the keys of its tokens.

use serde_json::{Value, json};

use crate::catalog::{Catalog, GroupVersion};
use crate::names;
use crate::paths::{answers, capital, content};
use crate::types::Schemas;

const DISCOVERY: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];

/// A path that is there on every server, with the place of its document, its id and what it is for.
struct Root {
    place: &'static str,
    path: &'static str,
    id: &'static str,
    text: &'static str,
    tag: &'static str,
    /// What it answers: a kind of `meta/v1`, or text.
    kind: Option<&'static str>,
    media_types: &'static [&'static str],
}

const ROOTS: [Root; 5] = [
    Root {
        place: ".well-known/openid-configuration",
        path: "/.well-known/openid-configuration/",
        id: "getServiceAccountIssuerOpenIDConfiguration",
        text: "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
        tag: "WellKnown",
        kind: None,
        media_types: &["application/json"],
    },
    Root {
        place: "api",
        path: "/api/",
        id: "getCoreAPIVersions",
        text: "get available API versions",
        tag: "core",
        kind: Some("APIVersions"),
        media_types: DISCOVERY,
    },
    Root {
        place: "apis",
        path: "/apis/",
        id: "getAPIVersions",
        text: "get available API versions",
        tag: "apis",
        kind: Some("APIGroupList"),
        media_types: DISCOVERY,
    },
    Root {
        place: "openid/v1/jwks",
        path: "/openid/v1/jwks/",
        id: "getServiceAccountIssuerOpenIDKeyset",
        text: "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
        tag: "openid",
        kind: None,
        media_types: &["application/jwk-set+json"],
    },
    Root {
        place: "version",
        path: "/version/",
        id: "getCodeVersion",
        text: "get the version information for this server",
        tag: "version",
        kind: Some("Info"),
        media_types: &["application/json"],
    },
];

/// Places of these documents.
pub(crate) fn places(catalog: &Catalog) -> impl Iterator<Item = String> {
    let groups = catalog.groups.iter().filter(|group| !group.name.is_empty());
    let fixed = ROOTS.iter().map(|root| root.place.to_owned());
    fixed.chain(groups.map(|group| format!("apis/{}", group.name)))
}

/// The paths of the document at a place, with the schemas they need.
pub(crate) fn at(catalog: &Catalog, place: &str, schemas: &mut Schemas<'_>) -> Option<Value> {
    if let Some(root) = ROOTS.iter().find(|root| root.place == place) {
        let operation = operation(
            schemas,
            root.id,
            root.text,
            root.tag,
            (root.kind, root.media_types),
        );
        return Some(json!({ root.path: { "get": operation } }));
    }
    let group = catalog.group(place.strip_prefix("apis/")?)?;
    let name = names::group(&group.name);
    let id = format!("get{}APIGroup", capital(&name));
    let text = "get information of a group";
    let operation = operation(schemas, &id, text, &name, (Some("APIGroup"), DISCOVERY));
    Some(json!({ format!("/apis/{}/", group.name): { "get": operation } }))
}

/// The path of a group version itself: what it serves.
pub(crate) fn of_version(served: &GroupVersion, schemas: &mut Schemas<'_>) -> (String, Value) {
    let group = names::group(&served.group);
    let id = format!("get{}{}APIResources", capital(&group), capital(&served.version));
    let (text, tag) = ("get available resources", format!("{group}_{}", served.version));
    let operation = operation(schemas, &id, text, &tag, (Some("APIResourceList"), DISCOVERY));
    (format!("{}/", served.root()), json!({ "get": operation }))
}

fn operation(
    schemas: &mut Schemas<'_>,
    id: &str,
    text: &str,
    tag: &str,
    (kind, media_types): (Option<&str>, &[&str]),
) -> Value {
    let schema = match kind {
        None => json!({ "type": "string" }),
        Some("Info") => schemas.version_info(),
        Some(kind) => schemas
            .refer_meta(kind)
            .unwrap_or_else(|| names::reference(&names::meta(kind))),
    };
    json!({
        "operationId": id,
        "description": text,
        "tags": [tag],
        "responses": answers(&[("200", "OK")], &content(media_types, &schema)),
    })
}
