//! Types as OpenAPI v3 schemas, walked from the resources of one group version.
//!
//! Built-in types are printed from their rows; a custom resource brings its schema with it, to which the members that every
//! object has are added.

use std::collections::BTreeMap;

use schema::BUILTIN;
use schema::resource::{ResourceDef, type_of_kind};
use schema::row::{Emit, Field, Form, Kind, Patch, Presence, Shape, Topology, TypeId, Types};
use serde_json::{Map, Value, json};

use crate::descriptions::Descriptions;
use crate::names;

/// The schemas that a document needs, by name.
#[derive(Debug)]
pub(crate) struct Schemas<'a> {
    done: BTreeMap<String, Value>,
    descriptions: &'a Descriptions,
}

impl<'a> Schemas<'a> {
    /// None yet.
    pub(crate) fn new(descriptions: &'a Descriptions) -> Self {
        Self {
            done: BTreeMap::new(),
            descriptions,
        }
    }

    /// Adds a built-in type and all that it refers to; gives a reference to it.
    pub(crate) fn refer(&mut self, types: &Types, ty: TypeId) -> Value {
        let name = names::of(types, ty);
        if !self.done.contains_key(&name) {
            // The place is taken first: types refer to themselves.
            self.done.insert(name.clone(), Value::Null);
            let schema = self.object(types, ty);
            self.done.insert(name.clone(), schema);
        }
        names::reference(&name)
    }

    /// Adds the schema of a custom resource's version, and of lists of it; gives a reference to the first. Where the
    /// document has no words for the schema, nothing is said of its members: kubectl would take them for all there are.
    pub(crate) fn refer_custom(&mut self, def: &ResourceDef, version: &str, schema: Option<Value>) -> Value {
        let name = names::custom(&def.group, version, &def.kind);
        for ty in ["ObjectMeta", "ListMeta"]
            .iter()
            .filter_map(|kind| BUILTIN.find("meta/v1", kind))
        {
            self.refer(&BUILTIN, ty);
        }
        let own = schema.map_or_else(
            || json!({ "type": "object" }),
            |mut schema| {
                for (member, value) in object_members("ObjectMeta") {
                    schema["properties"][member] = value;
                }
                schema
            },
        );
        let mut list = json!({
            "type": "object",
            "required": ["items"],
            "properties": { "items": { "type": "array", "items": names::reference(&name) } },
        });
        for (member, value) in object_members("ListMeta") {
            list["properties"][member] = value;
        }
        for (suffix, mut made) in [("", own), ("List", list)] {
            let kind = format!("{}{suffix}", def.kind);
            made["x-kubernetes-group-version-kind"] =
                json!([{ "group": def.group, "kind": kind, "version": version }]);
            self.done.insert(format!("{name}{suffix}"), made);
        }
        names::reference(&name)
    }

    /// Adds a type of `meta/v1` by its name.
    pub(crate) fn refer_meta(&mut self, kind: &str) -> Option<Value> {
        let ty = type_of_kind("", "v1", kind)?;
        let reference = self.refer(&BUILTIN, ty);
        self.mark(&BUILTIN, ty, "", "v1", kind);
        Some(reference)
    }

    /// What `/version` answers.
    pub(crate) fn version_info(&mut self) -> Value {
        let name = "io.k8s.apimachinery.pkg.version.Info";
        if let Some(ty) = BUILTIN.find("version", "Info") {
            let schema = self.object(&BUILTIN, ty);
            self.done.insert(name.to_owned(), schema);
        }
        names::reference(name)
    }

    /// What every document has besides what its paths need: a patch, and an event of a watch.
    pub(crate) fn basics(&mut self) {
        let object = self.special(Kind::Any, "RawExtension");
        let event = json!({
            "type": "object",
            "required": ["type", "object"],
            "properties": { "object": object, "type": { "type": "string", "default": "" } },
        });
        self.done.insert(names::meta("WatchEvent"), event);
        self.done
            .insert(names::meta("Patch"), json!({ "type": "object" }));
        for kind in ["DeleteOptions", "Status"] {
            self.refer_meta(kind);
        }
    }

    /// Says of which kinds a schema is (`x-kubernetes-group-version-kind`).
    pub(crate) fn mark(&mut self, types: &Types, ty: TypeId, group: &str, version: &str, kind: &str) {
        if let Some(Value::Object(schema)) = self.done.get_mut(&names::of(types, ty)) {
            let kinds = json!([{ "group": group, "kind": kind, "version": version }]);
            schema.insert("x-kubernetes-group-version-kind".to_owned(), kinds);
        }
    }

    /// All of them.
    pub(crate) fn finish(self) -> Map<String, Value> {
        self.done.into_iter().collect()
    }

