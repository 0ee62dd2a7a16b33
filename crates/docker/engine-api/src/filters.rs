//! The `filters` parameter: a JSON object of filter names, each with a set of values.
//!
//! Clients send `{"label":{"a":true}}`; older ones `{"label":["a"]}`. Each area says which names it
//! accepts, as a table; a value matches in one of four ways, which are methods here.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::Value;

use crate::error::ApiError;

/// Filter names and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(BTreeMap<String, BTreeSet<String>>);

/// What a malformed parameter, or a value that makes no sense, is answered with.
fn invalid(name: &str, values: Option<&BTreeSet<String>>) -> ApiError {
    let listed = |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    ApiError::bad(match values {
        None if name.is_empty() => "invalid filter".into(),
        None => format!("invalid filter '{name}'"),
        Some(values) => format!("invalid filter '{name}=[{}]'", listed(values)),
    })
}

impl Filters {
    /// Reads the parameter; empty means no filter.
    ///
    /// # Errors
    /// 400 when it is neither an object of sets nor one of lists.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parsed: Value = serde_json::from_str(text).map_err(|_| invalid("", None))?;
        match parsed {
            Value::Null => Ok(Self::default()),
            Value::Object(fields) => {
                let read = fields
                    .into_iter()
                    .map(|(name, values)| Some((name, set(values)?)));
                read.collect::<Option<_>>()
                    .map(Self)
                    .ok_or_else(|| invalid("", None))
            }
            _ => Err(invalid("", None)),
        }
    }

    /// The filter with one more value.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.0.entry(name.into()).or_default().insert(value.into());
    }

    /// Refuses names that are not in the table of an area.
    ///
    /// # Errors
    /// 400 naming the first stranger.
    pub(crate) fn accept(&self, accepted: &[&str]) -> Result<(), ApiError> {
        match self.0.keys().find(|name| !accepted.contains(&name.as_str())) {
            Some(stranger) => Err(invalid(stranger, None)),
            None => Ok(()),
        }
    }

    /// Whether the name occurs.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values of a name.
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// All of it, for a room that filters by itself.
    pub(crate) fn into_inner(self) -> BTreeMap<String, BTreeSet<String>> {
        self.0
    }

    /// The values of a name, unless there are none and so nothing is filtered.
    fn asked(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.get(name).filter(|values| !values.is_empty())
    }

    /// Upstream's `ExactMatch`: one of the values is `text`.
    pub(crate) fn exact(&self, name: &str, text: &str) -> bool {
        self.asked(name).is_none_or(|values| values.contains(text))
    }

    /// Upstream's `FuzzyMatch`: one of the values is how `text` begins.
    pub(crate) fn prefix(&self, name: &str, text: &str) -> bool {
        self.asked(name)
            .is_none_or(|values| values.iter().any(|value| text.starts_with(value.as_str())))
    }

    /// Upstream's `Match`: one of the values is `text`, or a regular expression that occurs in it.
    pub(crate) fn pattern(&self, name: &str, text: &str) -> bool {
        self.asked(name)
            .is_none_or(|values| values.iter().any(|value| value == text || occurs(value, text)))
    }

    /// Upstream's `MatchKVList`: each `KEY` or `KEY=VALUE` is there.
    pub(crate) fn labels(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.asked(name)
            .is_none_or(|values| values.iter().all(|value| has_label(labels, value)))
    }

    /// Whether not all of the `KEY` or `KEY=VALUE` (of `label!`) are there: with several, what has but some of them is not
    /// spared (dockerd's rule, which its users know from `label`).
    pub(crate) fn without_labels(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.asked(name)
            .is_none_or(|values| !values.iter().all(|value| has_label(labels, value)))
    }

    /// A yes or no, `default` when the name does not occur.
    ///
    /// # Errors
    /// 400 when the values are none of `0`, `1`, `false`, `true`, or contradict each other.
    pub(crate) fn bool_or(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        let Some(values) = self.0.get(name) else {
            return Ok(default);
        };
        if values.is_empty() {
            return Err(invalid(name, None));
        }
        let no = values.contains("0") || values.contains("false");
        let yes = values.contains("1") || values.contains("true");
        if no == yes {
            Err(invalid(name, Some(values)))
        } else {
            Ok(yes)
        }
    }

    /// Refuses values of a name that are not in a table.
    ///
    /// # Errors
    /// 400 naming the first value that is not.
    pub(crate) fn accept_values(&self, name: &str, accepted: impl Fn(&str) -> bool) -> Result<(), ApiError> {
        match self.values(name).find(|value| !accepted(value)) {
            Some(value) => Err(invalid(name, Some(&BTreeSet::from([value.to_owned()])))),
            None => Ok(()),
        }
    }
}

