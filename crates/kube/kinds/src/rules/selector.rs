//! What a `LabelSelector` selects.

use schema::cursor::Ref;

/// Whether a `LabelSelector` says nothing: it selects everything.
pub fn selects_all(selector: Ref<'_>) -> bool {
    selector.at("matchLabels").is_empty() && selector.at("matchExpressions").is_empty()
}

/// Whether a `LabelSelector` selects these labels.
pub fn selects(selector: Ref<'_>, labels: Ref<'_>) -> bool {
    let mut pairs = selector.at("matchLabels").entries();
    let matches = |(key, value): (&str, Ref<'_>)| labels.at(key).text() == Some(value.str());
    let mut expressions = selector.at("matchExpressions").items();
    pairs.all(matches) && expressions.all(|expression| meets(expression, labels))
}

fn meets(expression: Ref<'_>, labels: Ref<'_>) -> bool {
    let value = labels.at(expression.at("key").str()).text();
    let mut listed = expression.at("values").strings();
    match expression.at("operator").str() {
        "In" => value.is_some_and(|value| listed.any(|one| one == value)),
        "NotIn" => value.is_none_or(|value| listed.all(|one| one != value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
