//! `openapi.v2`, as far as documents of this server use it.

use serde_json::Value;

use super::{Kind, Message};
use Kind::{Any, Anys, Boxed, Flag, Int, Many, Map, Number, One, Requirement, SchemaOrFlag, Text, Texts};

pub(super) static DOCUMENT: Message = Message {
    fields: &[
        ("swagger", 1, Text),
        ("info", 2, One(|_| (&[], &INFO))),
        ("paths", 8, Map(2, |_| (&[], &PATH_ITEM))),
        ("definitions", 9, Map(1, schema)),
        ("security", 12, Requirement),
        ("securityDefinitions", 13, Map(1, |_| (&[2], &API_KEY))),
    ],
    extensions: 16,
};

static INFO: Message = Message {
    fields: &[("title", 1, Text), ("version", 2, Text), ("description", 3, Text)],
    extensions: 7,
};

static API_KEY: Message = Message {
    fields: &[
        ("type", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("description", 4, Text),
    ],
    extensions: 5,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 2, One(operation)),
        ("put", 3, One(operation)),
        ("post", 4, One(operation)),
        ("delete", 5, One(operation)),
        ("options", 6, One(operation)),
        ("head", 7, One(operation)),
        ("patch", 8, One(operation)),
        ("parameters", 9, Many(parameter)),
    ],
    extensions: 10,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Texts),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Texts),
        ("consumes", 7, Texts),
        ("parameters", 8, Many(parameter)),
        ("responses", 9, Map(1, |_| (&[1], &RESPONSE))),
        ("schemes", 10, Texts),
        ("deprecated", 11, Flag),
    ],
    extensions: 13,
};

static RESPONSE: Message = Message {
    fields: &[("description", 1, Text), ("schema", 2, One(|_| (&[1], &SCHEMA)))],
    extensions: 5,
};

static BODY: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, One(schema)),
    ],
    extensions: 6,
};

static IN_QUERY: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 6, Text),
        ("format", 7, Text),
        ("uniqueItems", 20, Flag),
    ],
    extensions: 23,
};

static IN_PATH: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("format", 6, Text),
        ("uniqueItems", 19, Flag),
    ],
    extensions: 22,
};

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("title", 3, Text),
        ("description", 4, Text),
        ("default", 5, Any),
        ("multipleOf", 6, Number),
        ("maximum", 7, Number),
        ("exclusiveMaximum", 8, Flag),
        ("minimum", 9, Number),
        ("exclusiveMinimum", 10, Flag),
        ("maxLength", 11, Int),
        ("minLength", 12, Int),
        ("pattern", 13, Text),
        ("maxItems", 14, Int),
        ("minItems", 15, Int),
        ("uniqueItems", 16, Flag),
        ("maxProperties", 17, Int),
        ("minProperties", 18, Int),
        ("required", 19, Texts),
        ("enum", 20, Anys),
        ("additionalProperties", 21, SchemaOrFlag(schema)),
        ("type", 22, Boxed),
        ("items", 23, One(|_| (&[1], &SCHEMA))),
        ("allOf", 24, Many(schema)),
        ("properties", 25, Map(1, schema)),
        ("example", 30, Any),
    ],
    extensions: 31,
};

fn schema(_: &Value) -> (&'static [u32], &'static Message) {
    (&[], &SCHEMA)
}

fn operation(_: &Value) -> (&'static [u32], &'static Message) {
    (&[], &OPERATION)
}

fn parameter(value: &Value) -> (&'static [u32], &'static Message) {
    match value["in"].as_str() {
        Some("body") => (&[1, 1], &BODY),
        Some("path") => (&[1, 2, 4], &IN_PATH),
        _ => (&[1, 2, 3], &IN_QUERY),
    }
}
