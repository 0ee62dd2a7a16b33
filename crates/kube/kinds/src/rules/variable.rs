//! Names of variables and headers, and percentages.
//!
//! Each rule answers the texts of what is wrong; none means right.

use schema::cursor::Ref;
use schema::field::Errors;

use super::names::mismatch;
use super::value::non_negative;
use crate::Place;

/// A C identifier.
pub fn c_identifier(text: &str) -> Vec<String> {
    const RULE: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of \
                        alphanumeric characters or '_'";
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let right = text.bytes().all(inner) && text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    let wrong = (!right).then(|| mismatch(RULE, "[A-Za-z_][A-Za-z0-9_]*", &["my_name", "MY_NAME", "MyName"]));
    wrong.into_iter().collect()
}

/// The name of an environment variable: printable ASCII without `=`.
pub fn env_var_name(text: &str) -> Vec<String> {
    const RULE: &str =
        "a valid environment variable name must consist only of printable ASCII characters other than '='";
    let empty = text
        .is_empty()
        .then(|| "environment variable name must be non-empty".to_owned());
    let right = text
        .bytes()
        .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    empty
        .into_iter()
        .chain((!right).then(|| RULE.to_owned()))
        .collect()
}

/// The name of an HTTP header.
pub fn http_header_name(text: &str) -> Vec<String> {
    const RULE: &str = "a valid HTTP header must consist of alphanumeric characters or '-'";
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let wrong = (text.is_empty() || !text.bytes().all(inner))
        .then(|| mismatch(RULE, "[-A-Za-z0-9]+", &["X-Header-Name"]));
    wrong.into_iter().collect()
}

/// `25%`
pub fn percent(text: &str) -> Vec<String> {
    const RULE: &str = "a valid percent string must be a numeric string followed by an ending '%'";
    let digits = text.strip_suffix('%').unwrap_or_default();
    let right = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = (!right).then(|| mismatch(RULE, "[0-9]+%", &["1%", "93%"]));
    wrong.into_iter().collect()
}

/// The number here is not negative, or the text is a percentage.
pub fn non_negative_or_percent(place: &Place<'_, '_>, errors: &mut Errors) {
    match place.text() {
        Some(_) => place.check(errors, percent),
        None => non_negative(place, errors),
    }
}

/// Whether a number or a percentage comes to nothing.
pub fn is_zero(value: Ref<'_>) -> bool {
    match value.text() {
        Some(text) => text == "0%",
        None => value.int() == 0,
    }
}

/// A percentage here is not above 100.
pub fn not_above_hundred(place: &Place<'_, '_>, errors: &mut Errors) {
    let number = place
        .str()
        .strip_suffix('%')
        .and_then(|digits| digits.parse::<u64>().ok());
    if number.is_some_and(|number| number > 100) {
        place.invalid(errors, "must not be greater than 100%");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_judged_as_upstream_does() {
        type Rule = fn(&str) -> Vec<String>;
        let cases: &[(Rule, &str, usize)] = &[
            (c_identifier, "_a1", 0),
            (c_identifier, "1a", 1),
            (env_var_name, "1-a.b", 0),
            (env_var_name, "", 1),
            (env_var_name, "a=b", 1),
            (http_header_name, "X-A", 0),
            (http_header_name, "a b", 1),
            (percent, "100%", 0),
            (percent, "%", 1),
        ];
        for (rule, text, faults) in cases {
            assert_eq!(rule(text).len(), *faults, "{text}");
        }
    }
}
