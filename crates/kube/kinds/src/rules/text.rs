//! Formats of texts other than objects' names.

use super::names::{dns1123_subdomain, mismatch};

const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// What is said of a label's part that is too long.
fn too_long(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// `must be between 1 and 65535, inclusive`
pub fn between(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// A label's key: a name, or a DNS subdomain, a slash and a name (upstream's qualified name).
pub fn qualified_name(text: &str) -> Vec<String> {
    const RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                        alphanumeric character";
    // Keys are nearly always right: the text is written for those that are not.
    let wrong = || mismatch(RULE, QUALIFIED, &["MyName", "my.name", "123-abc"]);
    let mut errors = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        ["", name] => {
            errors.push("prefix part must be non-empty".to_owned());
            *name
        }
        [prefix, name] => {
            // Within a key, lengths are in bytes.
            let wrong = dns1123_subdomain(prefix).into_iter();
            errors.extend(
                wrong.map(|text| format!("prefix part {}", text.replace("253 characters", "253 bytes"))),
            );
            *name
        }
        _ => {
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {} {optional}", wrong())];
        }
    };
    match name.len() {
        0 => errors.push("name part must be non-empty".to_owned()),
        1..=63 => {}
        _ => errors.push(format!("name part {}", too_long(63))),
    }
    if !is_qualified(name) {
        errors.push(format!("name part {}", wrong()));
    }
    errors
}

/// A label's value.
pub fn label_value(text: &str) -> Vec<String> {
    const RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                        '.', and must start and end with an alphanumeric character";
    let long = (text.len() > 63).then(|| too_long(63));
    let right = text.is_empty() || is_qualified(text);
    let wrong = (!right).then(|| {
        mismatch(
            RULE,
            &format!("({QUALIFIED})?"),
            &["MyValue", "my_value", "12345"],
        )
    });
    long.into_iter().chain(wrong).collect()
}

/// A key in a `ConfigMap` or `Secret`.
pub fn config_map_key(text: &str) -> Vec<String> {
    const RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    let long = (text.len() > 253).then(|| "must be no more than 253 characters".to_owned());
    let right = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let wrong = (!right).then(|| mismatch(RULE, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    let climbs = match text {
        "." | ".." => Some(format!("must not be '{text}'")),
        _ if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    };
    long.into_iter().chain(wrong).chain(climbs).collect()
}

/// A port's name (RFC 6335).
pub fn port_name(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let inside = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let rules = [
        (bytes.len() > 15, "must be no more than 15 characters"),
        (
            bytes.is_empty() || !bytes.iter().all(inside),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            !bytes.iter().any(u8::is_ascii_lowercase),
            "must contain at least one letter (a-z)",
        ),
        (text.contains("--"), "must not contain consecutive hyphens"),
        (
            text.starts_with('-') || text.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ];
    rules
        .into_iter()
        .filter(|(wrong, _)| *wrong)
        .map(|(_, text)| text.to_owned())
        .collect()
}

/// A host name with `*` as its first label.
pub fn wildcard_subdomain(text: &str) -> Vec<String> {
    const RULE: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which \
                        must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric \
                        character";
    const EXPRESSION: &str = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
    let long = (text.len() > 253).then(|| "must be no more than 253 characters".to_owned());
    let rest = text.strip_prefix("*.").filter(|rest| rest.len() <= 253);
    let right = rest.is_some_and(|rest| dns1123_subdomain(rest).is_empty());
    let wrong = (!right).then(|| mismatch(RULE, EXPRESSION, &["*.example.com"]));
    long.into_iter().chain(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_judged_as_upstream_does() {
        assert!(qualified_name("example.com/My.Name").is_empty());
        assert!(label_value("").is_empty());
        assert_eq!(
            qualified_name("/x_"),
            [
                "prefix part must be non-empty",
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                 '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ]
        );
        assert_eq!(config_map_key("..a"), ["must not start with '..'"]);
        assert_eq!(port_name("80"), ["must contain at least one letter (a-z)"]);
        assert_eq!(
            port_name("a--b-"),
            [
                "must not contain consecutive hyphens",
                "must not begin or end with a hyphen"
            ]
        );
        assert_eq!(wildcard_subdomain("*.a.b").len(), 0);
        assert_eq!(wildcard_subdomain("*").len(), 1);
    }
}