    fn object(&mut self, types: &Types, ty: TypeId) -> Value {
        let own = names::of(types, ty);
        let descriptions = self.descriptions;
        let mut described = descriptions.of_members(&own);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in types.fields(ty) {
            let form = types.form(field);
            let name = types.name(field.json);
            if is_required(&own, name, form) {
                required.push(name.to_owned());
            }
            let mut property = self.property(types, field, form);
            if let Some(text) = described.remove(name).or_else(|| of_lists(name, &own)) {
                property = with(property, "description", json!(text));
            }
            for (.., mark, value) in MARKS
                .iter()
                .filter(|(ty, member, ..)| (*ty, *member) == (&own, name))
            {
                property = with(property, mark, json!(value));
            }
            properties.insert(name.to_owned(), property);
        }
        let mut schema = json!({ "type": "object" });
        if !properties.is_empty() {
            schema["properties"] = Value::Object(properties);
        }
        if types.marks(ty).atomic {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        if let Some(text) = descriptions.of_type(&own) {
            schema["description"] = json!(text);
        }
        if !required.is_empty() {
            required.sort_unstable();
            schema["required"] = json!(required);
        }
        schema
    }

    fn property(&mut self, types: &Types, field: &Field, form: &Form) -> Value {
        let mut schema = match form.shape {
            Shape::Value | Shape::Ptr => self.value(types, field, form.kind),
            Shape::List => {
                let items = with_default(self.value(types, field, form.kind), zero(form.kind));
                json!({ "type": "array", "items": items })
            }
            Shape::Map => {
                let values = with_default(self.value(types, field, form.kind), zero(form.kind));
                json!({ "type": "object", "additionalProperties": values })
            }
        };
        schema = with_default(schema, default(types, form));
        for (name, value) in merge(types, field, form) {
            schema = with(schema, name, value);
        }
        schema
    }

    /// One value of a field.
    fn value(&mut self, types: &Types, field: &Field, kind: Kind) -> Value {
        match kind {
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Int32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Int64 => json!({ "type": "integer", "format": "int64" }),
            Kind::Float64 => json!({ "type": "number", "format": "double" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte" }),
            Kind::Strings => json!({ "type": "array", "items": { "type": "string", "default": "" } }),
            Kind::Struct => self.refer(types, field.ty),
            Kind::Any | Kind::Nested => json!({ "x-kubernetes-preserve-unknown-fields": true }),
            special => self.special(special, types.name(field.go)),
        }
    }

    /// A type with an encoding of its own, which has a schema of its own too.
    fn special(&mut self, kind: Kind, go: &str) -> Value {
        let (name, schema) = match kind {
            Kind::Time => (
                names::meta("Time"),
                json!({ "type": "string", "format": "date-time" }),
            ),
            Kind::MicroTime => (
                names::meta("MicroTime"),
                json!({ "type": "string", "format": "date-time" }),
            ),
            Kind::Duration => (names::meta("Duration"), json!({ "type": "string" })),
            Kind::Quantity => (
                "io.k8s.apimachinery.pkg.api.resource.Quantity".to_owned(),
                json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
            ),
            Kind::IntOrString => (
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString".to_owned(),
                json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] }),
            ),
            Kind::SchemaOrArray => (extension("JSONSchemaPropsOrArray"), json!({})),
            Kind::SchemaOrBool => (extension("JSONSchemaPropsOrBool"), json!({})),
            Kind::SchemaOrStrings => (extension("JSONSchemaPropsOrStringArray"), json!({})),
            _ if go.ends_with("FieldsV1") => (names::meta("FieldsV1"), json!({ "type": "object" })),
            _ if go.ends_with("JSON") => (extension("JSON"), json!({})),
            _ => (
                "io.k8s.apimachinery.pkg.runtime.RawExtension".to_owned(),
                json!({ "type": "object" }),
            ),
        };
        let reference = names::reference(&name);
        let text = self.descriptions.of_type(&name);
        self.done.entry(name).or_insert_with(|| match text {
            Some(text) => with(schema, "description", json!(text)),
            None => schema,
        });
        reference
    }
}

