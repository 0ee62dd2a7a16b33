//! Types as OpenAPI v3 schemas, walked from the resources of one group version.

use std::collections::BTreeMap;

use schema::row::{Emit, Field, Form, Kind, Patch, Presence, Shape, Topology, TypeId, Types};
use serde_json::{Map, Value, json};

use crate::names;

/// The schemas that a document needs, by name.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    done: BTreeMap<String, Value>,
}

impl Schemas {
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
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in types.fields(ty) {
            let form = types.form(field);
            let name = types.name(field.json);
            if form.emit == Emit::Always && form.presence != Presence::Optional {
                required.push(name.to_owned());
            }
            properties.insert(name.to_owned(), self.property(types, field, form));
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            required.sort();
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
        for (name, value) in merge(types, field, form.shape) {
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
        self.done.entry(name).or_insert(schema);
        reference
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
fn merge(types: &Types, field: &Field, shape: Shape) -> Vec<(&'static str, Value)> {
    let merge = types.merge(field);
    let mut all = Vec::new();
    match (merge.topology, shape) {
        (Topology::Unmarked, _) => {}
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
