//! OpenAPI v2 (Swagger 2.0): one document of everything, made of the documents of v3.
//!
//! The two say the same in other words: where v3 refers to `components/schemas` v2 has `definitions`, bodies are parameters,
//! and media types stand beside an operation instead of around its schemas. What v2 cannot say is left out: a choice of
//! types, defaults, and what stands around a reference.

use serde_json::{Map, Value, json};

use crate::GIT_VERSION;
use crate::catalog::Catalog;
use crate::plain::json as bytes;
use crate::v3::CustomSchema;

/// Methods that a path may have; its other members are for all of them.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

impl Catalog {
    /// `/openapi/v2`
    pub fn swagger(&self, custom: CustomSchema<'_>) -> Vec<u8> {
        bytes(&self.swagger_value(custom))
    }

    pub(crate) fn swagger_value(&self, custom: CustomSchema<'_>) -> Value {
        let (mut paths, mut definitions) = (Map::new(), Map::new());
        for document in self.documents(custom) {
            let Value::Object(mut document) = document else {
                continue;
            };
            for (path, item) in members(document.remove("paths")) {
                paths.insert(path, path_item(item));
            }
            let mut components = members(document.remove("components"));
            for (name, schema) in members(components.remove("schemas")) {
                define(&mut definitions, name, schema);
            }
        }
        json!({
            "swagger": "2.0",
            "info": { "title": "Kubernetes", "version": GIT_VERSION },
            "paths": paths,
            "definitions": definitions,
            "securityDefinitions": {
                "BearerToken": {
                    "description": "Bearer Token authentication",
                    "type": "apiKey",
                    "name": "authorization",
                    "in": "header",
                },
            },
            "security": [{ "BearerToken": [] }],
        })
    }
}

fn members(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// Adds a schema. Several documents have the same one, each marked with the kinds of its own group.
fn define(definitions: &mut Map<String, Value>, name: String, schema: Value) {
    const KINDS: &str = "x-kubernetes-group-version-kind";
    let new = definition(schema);
    let Some(known) = definitions.get_mut(&name) else {
        definitions.insert(name, new);
        return;
    };
    let Some(Value::Array(more)) = new.get(KINDS) else {
        return;
    };
    if !known[KINDS].is_array() {
        known[KINDS] = json!([]);
    }
    if let Some(kinds) = known[KINDS].as_array_mut() {
        let added = more
            .iter()
            .filter(|kind| !kinds.contains(kind))
            .cloned()
            .collect::<Vec<_>>();
        kinds.extend(added);
        kinds.sort_by_key(|kind| (text(kind, "group"), text(kind, "version"), text(kind, "kind")));
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// A schema in v2's words.
fn definition(schema: Value) -> Value {
    let Value::Object(mut members) = schema else {
        return schema;
    };
    // Beside a reference v2 ignores what v3 has to write around it.
    if let Some(Value::Array(parts)) = members.remove("allOf")
        && let [Value::Object(part)] = &parts[..]
    {
        members.extend(part.clone());
    }
    members.remove("default");
    if members.remove("oneOf").is_some() {
        members.insert("type".to_owned(), json!("string"));
    }
    let inner = members.into_iter().map(|(name, value)| {
        let value = match name.as_str() {
            "$ref" => json!(
                value
                    .as_str()
                    .unwrap_or_default()
                    .replace("#/components/schemas/", "#/definitions/")
            ),
            "items" | "additionalProperties" => definition(value),
            "properties" => {
                let each = members_of(value).map(|(name, schema)| (name, definition(schema)));
                Value::Object(each.collect())
            }
            _ => value,
        };
        (name, value)
    });
    Value::Object(inner.collect())
}

fn members_of(value: Value) -> impl Iterator<Item = (String, Value)> {
    members(Some(value)).into_iter()
}

fn path_item(item: Value) -> Value {
    let each = members_of(item).map(|(name, value)| {
        let value = match name.as_str() {
            "parameters" => parameters(value, Vec::new()),
            method if METHODS.contains(&method) => operation(value),
            _ => value,
        };
        (name, value)
    });
    Value::Object(each.collect())
}

fn operation(operation: Value) -> Value {
    let mut operation = members(Some(operation));
    let (mut consumes, mut body) = (json!(["*/*"]), Vec::new());
    if let Some(request) = operation.remove("requestBody") {
        let (media_types, schema) = content(&request);
        consumes = json!(media_types);
        let mut parameter = json!({ "in": "body", "name": "body", "schema": schema });
        if request["required"] == true {
            parameter["required"] = json!(true);
        }
        body.push(parameter);
    }
    if let Some(given) = operation.remove("parameters") {
        operation.insert("parameters".to_owned(), parameters(given, body));
    } else if !body.is_empty() {
        operation.insert("parameters".to_owned(), json!(body));
    }
    let mut produces = Vec::new();
    let responses = members_of(operation.remove("responses").unwrap_or_default()).map(|(code, response)| {
        let mut made = json!({ "description": response["description"] });
        if response["content"].is_object() {
            let (media_types, schema) = content(&response);
            produces = media_types;
            made["schema"] = schema;
        }
        (code, made)
    });
    let responses: Map<String, Value> = responses.collect();
    // Discovery names what it answers in as what it takes; what is text takes nothing.
    let acts = operation.contains_key("x-kubernetes-action");
    let refers = responses["200"]["schema"]["$ref"].is_string();
    if acts || refers {
        operation.insert(
            "consumes".to_owned(),
            if acts { consumes } else { json!(produces) },
        );
    }
    operation.insert("produces".to_owned(), json!(produces));
    operation.insert("responses".to_owned(), Value::Object(responses));
    operation.insert("schemes".to_owned(), json!(["https"]));
    Value::Object(operation)
}

/// The media types of a body and its schema, which is the same for all of them.
fn content(holder: &Value) -> (Vec<String>, Value) {
    let content = holder["content"].as_object();
    let media_types = content
        .into_iter()
        .flatten()
        .map(|(media_type, _)| media_type.clone());
    let schema = content
        .and_then(|content| content.values().next())
        .map(|of| of["schema"].clone());
    (media_types.collect(), definition(schema.unwrap_or_default()))
}

/// Parameters, whose types stand beside their names in v2; `body` comes first.
fn parameters(given: Value, body: Vec<Value>) -> Value {
    let Value::Array(given) = given else { return given };
    let flat = given.into_iter().map(|parameter| {
        let mut parameter = members(Some(parameter));
        let schema = members(parameter.remove("schema"));
        parameter.extend(schema);
        Value::Object(parameter)
    });
    Value::Array(body.into_iter().chain(flat).collect())
}
