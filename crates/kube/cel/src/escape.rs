//! Property names that are no identifiers of CEL, and how expressions write them (`apiserver/pkg/cel`,
//! "Escaping"): `a-b` is `a__dash__b`, `namespace` is `__namespace__`.

use std::borrow::Cow;

/// Words that are escaped as a whole.
const WORDS: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Escapes, and what they stand for.
const PARTS: &[(&str, &str)] = &[
    ("__underscores__", "__"),
    ("__dot__", "."),
    ("__dash__", "-"),
    ("__slash__", "/"),
];

/// Whether a name is a word of the language, which no variable can have.
pub fn is_reserved(name: &str) -> bool {
    WORDS.contains(&name)
}

/// The identifier of a property, if there is one: other characters than these cannot be escaped.
pub fn escape(name: &str) -> Option<Cow<'_, str>> {
    let first = name.chars().next()?;
    if first.is_ascii_digit() || !(first.is_ascii_alphanumeric() || "_.-/".contains(first)) {
        return None;
    }
    if WORDS.contains(&name) {
        return Some(format!("__{name}__").into());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(plain) && !name.contains("__") {
        return Some(name.into());
    }
    if !name.chars().all(|c| plain(c) || ".-/".contains(c)) {
        return None;
    }
    let mut out = String::new();
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let part = PARTS.iter().find(|(_, text)| rest.starts_with(text));
        match part {
            Some((escape, text)) => {
                out.push_str(escape);
                rest = &rest[text.len()..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Some(out.into())
}

/// The property of an identifier.
pub fn unescape(name: &str) -> Cow<'_, str> {
    if !name.contains("__") {
        return name.into();
    }
    let word = name.strip_prefix("__").and_then(|name| name.strip_suffix("__"));
    if let Some(word) = word.filter(|word| WORDS.contains(word)) {
        return word.to_owned().into();
    }
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("__") {
        let part = PARTS.iter().find(|(escape, _)| rest[at..].starts_with(escape));
        let (escape, text) = part.copied().unwrap_or(("__", "__"));
        out.push_str(&rest[..at]);
        out.push_str(text);
        rest = &rest[at + escape.len()..];
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_come_back() {
        let cases = [
            ("a", Some("a")),
            ("namespace", Some("__namespace__")),
            ("a-b", Some("a__dash__b")),
            ("a.b/c", Some("a__dot__b__slash__c")),
            ("a__b", Some("a__underscores__b")),
            ("_", Some("_")),
            ("$a", None),
            ("1a", None),
            ("a b", None),
            ("", None),
        ];
        for (name, wanted) in cases {
            assert_eq!(escape(name).as_deref(), wanted, "{name}");
            if let Some(escaped) = wanted {
                assert_eq!(unescape(escaped), name);
            }
        }
    }
}
