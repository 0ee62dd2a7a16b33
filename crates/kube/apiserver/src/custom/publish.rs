//! A definition's schema as OpenAPI documents show it (`controller/openapi/{builder,v2}`).
//!
//! It is read from the definition in the watch cache when a document is printed: documents are kept, and a second copy
//! of every schema would cost more than printing them now and then.

use schema::resource::ResourceDef;
use serde_json::{Map, Value, json};

use super::PREFIX;
use crate::cache::Cache;

/// For OpenAPI v3; none for a definition that is gone.
pub(crate) fn v3(cache: &Cache, def: &ResourceDef, version: &str) -> Option<Value> {
    let mut schema = stored(cache, def, version)?;
    each(&mut schema, &mut |schema| {
        int_or_string(schema);
        embedded(schema);
    });
    Some(schema)
}

/// For OpenAPI v2, whose readers (`kubectl`) cannot cope with much of what v3 says.
pub(crate) fn v2(cache: &Cache, def: &ResourceDef, version: &str) -> Option<Value> {
    let mut schema = stored(cache, def, version)?;
    if schema[OPEN] == true {
        return None;
    }
    each(&mut schema, &mut |schema| {
        simplify(schema);
        if !is(schema, OPEN) {
            embedded(schema);
        }
    });
    Some(schema)
}

const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

fn stored(cache: &Cache, def: &ResourceDef, version: &str) -> Option<Value> {
    let name = format!("{}.{}", def.plural, def.group);
    let object = cache.snapshot(PREFIX).get(&name)?.clone();
    let mut definition: Value = serde_json::from_slice(object.body()).ok()?;
    let versions = definition.pointer_mut("/spec/versions")?.as_array_mut()?;
    let found = versions.iter_mut().find(|found| found["name"] == version)?;
    found.pointer_mut("/schema/openAPIV3Schema").map(Value::take)
}

fn is(schema: &Map<String, Value>, flag: &str) -> bool {
    schema.get(flag) == Some(&Value::Bool(true))
}

/// Does something with every schema, the outer ones first.
fn each(schema: &mut Value, act: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(members) = schema else { return };
    act(members);
    for name in ["items", "additionalProperties"] {
        members
            .get_mut(name)
            .into_iter()
            .for_each(|schema| each(schema, act));
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.values_mut().for_each(|schema| each(schema, act));
    }
}

/// Clients that do not know the extension shall know the types.
fn int_or_string(schema: &mut Map<String, Value>) {
    if !is(schema, "x-kubernetes-int-or-string") {
        return;
    }
    let both = json!([{ "type": "integer" }, { "type": "string" }]);
    if schema.get("anyOf") == Some(&both) || schema.get("allOf").is_some_and(|all| all[0]["anyOf"] == both) {
        return;
    }
    if schema.contains_key("anyOf") {
        let first = json!({ "anyOf": both });
        let rest = schema
            .get("allOf")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let all: Vec<Value> = [first].into_iter().chain(rest).collect();
        schema.insert("allOf".to_owned(), json!(all));
    } else {
        schema.insert("anyOf".to_owned(), both);
    }
}

const API_VERSION: &str = "apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// An embedded resource has what every resource has.
fn embedded(schema: &mut Map<String, Value>) {
    if !is(schema, "x-kubernetes-embedded-resource") {
        return;
    }
    let mut required: Vec<Value> = schema
        .get("required")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for name in ["kind", "apiVersion"] {
        if !required.iter().any(|known| known == name) {
            required.push(json!(name));
        }
    }
    schema.insert("required".to_owned(), json!(required));
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    properties["apiVersion"] = json!({ "type": "string", "description": API_VERSION });
    properties["kind"] = json!({ "type": "string", "description": KIND });
    properties["metadata"] = json!({ "allOf": [{ "$ref": METADATA }] });
}

/// What v2 has no words for is left out, and with it what its readers would take for more than it is.
fn simplify(schema: &mut Map<String, Value>) {
    for name in ["allOf", "anyOf", "oneOf", "not"] {
        schema.remove(name);
    }
    let (nullable, open) = (is(schema, "nullable"), is(schema, OPEN));
    if nullable {
        schema.remove("nullable");
        schema.remove("type");
    }
    if nullable || open {
        schema.remove("items");
        schema.remove("properties");
    }
    let ty = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if (ty == "array" && !schema.contains_key("items")) || (ty == "object" && open) {
        schema.remove("type");
    }
    let may_be_null = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        schema
            .get("properties")
            .is_some_and(|all| all[name]["nullable"] == true)
    };
    let required = schema.get("required").and_then(Value::as_array);
    let kept: Option<Vec<Value>> =
        required.map(|names| names.iter().filter(|name| !may_be_null(name)).cloned().collect());
    match kept {
        Some(kept) if kept.is_empty() => drop(schema.remove("required")),
        Some(kept) => drop(schema.insert("required".to_owned(), json!(kept))),
        None => {}
    }
}
