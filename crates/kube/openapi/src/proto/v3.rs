//! `openapi.v3`, as far as documents of this server use it.

use serde_json::Value;

use super::{Kind, Message};
use Kind::{Any, Anys, Flag, Int, Many, Map, Number, One, Requirement, Scalar, SchemaOrFlag, Text, Texts};

pub(super) static DOCUMENT: Message = Message {
    fields: &[
        ("openapi", 1, Text),
        ("info", 2, One(|_| (&[], &INFO))),
        ("paths", 4, Map(1, |_| (&[], &PATH_ITEM))),
        ("components", 5, One(|_| (&[], &COMPONENTS))),
        ("security", 6, Requirement),
    ],
    extensions: 9,
};

static INFO: Message = Message {
    fields: &[("title", 1, Text), ("description", 2, Text), ("version", 6, Text)],
    extensions: 7,
};

static COMPONENTS: Message = Message {
    fields: &[
        ("schemas", 1, Map(1, schema)),
        ("securitySchemes", 7, Map(1, |_| (&[1], &SECURITY_SCHEME))),
    ],
    extensions: 10,
};

static SECURITY_SCHEME: Message = Message {
    fields: &[
        ("type", 1, Text),
        ("description", 2, Text),
        ("name", 3, Text),
        ("in", 4, Text),
    ],
    extensions: 9,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 4, One(operation)),
        ("put", 5, One(operation)),
        ("post", 6, One(operation)),
        ("delete", 7, One(operation)),
        ("options", 8, One(operation)),
        ("head", 9, One(operation)),
        ("patch", 10, One(operation)),
        ("parameters", 13, Many(parameter)),
    ],
    extensions: 14,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Texts),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("parameters", 6, Many(parameter)),
        ("requestBody", 7, One(|_| (&[1], &REQUEST_BODY))),
        ("responses", 8, Map(2, |_| (&[1], &RESPONSE))),
        ("deprecated", 10, Flag),
    ],
    extensions: 13,
};

static REQUEST_BODY: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("content", 2, Map(1, media_type)),
        ("required", 3, Flag),
    ],
    extensions: 4,
};

static RESPONSE: Message = Message {
    fields: &[("description", 1, Text), ("content", 3, Map(1, media_type))],
    extensions: 5,
};

static MEDIA_TYPE: Message = Message {
    fields: &[("schema", 1, One(schema))],
    extensions: 5,
};

static PARAMETER: Message = Message {
    fields: &[
        ("name", 1, Text),
        ("in", 2, Text),
        ("description", 3, Text),
        ("required", 4, Flag),
        ("schema", 10, One(schema)),
    ],
    extensions: 14,
};

static REFERENCE: Message = Message {
    fields: &[("$ref", 1, Text)],
    extensions: 0,
};

static SCHEMA: Message = Message {
    fields: &[
        ("nullable", 1, Flag),
        ("example", 7, Any),
        ("title", 9, Text),
        ("multipleOf", 10, Number),
        ("maximum", 11, Number),
        ("exclusiveMaximum", 12, Flag),
        ("minimum", 13, Number),
        ("exclusiveMinimum", 14, Flag),
        ("maxLength", 15, Int),
        ("minLength", 16, Int),
        ("pattern", 17, Text),
        ("maxItems", 18, Int),
        ("minItems", 19, Int),
        ("uniqueItems", 20, Flag),
        ("maxProperties", 21, Int),
        ("minProperties", 22, Int),
        ("required", 23, Texts),
        ("enum", 24, Anys),
        ("type", 25, Text),
        ("allOf", 26, Many(schema)),
        ("oneOf", 27, Many(schema)),
        ("anyOf", 28, Many(schema)),
        ("not", 29, One(|_| (&[], &SCHEMA))),
        ("items", 30, One(item)),
        ("properties", 31, Map(1, schema)),
        ("additionalProperties", 32, SchemaOrFlag(schema)),
        ("default", 33, Scalar),
        ("description", 34, Text),
        ("format", 35, Text),
    ],
    extensions: 36,
};

fn schema(value: &Value) -> (&'static [u32], &'static Message) {
    if value["$ref"].is_string() {
        (&[2], &REFERENCE)
    } else {
        (&[1], &SCHEMA)
    }
}

/// An item is one of a list in a message of its own.
fn item(value: &Value) -> (&'static [u32], &'static Message) {
    if value["$ref"].is_string() {
        (&[1, 2], &REFERENCE)
    } else {
        (&[1, 1], &SCHEMA)
    }
}

fn operation(_: &Value) -> (&'static [u32], &'static Message) {
    (&[], &OPERATION)
}

fn parameter(_: &Value) -> (&'static [u32], &'static Message) {
    (&[1], &PARAMETER)
}

fn media_type(_: &Value) -> (&'static [u32], &'static Message) {
    (&[], &MEDIA_TYPE)
}