/// The values in either form; a member that is false counts as a value, as upstream's map keys do.
fn set(values: Value) -> Option<BTreeSet<String>> {
    match values {
        Value::Null => Some(BTreeSet::new()),
        Value::Object(members)
            if members
                .values()
                .all(|value| value.is_boolean() || value.is_null()) =>
        {
            Some(members.into_iter().map(|(value, _)| value).collect())
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| item.as_str().map(String::from))
            .collect::<Option<_>>(),
        _ => None,
    }
}

fn occurs(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}

fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filters(text: &str) -> Filters {
        Filters::parse(text).unwrap()
    }

    #[test]
    fn both_forms_mean_the_same() {
        let new = filters(r#"{"name":{"a":true,"b":true}}"#);
        assert_eq!(new, filters(r#"{"name":["a","b"]}"#));
        assert_eq!(filters(""), Filters::default());
        assert_eq!(filters("{}"), Filters::default());
    }

    #[test]
    fn nonsense_is_refused_in_upstreams_words() {
        let refusal = |text| Filters::parse(text).unwrap_err().message;
        for text in [
            "[]",
            "{",
            "\"a\"",
            r#"{"a":1}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{"b":"c"}}"#,
        ] {
            assert_eq!(refusal(text), "invalid filter", "{text}");
        }
        let unknown = filters(r#"{"zz":["a"]}"#).accept(&["name"]).unwrap_err();
        assert_eq!(
            (unknown.status.as_u16(), unknown.message.as_str()),
            (400, "invalid filter 'zz'")
        );
    }

    #[test]
    fn values_match_in_four_ways() {
        let none = Filters::default();
        assert!(none.exact("a", "x") && none.prefix("a", "x") && none.pattern("a", "x"));
        let some = filters(r#"{"a":["web","^db$"]}"#);
        for (text, exact, prefix, pattern) in [
            ("web", true, true, true),
            ("web1", false, true, true),
            ("my-web", false, false, true),
            ("db", false, false, true),
            ("db1", false, false, false),
        ] {
            assert_eq!(
                (
                    some.exact("a", text),
                    some.prefix("a", text),
                    some.pattern("a", text)
                ),
                (exact, prefix, pattern),
                "{text}"
            );
        }
        assert!(
            !filters(r#"{"a":["["]}"#).pattern("a", "x"),
            "a broken pattern matches only itself"
        );
        assert!(filters(r#"{"a":["["]}"#).pattern("a", "["));
    }

    #[test]
    fn labels_are_and_ed() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        for (text, matches) in [
            (r#"{"label":["a"]}"#, true),
            (r#"{"label":["a=1","b"]}"#, true),
            (r#"{"label":["a=2"]}"#, false),
            (r#"{"label":["a","c"]}"#, false),
            (r#"{"label":["b="]}"#, true),
        ] {
            assert_eq!(filters(text).labels("label", &labels), matches, "{text}");
        }
        assert!(!filters(r#"{"label!":["a"]}"#).without_labels("label!", &labels));
        assert!(filters(r#"{"label!":["a=2"]}"#).without_labels("label!", &labels));
        assert!(filters(r#"{"label!":["a","c"]}"#).without_labels("label!", &labels));
        assert!(!filters(r#"{"label!":["a","b"]}"#).without_labels("label!", &labels));
        assert!(filters("{}").without_labels("label!", &labels));
    }

    #[test]
    fn truth_is_said_once() {
        for (text, answer) in [
            ("{}", Ok(true)),
            (r#"{"dangling":["false"]}"#, Ok(false)),
            (r#"{"dangling":["1","true"]}"#, Ok(true)),
            (
                r#"{"dangling":["1","0"]}"#,
                Err("invalid filter 'dangling=[0 1]'"),
            ),
            (r#"{"dangling":["x"]}"#, Err("invalid filter 'dangling=[x]'")),
            (r#"{"dangling":[]}"#, Err("invalid filter 'dangling'")),
        ] {
            let read = filters(text)
                .bool_or("dangling", true)
                .map_err(|error| error.message);
            assert_eq!(read, answer.map_err(String::from), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_parameter_makes_it_panic(text in "\\PC{0,60}", value in "\\PC{0,20}") {
            if let Ok(filters) = Filters::parse(&text) {
                filters.pattern("name", &value);
            }
            let mut filters = Filters::default();
            filters.add("name", &value);
            filters.pattern("name", &text);
        }
    }
}
