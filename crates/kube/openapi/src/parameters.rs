//! What may stand in a request's path and query, and where a document says so.

use schema::BUILTIN;
use schema::resource::type_of_kind;
use schema::row::{Kind, Types};
use serde_json::{Value, json};

/// Name and type of a query parameter.
pub(crate) type Row = (&'static str, &'static str);

/// Of creating and replacing.
pub(crate) const WRITE: &[Row] = &[
    ("dryRun", "string"),
    ("fieldManager", "string"),
    ("fieldValidation", "string"),
];
/// Of patching, besides.
pub(crate) const FORCE: &[Row] = &[("force", "boolean")];
/// Of deleting.
pub(crate) const DELETE: &[Row] = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];
/// Of lists and of deleting collections.
pub(crate) const SELECT: &[Row] = &[
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
];
/// Of lists and watches, besides.
pub(crate) const WATCH: &[Row] = &[("allowWatchBookmarks", "boolean"), ("watch", "boolean")];
/// Of all that answers with an object.
pub(crate) const PRETTY: &[Row] = &[("pretty", "string")];

/// Query parameters as a document has them.
pub(crate) fn query(rows: &[Row]) -> impl Iterator<Item = Value> {
    rows.iter()
        .map(|(name, kind)| json!({ "in": "query", "name": name, "schema": { "type": kind, "uniqueItems": true } }))
}

/// The parameters that a path's braces name.
pub(crate) fn of_path(path: &str) -> impl Iterator<Item = Value> {
    let named = path
        .split('{')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0));
    named.map(|name| {
        json!({ "in": "path", "name": name, "required": true, "schema": { "type": "string", "uniqueItems": true } })
    })
}

/// Query parameters that are the members of a kind: `PodExecOptions`, `PodLogOptions`. What is a list may be given
/// several times; times are left out, as upstream does.
pub(crate) fn of_kind(kind: &str) -> Vec<Value> {
    let Some(ty) = type_of_kind("", "v1", kind) else {
        return Vec::new();
    };
    let types: &Types = &BUILTIN;
    let fields = types.fields(ty).iter().filter_map(|field| {
        let name = types.name(field.json);
        let kind = match types.form(field).kind {
            Kind::Bool => "boolean",
            Kind::Int32 | Kind::Int64 => "integer",
            Kind::String => "string",
            _ => return None,
        };
        let own = !matches!(name, "kind" | "apiVersion");
        own.then(|| json!({ "in": "query", "name": name, "schema": { "type": kind, "uniqueItems": true } }))
    });
    fields.collect()
}

/// Takes what all operations of a path have in common: it is said once, for the path.
pub(crate) fn common(operations: &mut [Value]) -> Vec<Value> {
    let of = |operation: &Value| operation["parameters"].as_array().cloned().unwrap_or_default();
    let Some((first, rest)) = operations.split_first() else {
        return Vec::new();
    };
    let rest: Vec<Vec<Value>> = rest.iter().map(of).collect();
    let mut shared = of(first);
    shared.retain(|parameter| rest.iter().all(|each| each.contains(parameter)));
    for operation in operations {
        let own: Vec<Value> = of(operation)
            .into_iter()
            .filter(|each| !shared.contains(each))
            .collect();
        if let Some(members) = operation.as_object_mut() {
            match own.is_empty() {
                true => members.remove("parameters"),
                false => members.insert("parameters".to_owned(), json!(own)),
            };
        }
    }
    shared.sort_by_key(|parameter| parameter["name"].as_str().unwrap_or_default().to_owned());
    shared
}
