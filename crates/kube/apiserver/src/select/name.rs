//! What a label's key and value may be, with upstream's texts (apimachinery `api/validate/content`).

use std::fmt::Write as _;

const KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const KEY_EXPRESSION: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const MAX: usize = 63;
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// What is wrong with a label's key; empty if nothing is.
pub(crate) fn key_errors(key: &str) -> Vec<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let (prefix, name) = match parts[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            let regex = regex_error(KEY, KEY_EXPRESSION, &["MyName", "my.name", "123-abc"]);
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {regex} {optional}")];
        }
    };
    let mut errors: Vec<String> = prefix.into_iter().flat_map(prefix_errors).collect();
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > MAX {
        errors.push(format!("name part must be no more than {MAX} bytes"));
    }
    if !is_name(name) {
        let regex = regex_error(KEY, KEY_EXPRESSION, &["MyName", "my.name", "123-abc"]);
        errors.push(format!("name part {regex}"));
    }
    errors
}

fn prefix_errors(prefix: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if prefix.is_empty() {
        return vec!["prefix part must be non-empty".to_owned()];
    }
    if prefix.len() > 253 {
        errors.push("prefix part must be no more than 253 bytes".to_owned());
    }
    if !prefix.split('.').all(is_lower_label) {
        errors.push(format!("prefix part {SUBDOMAIN}"));
    }
    errors
}

/// What is wrong with a label's value; empty if nothing is.
pub(crate) fn value_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > MAX {
        errors.push(format!("must be no more than {MAX} bytes"));
    }
    if !value.is_empty() && !is_name(value) {
        let rule = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
and must start and end with an alphanumeric character";
        let expression = format!("({KEY_EXPRESSION})?");
        errors.push(regex_error(rule, &expression, &["MyValue", "my_value", "12345"]));
    }
    errors
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    outer(bytes.first()) && outer(bytes.last()) && bytes.iter().copied().all(inner)
}

fn is_lower_label(label: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| inner(byte) && *byte != b'-');
    let bytes = label.as_bytes();
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

fn regex_error(rule: &str, expression: &str, examples: &[&str]) -> String {
    let mut text = format!("{rule} (e.g. ");
    for (at, example) in examples.iter().enumerate() {
        let or = if at == 0 { "" } else { " or " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{or}'{example}', ");
    }
    text.push_str(&format!("regex used for validation is '{expression}')"));
    text
}
