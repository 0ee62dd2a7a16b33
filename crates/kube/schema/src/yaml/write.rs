//! JSON values as YAML in the style of `sigs.k8s.io/yaml`: block style, sequences not indented
//! under their key, strings plain where nothing else could be meant.

use crate::tree::Value;
use std::fmt::Write;

/// Words that YAML 1.1 reads as booleans or null.
const WORDS: [&str; 11] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<",
];

pub(super) fn document(value: &Value, out: &mut String) {
    block(value, 0, out);
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

/// A value that starts on a fresh line, or where the caller stands.
fn block(value: &Value, level: usize, out: &mut String) {
    match value {
        Value::Map(map) if !map.entries().is_empty() => {
            for (index, (key, value)) in map.entries().iter().enumerate() {
                if index > 0 {
                    indent(out, level);
                }
                string(key, level, out);
                out.push(':');
                member(value, level, out);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    indent(out, level);
                }
                out.push_str("- ");
                block(item, level + 1, out);
            }
        }
        scalar => {
            flow(scalar, level, out);
            out.push('\n');
        }
    }
}

/// What follows `key:`.
fn member(value: &Value, level: usize, out: &mut String) {
    match value {
        Value::Map(map) if !map.entries().is_empty() => {
            out.push('\n');
            indent(out, level + 1);
            block(value, level + 1, out);
        }
        Value::List(items) if !items.is_empty() => {
            out.push('\n');
            indent(out, level);
            block(value, level, out);
        }
        scalar => {
            out.push(' ');
            flow(scalar, level + 1, out);
            out.push('\n');
        }
    }
}

fn flow(value: &Value, level: usize, out: &mut String) {
    match value {
        Value::Str(text) => string(text, level, out),
        Value::Map(_) => out.push_str("{}"),
        Value::List(_) => out.push_str("[]"),
        other => {
            let mut json = Vec::new();
            crate::json::encode_untyped(other, &mut json);
            out.push_str(&String::from_utf8_lossy(&json));
        }
    }
}

fn string(text: &str, level: usize, out: &mut String) {
    if text
        .chars()
        .any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
    {
        quoted(text, out);
    } else if text.contains('\n') {
        literal(text, level, out);
    } else if is_ambiguous(text) {
        quoted(text, out);
    } else if is_special(text) {
        let _ = write!(out, "'{}'", text.replace('\'', "''"));
    } else {
        out.push_str(text);
    }
}

/// Text that a YAML reader could take for something else than text.
fn is_ambiguous(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let numeric = |c: u8| c.is_ascii_hexdigit() || b"+-._:xoinfTtZz ,".contains(&c);
    text.is_empty()
        || WORDS.contains(&&*lower)
        || (text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && text.bytes().all(numeric))
}

/// Text that needs quotes because its characters mean something.
fn is_special(text: &str) -> bool {
    let first = text
        .chars()
        .next()
        .is_some_and(|c| "-?:,[]{}#&*!|>'\"%@` =".contains(c));
    (first && !(text.starts_with(['-', '?', ':']) && !text[1..].starts_with(' ') && text.len() > 1))
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #")
        || text.starts_with("---")
}

fn quoted(text: &str, out: &mut String) {
    let mut json = Vec::new();
    crate::json::text::string(&mut json, text);
    // JSON strings are YAML double-quoted strings.
    out.push_str(&String::from_utf8_lossy(&json));
}

/// A literal block; the indicator says what happens to the line ends at its end.
fn literal(text: &str, level: usize, out: &mut String) {
    let body = text.trim_end_matches('\n');
    // A block that begins with a space or an empty line would need an indentation indicator.
    if body.is_empty() || text.starts_with([' ', '\n']) {
        return quoted(text, out);
    }
    let ends = text.len() - body.len();
    out.push_str(["|-", "|", "|+"][ends.min(2)]);
    for line in body
        .split('\n')
        .chain(std::iter::repeat_n("", ends.saturating_sub(1)))
    {
        out.push('\n');
        if !line.is_empty() {
            indent(out, level.max(1));
            out.push_str(line);
        }
    }
}
