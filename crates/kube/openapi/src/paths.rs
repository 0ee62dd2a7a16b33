//! The paths of one group version, with the operations that clients look for: which verbs a kind has, and which
//! parameters (`fieldValidation`, `dryRun`) the server understands.

use schema::resource::{ResourceDef, Scope, Subresource, Verbs, Version};
use serde_json::{Map, Value, json};

use crate::catalog::GroupVersion;
use crate::names;
use crate::types::Schemas;

const JSON: &str = "application/json";
const ENCODINGS: [&str; 3] = [JSON, "application/vnd.kubernetes.protobuf", "application/yaml"];
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// Query parameters of writing.
const WRITE: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("fieldManager", "string"),
    ("fieldValidation", "string"),
];
/// And of patching.
const FORCE: &[(&str, &str)] = &[("force", "boolean")];
/// Query parameters of deleting.
const DELETE: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];
/// Query parameters of lists and watches.
const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];

/// What one path is about.
struct Target<'a> {
    served: &'a GroupVersion,
    def: &'a ResourceDef,
    /// The kind of the body: group, version, kind.
    kind: (&'a str, &'a str, &'a str),
    /// A reference to the schema of the body.
    body: Value,
    /// `PodStatus`, for operation ids
    suffix: String,
    verbs: Verbs,
}

/// One operation of a path: the verb, HTTP's method, the action that upstream names, and what its id begins with.
struct Operation {
    verb: Verbs,
    method: &'static str,
    action: &'static str,
    id: &'static str,
    parameters: &'static [&'static [(&'static str, &'static str)]],
}

const COLLECTION: &[Operation] = &[
    operation(Verbs::LIST, "get", "list", "list", &[LIST]),
    operation(Verbs::CREATE, "post", "post", "create", &[WRITE]),
    operation(
        Verbs::DELETECOLLECTION,
        "delete",
        "deletecollection",
        "deleteCollection",
        &[DELETE, LIST],
    ),
];

const ITEM: &[Operation] = &[
    operation(Verbs::GET, "get", "get", "read", &[]),
    operation(Verbs::UPDATE, "put", "put", "replace", &[WRITE]),
    operation(Verbs::PATCH, "patch", "patch", "patch", &[WRITE, FORCE]),
    operation(Verbs::DELETE, "delete", "delete", "delete", &[DELETE]),
];

/// A subresource is created by `POST` to its own path.
const BELOW: &[Operation] = &[
    operation(Verbs::GET, "get", "get", "read", &[]),
    operation(Verbs::CREATE, "post", "post", "create", &[WRITE]),
    operation(Verbs::UPDATE, "put", "put", "replace", &[WRITE]),
    operation(Verbs::PATCH, "patch", "patch", "patch", &[WRITE, FORCE]),
    operation(Verbs::DELETE, "delete", "delete", "delete", &[DELETE]),
];

const fn operation(
    verb: Verbs,
    method: &'static str,
    action: &'static str,
    id: &'static str,
    parameters: &'static [&'static [(&'static str, &'static str)]],
) -> Operation {
    Operation {
        verb,
        method,
        action,
        id,
        parameters,
    }
}

/// Every path of a group version; the schemas it needs are added.
pub(crate) fn of(served: &GroupVersion, schemas: &mut Schemas) -> Map<String, Value> {
    let mut paths = Map::new();
    let built_in = |def: &ResourceDef| !def.types.is_custom();
    for (def, version) in served.resources().filter(|(def, _)| built_in(def)) {
        resource(served, def, version, schemas, &mut paths);
    }
    paths
}

fn resource(
    served: &GroupVersion,
    def: &ResourceDef,
    version: &Version,
    schemas: &mut Schemas,
    paths: &mut Map<String, Value>,
) {
    let kind = (served.group.as_str(), served.version.as_str(), &*def.kind);
    let target = Target {
        served,
        def,
        kind,
        body: schemas.refer(&def.types, version.schema),
        suffix: String::new(),
        verbs: version.verbs,
    };
    schemas.mark(&def.types, version.schema, kind.0, kind.1, kind.2);
    if let Some(list) = version.list {
        schemas.refer(&def.types, list);
        schemas.mark(&def.types, list, kind.0, kind.1, &format!("{}List", def.kind));
    }
    let namespace = match def.scope {
        Scope::Namespaced => "/namespaces/{namespace}",
        Scope::Cluster => "",
    };
    let collection = format!("{}{namespace}/{}", served.root(), def.plural);
    let item = format!("{collection}/{{name}}");
    if def.scope == Scope::Namespaced && version.verbs.contains(Verbs::LIST) {
        let everywhere = format!("{}/{}", served.root(), def.plural);
        paths.insert(everywhere.clone(), target.path(&everywhere, &COLLECTION[..1]));
    }
    for sub in version.subresources.iter() {
        let path = format!("{item}/{}", sub.name);
        paths.insert(path.clone(), below(served, def, sub, schemas).path(&path, BELOW));
    }
    paths.insert(item.clone(), target.path(&item, ITEM));
    paths.insert(collection.clone(), target.path(&collection, COLLECTION));
}

