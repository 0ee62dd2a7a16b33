//! Selectors: of labels (`meta/v1 LabelSelector`), of nodes (`core/v1 NodeSelector`), and plain maps of labels.

use std::collections::BTreeMap;

use schema::object::Labels;
use serde::Deserialize;

/// The value of a label in a sorted list.
pub fn label<'a>(labels: &'a [(Box<str>, Box<str>)], key: &str) -> Option<&'a str> {
    let at = labels.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
    Some(&labels[at].1)
}

/// Labels that must all be there: `spec.selector` of a Service, `spec.nodeSelector` of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "BTreeMap<Box<str>, Box<str>>")]
pub struct Selector(Labels);

impl From<BTreeMap<Box<str>, Box<str>>> for Selector {
    fn from(map: BTreeMap<Box<str>, Box<str>>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl Selector {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the labels are all there.
    pub fn matches(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        let has = |(key, value): &(Box<str>, Box<str>)| label(labels, key) == Some(value);
        self.0.iter().all(has)
    }
}

/// What a requirement asks of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum Operator {
    /// The value is one of those listed.
    In,
    /// The value, if there is one, is none of those listed.
    NotIn,
    /// There is a value.
    Exists,
    /// There is no value.
    DoesNotExist,
    /// The value is a number above the one listed. Nodes only.
    Gt,
    /// The value is a number below the one listed. Nodes only.
    Lt,
}

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Requirement {
    /// The label's key, or the path of a field.
    pub key: Box<str>,
    /// What is asked of it.
    pub operator: Operator,
    /// What it is compared with.
    #[serde(default)]
    pub values: Box<[Box<str>]>,
}

impl Requirement {
    /// Whether a label of this value, or its absence, is what is asked for.
    pub fn holds(&self, value: Option<&str>) -> bool {
        let listed = || value.is_some_and(|value| self.values.iter().any(|each| **each == *value));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => self.numbers(value).is_some_and(|(own, bound)| own > bound),
            Operator::Lt => self.numbers(value).is_some_and(|(own, bound)| own < bound),
        }
    }

    fn numbers(&self, value: Option<&str>) -> Option<(i64, i64)> {
        let [bound] = &*self.values else { return None };
        Some((value?.parse().ok()?, bound.parse().ok()?))
    }

    fn matches(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.holds(label(labels, &self.key))
    }
}

/// Which objects, by their labels. An empty one selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    match_labels: Selector,
    match_expressions: Box<[Requirement]>,
}

impl LabelSelector {
    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether it selects what has these labels.
    pub fn matches(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.match_labels.matches(labels) && self.match_expressions.iter().all(|each| each.matches(labels))
    }
}

/// Conditions on one node, all of which must hold. One without any selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    /// On labels.
    pub match_expressions: Box<[Requirement]>,
    /// On fields: `metadata.name` is the only one there is.
    pub match_fields: Box<[Requirement]>,
}

impl NodeSelectorTerm {
    /// Whether it asks for nothing, and so selects nothing.
    pub fn is_empty(&self) -> bool {
        self.match_expressions.is_empty() && self.match_fields.is_empty()
    }

    /// Whether a node is selected.
    pub fn matches(&self, name: &str, labels: &[(Box<str>, Box<str>)]) -> bool {
        let field = |each: &Requirement| &*each.key == "metadata.name" && each.holds(Some(name));
        !self.is_empty()
            && self.match_expressions.iter().all(|each| each.matches(labels))
            && self.match_fields.iter().all(field)
    }
}

/// Terms, one of which must hold. Without any it selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    /// The alternatives.
    pub node_selector_terms: Box<[NodeSelectorTerm]>,
}

impl NodeSelector {
    /// Whether a node is selected.
    pub fn matches(&self, name: &str, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.node_selector_terms
            .iter()
            .any(|term| term.matches(name, labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn labels() -> Labels {
        [("a".into(), "1".into()), ("n".into(), "7".into())].into()
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
        json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
    }

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let cases = [
            (json!({}), true),
            (json!({"matchLabels": {"a": "1"}}), true),
            (json!({"matchLabels": {"a": "1", "n": "1"}}), false),
            (expression("a", "In", &["0", "1"]), true),
            (expression("c", "In", &["0"]), false),
            (expression("a", "NotIn", &["1"]), false),
            (expression("c", "NotIn", &["1"]), true),
            (expression("n", "Exists", &[]), true),
            (expression("n", "DoesNotExist", &[]), false),
        ];
        for (selector, expected) in cases {
            let read: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(read.matches(&labels()), expected, "{selector}");
        }
    }

    #[test]
    fn nodes_are_selected_by_labels_numbers_and_name() {
        let fields = |operator: &str, name: &str| json!({"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]});
        let cases = [
            (json!({}), false),
            (expression("n", "Gt", &["6"]), true),
            (expression("n", "Gt", &["7"]), false),
            (expression("n", "Lt", &["8"]), true),
            (expression("a", "Lt", &["x"]), false),
            (expression("c", "Lt", &["8"]), false),
            (expression("c", "NotIn", &["8"]), true),
            (fields("In", "node"), true),
            (fields("NotIn", "node"), false),
            (fields("In", "other"), false),
        ];
        for (term, expected) in cases {
            let read: NodeSelectorTerm = serde_json::from_value(term.clone()).unwrap();
            assert_eq!(read.matches("node", &labels()), expected, "{term}");
        }
        let none: NodeSelector = serde_json::from_value(json!({"nodeSelectorTerms": []})).unwrap();
        assert!(!none.matches("node", &labels()));
    }
}