/// The members that every object has, and its metadata.
fn object_members(metadata: &str) -> [(&'static str, Value); 3] {
    let text = json!({ "type": "string" });
    let metadata = json!({ "allOf": [names::reference(&names::meta(metadata))], "default": {} });
    [
        ("apiVersion", text.clone()),
        ("kind", text),
        ("metadata", metadata),
    ]
}

/// What stands in every list, whose types the source of descriptions does not have.
fn of_lists(member: &str, name: &str) -> Option<String> {
    let kind = name
        .rsplit('.')
        .next()?
        .strip_suffix("List")
        .filter(|kind| !kind.is_empty())?;
    match member {
        "items" => Some(format!("items is the list of {kind} objects.")),
        "metadata" => Some("metadata is the standard list metadata.".to_owned()),
        _ => None,
    }
}

/// Structures that Go prints although they are marked as what may be left out.
const OPTIONAL: [(&str, &[&str]); 15] = [
    (
        "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
        &["spec"],
    ),
    (
        "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding",
        &["spec"],
    ),
    (
        "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
        &["spec"],
    ),
    ("io.k8s.api.apps.v1.ControllerRevision", &["data"]),
    (
        "io.k8s.api.apps.v1.DeploymentCondition",
        &["lastTransitionTime", "lastUpdateTime"],
    ),
    ("io.k8s.api.apps.v1.StatefulSetSpec", &["updateStrategy"]),
    ("io.k8s.api.core.v1.EventSeries", &["lastObservedTime"]),
    ("io.k8s.api.discovery.v1.Endpoint", &["conditions"]),
    (
        "io.k8s.api.flowcontrol.v1.FlowSchemaCondition",
        &["lastTransitionTime"],
    ),
    (
        "io.k8s.api.flowcontrol.v1.LimitedPriorityLevelConfiguration",
        &["limitResponse"],
    ),
    (
        "io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationCondition",
        &["lastTransitionTime"],
    ),
    ("io.k8s.api.networking.v1.IngressServiceBackend", &["port"]),
    ("io.k8s.api.storage.v1.CSIDriver", &["metadata"]),
    ("io.k8s.api.storage.v1.CSINode", &["metadata"]),
    (
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
        &["spec", "status"],
    ),
];

/// Marks that change nothing, and that upstream has all the same.
const MARKS: [(&str, &str, &str, &str); 3] = [
    (
        "io.k8s.api.core.v1.PersistentVolumeClaimStatus",
        "allocatedResourceStatuses",
        "x-kubernetes-map-type",
        "granular",
    ),
    (
        "io.k8s.api.core.v1.PersistentVolumeSpec",
        "claimRef",
        "x-kubernetes-map-type",
        "granular",
    ),
    (
        "io.k8s.api.policy.v1.PodDisruptionBudgetSpec",
        "selector",
        "x-kubernetes-patch-strategy",
        "replace",
    ),
];

fn optional(of: &str, name: &str) -> bool {
    OPTIONAL
        .iter()
        .any(|(ty, members)| *ty == of && members.contains(&name))
}

fn is_required(of: &str, name: &str, form: &Form) -> bool {
    match form.presence {
        Presence::Required => true,
        Presence::Optional => false,
        _ => form.emit == Emit::Always && !optional(of, name),
    }
}

fn extension(name: &str) -> String {
    format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{name}")
}

/// Go's zero, where it is one that a client may leave out.
fn zero(kind: Kind) -> Option<Value> {
    match kind {
        Kind::Bool => Some(json!(false)),
        Kind::Int32 | Kind::Int64 | Kind::Float64 => Some(json!(0)),
        Kind::String => Some(json!("")),
        Kind::Struct => Some(json!({})),
        _ => None,
    }
}

/// The default that a marker gives, or the zero of what Go holds by value and always prints.
fn default(types: &Types, form: &Form) -> Option<Value> {
    match types.name(form.default) {
        "" if form.shape == Shape::Value && (form.emit == Emit::Always || form.kind == Kind::Struct) => {
            zero(form.kind)
        }
        "" => None,
        text => serde_json::from_str(text).ok(),
    }
}

fn with_default(schema: Value, default: Option<Value>) -> Value {
    match default {
        Some(default) => with(schema, "default", default),
        None => schema,
    }
}

/// Adds a member. Beside a reference OpenAPI ignores all others, so a reference becomes the one part of a whole.
fn with(schema: Value, name: &str, value: Value) -> Value {
    let mut schema = match schema {
        Value::Object(members) if members.contains_key("$ref") => json!({ "allOf": [members] }),
        schema => schema,
    };
    schema[name] = value;
    schema
}

/// What apply and strategic merge patch need to know.
fn merge(types: &Types, field: &Field, form: &Form) -> Vec<(&'static str, Value)> {
    let merge = types.merge(field);
    let mut all = Vec::new();
    let whole = form.kind == Kind::Struct && matches!(form.shape, Shape::Value | Shape::Ptr);
    match (merge.topology, form.shape) {
        (Topology::Unmarked, _) => {}
        // The type says so itself.
        (Topology::Atomic, _) if whole && types.marks(field.ty).atomic => {}
        (Topology::Atomic, _) if form.kind == Kind::Bytes => {
            all.push(("x-kubernetes-list-type", json!("atomic")));
        }
        (Topology::Atomic, Shape::List) => all.push(("x-kubernetes-list-type", json!("atomic"))),
        (Topology::Atomic, _) => all.push(("x-kubernetes-map-type", json!("atomic"))),
        (Topology::Set, _) => all.push(("x-kubernetes-list-type", json!("set"))),
        (Topology::Map, _) => {
            let keys: Vec<&str> = merge.keys.iter().map(|key| types.name(*key)).collect();
            all.push(("x-kubernetes-list-type", json!("map")));
            all.push(("x-kubernetes-list-map-keys", json!(keys)));
        }
    }
    let strategy = match merge.patch {
        Patch::Replace => return all,
        Patch::Merge => "merge",
        Patch::RetainKeys => "retainKeys",
        Patch::MergeRetainKeys => "merge,retainKeys",
    };
    all.push(("x-kubernetes-patch-strategy", json!(strategy)));
    let key = types.name(merge.patch_key);
    if !key.is_empty() {
        all.push(("x-kubernetes-patch-merge-key", json!(key)));
    }
    all
}