fn below<'a>(
    served: &'a GroupVersion,
    def: &'a ResourceDef,
    sub: &'a Subresource,
    schemas: &mut Schemas,
) -> Target<'a> {
    let kind = (&*sub.group, &*sub.version, &*sub.kind);
    let body = schemas.refer(&def.types, sub.schema);
    schemas.mark(&def.types, sub.schema, kind.0, kind.1, kind.2);
    Target {
        served,
        def,
        kind,
        body,
        suffix: capital(&sub.name),
        verbs: sub.verbs,
    }
}

impl Target<'_> {
    /// The operations of a path that the verbs allow, and the path's own parameters.
    fn path(&self, path: &str, operations: &[Operation]) -> Value {
        let mut item = Map::new();
        for operation in operations.iter().filter(|it| self.verbs.contains(it.verb)) {
            item.insert(operation.method.to_owned(), self.operation(path, operation));
        }
        let named = ["name", "namespace"]
            .iter()
            .filter(|name| path.contains(&format!("{{{name}}}")));
        let of_path = named.map(|name| {
            json!({ "in": "path", "name": name, "required": true, "schema": { "type": "string", "uniqueItems": true } })
        });
        let parameters: Vec<Value> = of_path.chain([query(&("pretty", "string"))]).collect();
        item.insert("parameters".to_owned(), json!(parameters));
        Value::Object(item)
    }

    fn operation(&self, path: &str, operation: &Operation) -> Value {
        let (group, version, kind) = self.kind;
        let parameters: Vec<Value> = operation
            .parameters
            .iter()
            .copied()
            .flatten()
            .map(query)
            .collect();
        let mut made = json!({
            "operationId": self.id(path, operation),
            "tags": [self.tag()],
            "responses": self.responses(operation),
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": { "group": group, "version": version, "kind": kind },
        });
        if !parameters.is_empty() {
            made["parameters"] = json!(parameters);
        }
        if let Some(body) = self.request(operation) {
            made["requestBody"] = body;
        }
        made
    }

    /// `readAppsV1NamespacedDeploymentScale`
    fn id(&self, path: &str, operation: &Operation) -> String {
        let group = self.served.group.split('.').next().unwrap_or_default();
        let group = if group.is_empty() { "core" } else { group };
        let namespaced = if path.contains("{namespace}") {
            "Namespaced"
        } else {
            ""
        };
        let everywhere = self.def.scope == Scope::Namespaced && namespaced.is_empty();
        format!(
            "{}{}{}{namespaced}{}{}{}",
            operation.id,
            capital(group),
            capital(&self.served.version),
            self.def.kind,
            self.suffix,
            if everywhere { "ForAllNamespaces" } else { "" },
        )
    }

    fn tag(&self) -> String {
        let group = self.served.group.split('.').next().unwrap_or_default();
        let group = if group.is_empty() { "core" } else { group };
        format!("{group}_{}", self.served.version)
    }

    fn request(&self, operation: &Operation) -> Option<Value> {
        let content = match operation.method {
            "post" | "put" => content(&["*/*"], &self.body),
            "patch" => content(&PATCHES, &names::reference(&names::meta("Patch"))),
            "delete" => content(&["*/*"], &names::reference(&names::meta("DeleteOptions"))),
            _ => return None,
        };
        let required = operation.method != "delete";
        Some(if required {
            json!({ "content": content, "required": true })
        } else {
            json!({ "content": content })
        })
    }

    fn responses(&self, operation: &Operation) -> Value {
        let body = match operation.action {
            "list" => names::reference(&format!("{}List", self.schema_name())),
            "delete" | "deletecollection" => names::reference(&names::meta("Status")),
            _ => self.body.clone(),
        };
        let codes: &[(&str, &str)] = match operation.method {
            "post" => &[("200", "OK"), ("201", "Created"), ("202", "Accepted")],
            "put" | "patch" => &[("200", "OK"), ("201", "Created")],
            _ => &[("200", "OK")],
        };
        let mut responses = Map::new();
        for (code, text) in codes {
            let answer = json!({ "description": text, "content": content(&ENCODINGS, &body) });
            responses.insert((*code).to_owned(), answer);
        }
        responses.insert("401".to_owned(), json!({ "description": "Unauthorized" }));
        Value::Object(responses)
    }

    /// `io.k8s.api.core.v1.Pod`
    fn schema_name(&self) -> String {
        let reference = self.body["$ref"].as_str().unwrap_or_default();
        reference.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

fn content(media_types: &[&str], schema: &Value) -> Value {
    let of = |media_type: &&str| ((*media_type).to_owned(), json!({ "schema": schema }));
    Value::Object(media_types.iter().map(of).collect())
}

fn query((name, kind): &(&str, &str)) -> Value {
    json!({ "in": "query", "name": name, "schema": { "type": kind, "uniqueItems": true } })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
