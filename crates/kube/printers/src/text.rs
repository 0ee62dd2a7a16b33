//! How several things are put into one cell.

use std::borrow::Cow;

use schema::cursor::Ref;
use schema::tree::Value;

/// How many endpoints, hosts or versions a cell shows.
const SHOWN: usize = 3;

/// Texts joined by a separator.
pub(crate) fn join<'a>(texts: impl IntoIterator<Item = impl Into<Cow<'a, str>>>, by: &str) -> String {
    let texts: Vec<Cow<'a, str>> = texts.into_iter().map(Into::into).collect();
    texts.join(by)
}

/// The first texts, and how many more there are.
pub(crate) fn first_of(texts: &[String], count: usize) -> String {
    let shown = texts[..texts.len().min(SHOWN)].join(",");
    if count > SHOWN {
        format!("{shown} + {} more...", count - SHOWN)
    } else {
        shown
    }
}

/// The first texts; `<unset>` if there is none.
pub(crate) fn first_or_unset(texts: &[String]) -> String {
    match first_of(texts, texts.len()) {
        text if text.is_empty() => "<unset>".to_owned(),
        text => text,
    }
}

/// A text, a number or a boolean as text.
pub(crate) fn scalar(at: Ref<'_>) -> String {
    match at.value() {
        Some(Value::Int(int)) => int.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        _ => at.str().to_owned(),
    }
}

/// A quantity; `0` if Go holds a zero there.
pub(crate) fn quantity(at: Ref<'_>) -> &str {
    at.text().unwrap_or("0")
}

/// A quantity that Go holds by pointer; its `String` says `<nil>` where there is none.
pub(crate) fn quantity_pointer(at: Ref<'_>) -> &str {
    at.text().unwrap_or("<nil>")
}

/// A map as `k=v,k=v`; `<none>` if it is empty.
pub(crate) fn labels(map: Ref<'_>) -> String {
    none_if_empty(join(
        map.entries().map(|(key, value)| format!("{key}={}", value.str())),
        ",",
    ))
}

fn none_if_empty(text: String) -> String {
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

/// A `metav1.LabelSelector` as upstream prints it; `<none>` if it selects all or is not there.
pub(crate) fn selector(selector: Ref<'_>) -> String {
    selector_text(selector).map_or_else(|| "<error>".to_owned(), none_if_empty)
}

/// The same, empty if it selects all; nothing if an operator is unknown.
pub(crate) fn selector_text(selector: Ref<'_>) -> Option<String> {
    let mut parts: Vec<(&str, String)> = selector
        .at("matchLabels")
        .entries()
        .map(|(key, value)| (key, format!("{key}={}", value.str())))
        .collect();
    for expression in selector.at("matchExpressions").items() {
        let key = expression.at("key").str();
        let mut values: Vec<&str> = expression.at("values").strings().collect();
        values.sort_unstable();
        let values = values.join(",");
        let part = match expression.at("operator").str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        };
        parts.push((key, part));
    }
    parts.sort_by_key(|(key, _)| *key);
    Some(join(parts.into_iter().map(|(_, part)| part), ","))
}

/// Names and images of a pod's containers, each joined by commas.
pub(crate) fn containers(spec: Ref<'_>) -> (String, String) {
    let of = |member: &str| join(spec.at("containers").items().map(|it| it.at(member).str()), ",");
    (of("name"), of("image"))
}

/// `IP:port`, with brackets around an IPv6 address.
pub(crate) fn host_port(host: &str, port: i64) -> String {
    if host.contains([':', '%']) {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The status of the first condition of a type.
pub(crate) fn condition<'a>(conditions: Ref<'a>, kind: &str) -> Option<Ref<'a>> {
    conditions.items().find(|it| it.at("type").str() == kind)
}

/// Whether the first condition of a type is true.
pub(crate) fn is_true(conditions: Ref<'_>, kind: &str) -> bool {
    condition(conditions, kind).is_some_and(|it| it.at("status").str() == "True")
}
