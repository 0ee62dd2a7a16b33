//! `Secret`: bytes by key, with a type that demands some keys.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::json;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{MAX_BYTES, immutable, keys};
use crate::rules::value;
use crate::{PLAIN, Place, SelectableField, Strategy};

const ACCOUNT: &str = "kubernetes.io/service-account.name";

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, secret, errors| validate(secret, errors),
    validate_update: |_, secret, old, errors| {
        value::immutable(&Place::root(secret).child("type"), old.at("type"), errors);
        immutable(secret, old, &["data"], errors);
        validate(secret, errors);
    },
    fields: &[SelectableField::text("type")],
    resets: &[],
    ..PLAIN
};

/// The type, and `stringData` as what it is: another way to write `data`.
fn default(types: &Types, secret: &mut Struct) {
    if Ref::new(types, secret).at("type").is_empty() {
        cursor::set(types, secret, "type", Value::str("Opaque"));
    }
    if let Some(Value::Map(texts)) = cursor::remove(types, secret, "stringData")
        && let Some(data) = cursor::map_mut(types, secret, "data")
    {
        for (key, text) in texts.entries() {
            let bytes = text.as_str().unwrap_or_default().as_bytes();
            data.insert(key, Value::Bytes(bytes.into()));
        }
    }
}

fn validate(secret: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(secret);
    let data = place.child("data");
    if keys(&data, errors) > MAX_BYTES {
        data.too_long(errors, MAX_BYTES);
    }
    match secret.at("type").str() {
        "kubernetes.io/service-account-token" => {
            let metadata = place.child("metadata");
            metadata.child("annotations").key(ACCOUNT).require(errors, "");
        }
        "kubernetes.io/dockercfg" => is_json(&data.key(".dockercfg"), errors),
        "kubernetes.io/dockerconfigjson" => is_json(&data.key(".dockerconfigjson"), errors),
        "kubernetes.io/basic-auth" => {
            let keys = ["username", "password"].map(|key| data.key(key));
            if keys.iter().all(|key| !key.exists()) {
                keys.iter().for_each(|key| key.required(errors, ""));
            }
        }
        "kubernetes.io/ssh-auth" => {
            data.key("ssh-privatekey").require(errors, "");
        }
        "kubernetes.io/tls" => {
            let keys = ["tls.crt", "tls.key"].map(|key| data.key(key));
            keys.iter()
                .filter(|key| !key.exists())
                .for_each(|key| key.required(errors, ""));
        }
        _ => {}
    }
}

/// A JSON object. Errors do not show it.
fn is_json(entry: &Place<'_, '_>, errors: &mut Errors) {
    const REDACTED: &str = "<secret contents redacted>";
    let Some(Value::Bytes(bytes)) = entry.value().value() else {
        return entry.required(errors, "");
    };
    let wrong = match json::parse(bytes) {
        Ok(Value::Map(_) | Value::Null) => return,
        Ok(other) => format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            go_kind(&other)
        ),
        Err(error) => error.to_string(),
    };
    entry.invalid_value(errors, REDACTED, wrong);
}

const fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) => "number",
        Value::List(_) => "array",
        _ => "string",
    }
}
