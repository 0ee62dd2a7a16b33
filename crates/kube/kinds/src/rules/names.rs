//! Names: of objects, labels, ports, variables (upstream's `apimachinery/pkg/util/validation`).
//!
//! Each rule answers the texts of what is wrong; none means right.

/// What is said of a name that is too long.
fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// What upstream says when a text does not match: the rule, examples (with its two blanks), the expression.
pub fn mismatch(rule: &str, expression: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{rule} (regex used for validation is '{expression}')");
    }
    let quoted: Vec<String> = examples.iter().map(|example| format!("'{example}'")).collect();
    let examples = quoted.join(",  or ");
    format!("{rule} (e.g. {examples}, regex used for validation is '{expression}')")
}

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";

const fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| is_lower(*byte) || *byte == b'-';
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| is_lower(*first) && is_lower(*last)) && bytes.iter().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// An RFC 1123 label: a namespace's name, a container's.
pub fn dns1123_label(text: &str) -> Vec<String> {
    const RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
                        and must start and end with an alphanumeric character";
    let long = (text.len() > 63).then(|| too_long(63));
    let wrong = (!is_label(text)).then(|| {
        // A good subdomain that is no label has dots.
        let dots = is_subdomain(text).then(|| "must not contain dots".to_owned());
        dots.unwrap_or_else(|| mismatch(RULE, LABEL, &["my-name", "123-abc"]))
    });
    long.into_iter().chain(wrong).collect()
}

/// An RFC 1123 subdomain: most objects' names.
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    const RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
                        '-' or '.', and must start and end with an alphanumeric character";
    let long = (text.len() > 253).then(|| too_long(253));
    let wrong = (!is_subdomain(text)).then(|| mismatch(RULE, SUBDOMAIN, &["example.com"]));
    long.into_iter().chain(wrong).collect()
}

/// The same where an underscore is a letter too: the search list of a resolver.
pub fn dns1123_subdomain_with_underscore(text: &str) -> Vec<String> {
    const RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
                        '_', '-' or '.', and must start and end with an alphanumeric character";
    const EXPRESSION: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
    let plain = |label: &str| is_label(&label.strip_prefix('_').unwrap_or(label).replace('_', "-"));
    let long = (text.len() > 253).then(|| too_long(253));
    let wrong = (!text.split('.').all(plain)).then(|| mismatch(RULE, EXPRESSION, &["example.com"]));
    long.into_iter().chain(wrong).collect()
}

/// An RFC 1035 label.
pub fn dns1035_label(text: &str) -> Vec<String> {
    const RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', \
                        start with an alphabetic character, and end with an alphanumeric character";
    let right = is_label(text) && text.as_bytes()[0].is_ascii_lowercase();
    let long = (text.len() > 63).then(|| too_long(63));
    let wrong = (!right).then(|| mismatch(RULE, LABEL_1035, &["my-name", "abc-123"]));
    long.into_iter().chain(wrong).collect()
}

/// A name that can stand in a path: RBAC's objects.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    let found = ["/", "%"].into_iter().filter(|part| text.contains(part));
    found.map(|part| format!("may not contain '{part}'")).collect()
}

/// What stands before the random end of a generated name: a dash at its end is no fault.
fn stem(name: &str, prefix: bool) -> String {
    match name.strip_suffix('-') {
        Some(stem) if prefix => format!("{stem}a"),
        _ => name.to_owned(),
    }
}

/// Most objects' names ([`crate::NameRule`]).
pub fn dns_subdomain(name: &str, prefix: bool) -> Vec<String> {
    dns1123_subdomain(&stem(name, prefix))
}

/// Namespaces' and Services' names ([`crate::NameRule`]).
pub fn dns_label(name: &str, prefix: bool) -> Vec<String> {
    dns1123_label(&stem(name, prefix))
}

/// RBAC objects' names ([`crate::NameRule`]).
pub fn segment(name: &str, _prefix: bool) -> Vec<String> {
    path_segment(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_upstream_does() {
        assert!(dns_subdomain("web-0.a", false).is_empty());
        assert!(dns_subdomain("web-", true).is_empty());
        assert_eq!(
            dns_subdomain("Web_", false),
            [
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                 must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                 '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ]
        );
        assert_eq!(dns_label("a.b", false), ["must not contain dots"]);
        assert_eq!(dns1035_label("1a").len(), 1);
        assert_eq!(
            path_segment("a/b%"),
            ["may not contain '/'", "may not contain '%'"]
        );
        assert_eq!(path_segment(".."), ["may not be '..'"]);
    }
}
