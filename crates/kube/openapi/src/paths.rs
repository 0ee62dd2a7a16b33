//! The paths of one group version: which operations a resource has, under which names, with which parameters, bodies
//! and answers.
//!
//! What upstream's installer does verb by verb is a table of operations here, and one printer over it. Connections (exec,
//! proxies …) are in `connect`.

use schema::resource::{ResourceDef, Scope, Subresource, Verbs, Version};
use serde_json::{Map, Value, json};

use crate::catalog::GroupVersion;
use crate::parameters::{self, DELETE, FORCE, PRETTY, Row, SELECT, WATCH, WRITE};
use crate::types::Schemas;
use crate::v3::CustomSchema;
use crate::{connect, names};

const JSON: &str = "application/json";
const ENCODINGS: [&str; 3] = [JSON, "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAMS: [&str; 2] = [
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
/// Custom kinds have no strategy to merge by: clients choose by what is listed here.
const CUSTOM_PATCHES: [&str; 3] = [PATCHES[0], PATCHES[1], PATCHES[3]];

/// Kinds whose deletion answers with the object.
const SHOWN_WHEN_DELETED: [&str; 18] = [
    "CSIDriver",
    "CSINode",
    "DeviceClass",
    "DeviceTaintRule",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ResourceClaim",
    "ResourceClaimTemplate",
    "ResourcePoolStatusRequest",
    "ResourceQuota",
    "ResourceSlice",
    "Service",
    "ServiceAccount",
    "StorageClass",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

/// What one path is about.
pub(crate) struct Target<'a> {
    pub(crate) served: &'a GroupVersion,
    pub(crate) def: &'a ResourceDef,
    /// The kind of the body: group, version, kind.
    pub(crate) kind: (&'a str, &'a str, &'a str),
    /// A reference to the schema of the body.
    body: Value,
    /// `status`; empty for the object itself
    pub(crate) below: &'a str,
    verbs: Verbs,
}

/// One operation of a path: the verb, HTTP's method, the action that upstream names, what its id begins and what its
/// description says (`{}` is the kind), and its parameters.
struct Operation {
    verb: Verbs,
    method: &'static str,
    action: &'static str,
    id: &'static str,
    text: &'static str,
    parameters: &'static [&'static [Row]],
}

const LIST: Operation = Operation {
    verb: Verbs::LIST,
    method: "get",
    action: "list",
    id: "list",
    text: "list or watch objects of kind {}",
    parameters: &[WATCH, SELECT, PRETTY],
};
const CREATE: Operation = Operation {
    verb: Verbs::CREATE,
    method: "post",
    action: "post",
    id: "create",
    text: "create {a}",
    parameters: &[WRITE, PRETTY],
};
const DELETE_COLLECTION: Operation = Operation {
    verb: Verbs::DELETECOLLECTION,
    method: "delete",
    action: "deletecollection",
    id: "delete",
    text: "delete collection of {}",
    parameters: &[DELETE, SELECT, PRETTY],
};
const READ: Operation = Operation {
    verb: Verbs::GET,
    method: "get",
    action: "get",
    id: "read",
    text: "read {the}",
    parameters: &[PRETTY],
};
const REPLACE: Operation = Operation {
    verb: Verbs::UPDATE,
    method: "put",
    action: "put",
    id: "replace",
    text: "replace {the}",
    parameters: &[WRITE, PRETTY],
};
const PATCH: Operation = Operation {
    verb: Verbs::PATCH,
    method: "patch",
    action: "patch",
    id: "patch",
    text: "partially update {the}",
    parameters: &[WRITE, FORCE, PRETTY],
};
const REMOVE: Operation = Operation {
    verb: Verbs::DELETE,
    method: "delete",
    action: "delete",
    id: "delete",
    text: "delete {a}",
    parameters: &[DELETE, PRETTY],
};
const WATCH_ONE: Operation = Operation {
    verb: Verbs::WATCH,
    method: "get",
    action: "watch",
    id: "watch",
    text: "watch changes to an object of kind {}. deprecated: use the 'watch' parameter with a list operation instead, \
           filtered to a single item with the 'fieldSelector' parameter.",
    parameters: &[WATCH, SELECT, PRETTY],
};
const WATCH_LIST: Operation = Operation {
    action: "watchlist",
    text: "watch individual changes to a list of {}. deprecated: use the 'watch' parameter with a list operation instead.",
    ..WATCH_ONE
};

const COLLECTION: &[Operation] = &[LIST, CREATE, DELETE_COLLECTION];
const ITEM: &[Operation] = &[READ, REPLACE, PATCH, REMOVE];
/// A subresource is created by `POST` to its own path.
const BELOW: &[Operation] = &[READ, CREATE, REPLACE, PATCH, REMOVE];

/// Every path of a group version; the schemas it needs are added.
pub(crate) fn of(
    served: &GroupVersion,
    schemas: &mut Schemas<'_>,
    custom: CustomSchema<'_>,
) -> Map<String, Value> {
    let mut paths = Map::new();
    for (def, version) in served.resources() {
        let body = if def.types.is_custom() {
            schemas.refer_custom(def, &version.name, custom(def, &version.name))
        } else {
            refer(served, def, version, schemas)
        };
        resource(served, (def, version, body), schemas, &mut paths);
    }
    paths
}

/// The schemas of a built-in resource.
fn refer(served: &GroupVersion, def: &ResourceDef, version: &Version, schemas: &mut Schemas<'_>) -> Value {
    let body = schemas.refer(&def.types, version.schema);
    schemas.mark(
        &def.types,
        version.schema,
        &served.group,
        &served.version,
        &def.kind,
    );
    if let Some(list) = version.list {
        schemas.refer(&def.types, list);
        let kind = format!("{}List", def.kind);
        schemas.mark(&def.types, list, &served.group, &served.version, &kind);
    }
    body
}

fn resource(
    served: &GroupVersion,
    (def, version, body): (&ResourceDef, &Version, Value),
    schemas: &mut Schemas<'_>,
    paths: &mut Map<String, Value>,
) {
    let target = Target {
        served,
        def,
        kind: (&served.group, &served.version, &def.kind),
        body,
        below: "",
        verbs: version.verbs,
    };
    let root = served.root();
    let namespaced = def.scope == Scope::Namespaced;
    let namespace = if namespaced { "/namespaces/{namespace}" } else { "" };
    let places = |base: &str| {
        (
            format!("{base}/{}", def.plural),
            format!("{base}{namespace}/{}", def.plural),
        )
    };
    let (everywhere, collection) = places(&root);
    let item = format!("{collection}/{{name}}");
    let mut add = |path: String, operations: &[Operation]| {
        if let Some(printed) = target.path(&path, operations) {
            paths.insert(path, printed);
        }
    };
    if namespaced {
        add(everywhere, &[LIST]);
    }
    add(collection.clone(), COLLECTION);
    add(item.clone(), ITEM);
    // Custom resources have no paths of the deprecated kind.
    if !def.types.is_custom() {
        let (everywhere, collection) = places(&format!("{root}/watch"));
        if namespaced {
            add(everywhere, &[WATCH_LIST]);
        }
        add(format!("{collection}/{{name}}"), &[WATCH_ONE]);
        add(collection, &[WATCH_LIST]);
    }
    for sub in version.subresources.iter() {
        below((&target, sub), &item, schemas, paths);
    }
}

fn below(
    (target, sub): (&Target<'_>, &Subresource),
    item: &str,
    schemas: &mut Schemas<'_>,
    paths: &mut Map<String, Value>,
) {
    let path = format!("{item}/{}", sub.name);
    let kind = (&*sub.group, &*sub.version, &*sub.kind);
    let target = Target {
        served: target.served,
        def: target.def,
        kind,
        body: target.body.clone(),
        below: &sub.name,
        verbs: sub.verbs,
    };
    if connect::is_connection(kind.2) {
        paths.extend(connect::paths(&target, &path));
        return;
    }
    if sub.name == "log" {
        paths.extend(connect::log(&target, &path));
        return;
    }
    let types = &target.def.types;
    let built_in = !types.is_custom() || sub.name != "status";
    let body = if built_in {
        let types: &schema::row::Types = if types.is_custom() {
            &schema::BUILTIN
        } else {
            types
        };
        let body = schemas.refer(types, sub.schema);
        schemas.mark(types, sub.schema, kind.0, kind.1, kind.2);
        body
    } else {
        target.body.clone()
    };
    if let Some(printed) = (Target { body, ..target }).path(&path, BELOW) {
        paths.insert(path, printed);
    }
}

impl Target<'_> {
    /// The operations of a path that the verbs allow, and the parameters of all of them; none if there is no operation.
    fn path(&self, path: &str, operations: &[Operation]) -> Option<Value> {
        let of_path = || parameters::of_path(path);
        let allowed: Vec<&Operation> = operations
            .iter()
            .filter(|it| self.verbs.contains(it.verb))
            .collect();
        let mut printed: Vec<Value> = allowed
            .iter()
            .map(|operation| self.operation(path, operation, of_path().collect()))
            .collect();
        let common = parameters::common(&mut printed);
        let methods = allowed.iter().map(|operation| operation.method.to_owned());
        let mut item: Map<String, Value> = methods.zip(printed).collect();
        if item.is_empty() {
            return None;
        }
        item.insert("parameters".to_owned(), json!(common));
        Some(Value::Object(item))
    }

    fn operation(&self, path: &str, operation: &Operation, mut parameters: Vec<Value>) -> Value {
        let (group, version, kind) = self.kind;
        parameters.extend(
            operation
                .parameters
                .iter()
                .flat_map(|rows| parameters::query(rows)),
        );
        let mut made = json!({
            "operationId": self.id(path, operation),
            "description": self.text(operation.text),
            "tags": [self.tag()],
            "parameters": parameters,
            "responses": self.responses(operation),
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": { "group": group, "version": version, "kind": kind },
        });
        if let Some(body) = self.request(operation) {
            made["requestBody"] = body;
        }
        made
    }

    fn id(&self, path: &str, operation: &Operation) -> String {
        let (many, list) = match operation.action {
            "deletecollection" => ("Collection", ""),
            "watchlist" => ("", "List"),
            _ => ("", ""),
        };
        self.named(path, operation.id, many, list)
    }

    /// `readAppsV1NamespacedDeploymentScale`; `before` and `after` stand around what is read.
    pub(crate) fn named(&self, path: &str, verb: &str, before: &str, after: &str) -> String {
        let namespaced = path.contains("{namespace}");
        let everywhere = self.def.scope == Scope::Namespaced && !namespaced;
        format!(
            "{verb}{}{}{before}{}{}{}{after}{}",
            capital(&names::group(&self.served.group)),
            capital(&self.served.version),
            if namespaced { "Namespaced" } else { "" },
            self.def.kind,
            capital(self.below),
            if everywhere { "ForAllNamespaces" } else { "" },
        )
    }

    /// `{}` is the kind; `{a}` and `{the}` are the object, or the subresource of it.
    fn text(&self, text: &str) -> String {
        let kind = &*self.def.kind;
        let article = if kind.starts_with(['A', 'E', 'I', 'O', 'U']) {
            "an"
        } else {
            "a"
        };
        let of = if self.below.is_empty() {
            String::new()
        } else {
            format!("{} of ", self.below)
        };
        text.replace("{a}", &format!("{of}{article} {kind}"))
            .replace("{the}", &format!("{of}the specified {kind}"))
            .replace("{}", kind)
    }

    pub(crate) fn tag(&self) -> String {
        format!("{}_{}", names::group(&self.served.group), self.served.version)
    }

    fn patches(&self) -> &'static [&'static str] {
        if self.def.types.is_custom() {
            &CUSTOM_PATCHES
        } else {
            &PATCHES
        }
    }

    fn request(&self, operation: &Operation) -> Option<Value> {
        let content = match operation.method {
            "post" | "put" => content(&["*/*"], &self.body),
            "patch" => content(self.patches(), &names::reference(&names::meta("Patch"))),
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
        let status = || names::reference(&names::meta("Status"));
        let body = match operation.action {
            "list" => names::reference(&format!("{}List", self.schema_name())),
            "watch" | "watchlist" => names::reference(&names::meta("WatchEvent")),
            "delete" if !SHOWN_WHEN_DELETED.contains(&&*self.def.kind) => status(),
            "deletecollection" => status(),
            _ => self.body.clone(),
        };
        let streams = matches!(operation.action, "list" | "watch" | "watchlist");
        let media_types: Vec<&str> = if streams {
            [&ENCODINGS[..], &STREAMS].concat()
        } else {
            ENCODINGS.to_vec()
        };
        let codes: &[(&str, &str)] = match operation.action {
            "post" => &[("200", "OK"), ("201", "Created"), ("202", "Accepted")],
            "put" | "patch" => &[("200", "OK"), ("201", "Created")],
            "delete" => &[("200", "OK"), ("202", "Accepted")],
            _ => &[("200", "OK")],
        };
        answers(codes, &content(&media_types, &body))
    }

    /// `io.k8s.api.core.v1.Pod`
    fn schema_name(&self) -> String {
        let reference = self.body["$ref"].as_str().unwrap_or_default();
        reference.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// Answers with these codes and this content, and the one that everybody gets who is nobody.
pub(crate) fn answers(codes: &[(&str, &str)], content: &Value) -> Value {
    let each = codes.iter().map(|(code, text)| {
        (
            (*code).to_owned(),
            json!({ "description": text, "content": content }),
        )
    });
    let refused = ("401".to_owned(), json!({ "description": "Unauthorized" }));
    Value::Object(each.chain([refused]).collect())
}

pub(crate) fn content(media_types: &[&str], schema: &Value) -> Value {
    let of = |media_type: &&str| ((*media_type).to_owned(), json!({ "schema": schema }));
    Value::Object(media_types.iter().map(of).collect())
}

pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
