//! `meta/v1 LabelSelector`, as objects carry it.

use std::collections::BTreeMap;

use schema::object::Meta;
use serde::Deserialize;

/// Which objects, by their labels. An empty one selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LabelSelector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Requirement>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl LabelSelector {
    pub(crate) fn matches(&self, meta: &Meta) -> bool {
        let has = |(key, value): (&String, &String)| meta.label(key) == Some(value);
        self.match_labels.iter().all(has) && self.match_expressions.iter().all(|each| each.matches(meta))
    }
}

impl Requirement {
    /// An operator that does not exist matches nothing; validation refuses it.
    fn matches(&self, meta: &Meta) -> bool {
        let label = meta.label(&self.key);
        let listed = label.is_some_and(|label| self.values.iter().any(|value| value == label));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let meta = Meta {
            labels: [("a".into(), "1".into()), ("b".into(), "2".into())].into(),
            ..Meta::default()
        };
        let expression = |operator: &str, key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let cases = [
            (json!({}), true),
            (json!({"matchLabels": {"a": "1"}}), true),
            (json!({"matchLabels": {"a": "1", "b": "1"}}), false),
            (expression("In", "a", &["0", "1"]), true),
            (expression("In", "c", &["0"]), false),
            (expression("NotIn", "a", &["1"]), false),
            (expression("NotIn", "c", &["1"]), true),
            (expression("Exists", "b", &[]), true),
            (expression("DoesNotExist", "b", &[]), false),
            (expression("Near", "b", &[]), false),
        ];
        for (selector, expected) in cases {
            let read: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(read.matches(&meta), expected, "{selector}");
        }
    }
}
