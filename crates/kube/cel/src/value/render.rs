//! Values as text: JSON, and numbers as Go prints them.

use schema::json::{write_float, write_int, write_string};

use super::{Value, time};

/// A value as JSON text; what JSON has no form for is a string.
pub(crate) fn json(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    write(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

fn write(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null | Value::Optional(None) => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int(value) => write_int(out, *value),
        Value::Uint(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Double(value) if value.is_finite() => write_float(out, *value),
        Value::Double(value) => write_string(out, &double(*value)),
        Value::String(text) => write_string(out, text),
        Value::Bytes(bytes) => write_string(out, &crate::library::base64_encode(bytes)),
        Value::Duration(nanos) => write_string(out, &time::duration_text(*nanos)),
        Value::Timestamp(moment) => write_string(out, &moment.to_string()),
        Value::Optional(Some(value)) => write(out, value),
        Value::Type(ty) => write_string(out, &ty.to_string()),
        Value::Opaque(opaque) => opaque.write_json(out),
        Value::List(list) => {
            out.push(b'[');
            for (index, item) in list.iter().enumerate() {
                comma(out, index);
                write(out, &item);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (index, (key, item)) in map.entries().enumerate() {
                comma(out, index);
                write_string(out, &key_text(&key));
                out.push(b':');
                write(out, &item);
            }
            out.push(b'}');
        }
    }
}

fn comma(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// A key as text.
pub(crate) fn key_text(key: &Value<'_>) -> String {
    match key {
        Value::String(text) => text.to_string(),
        Value::Double(value) => double(*value),
        other => json(other),
    }
}

/// A double as Go's `%g` with the shortest exact digits prints it.
pub(crate) fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or_default();
    if (-4..21).contains(&power) {
        return format!("{value}");
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}
