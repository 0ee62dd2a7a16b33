//! What the end of a namespace waits for, in upstream's words.

use std::collections::BTreeMap;

use client::{Error, Resource};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What was found when a namespace was emptied.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    errors: Vec<String>,
    /// By `PLURAL.GROUP`; the core group leaves its dot.
    remaining: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
}

/// A condition: its type, and reason and message when all is well.
const CONDITIONS: [(&str, &str, &str); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (
        "NamespaceContentRemaining",
        "ContentRemoved",
        "All content successfully removed",
    ),
    (
        "NamespaceFinalizersRemaining",
        "ContentRemoved",
        "All content successfully removed",
    ),
];

impl Findings {
    /// Objects of a resource could not be deleted.
    pub(super) fn failed(&mut self, error: &Error) {
        self.errors.push(error.to_string());
    }

    /// An object is still there.
    pub(super) fn remains<'a>(&mut self, resource: &Resource, finalizers: impl Iterator<Item = &'a str>) {
        let name = format!("{}.{}", resource.plural, resource.group);
        *self.remaining.entry(name).or_default() += 1;
        for finalizer in finalizers {
            *self.finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.remaining.is_empty()
    }

    /// What went wrong, as one sentence.
    pub(super) fn failure(&self) -> Option<String> {
        let mut errors = self.errors.clone();
        errors.sort_unstable();
        let all = errors.join(", ");
        (!errors.is_empty()).then(|| {
            format!(
                "Failed to delete all resource types, {} remaining: {all}",
                errors.len()
            )
        })
    }

    /// Reason and message of a condition that is true.
    fn bad(&self, condition: &str) -> Option<(&'static str, String)> {
        let list = |counts: &BTreeMap<String, usize>, text: fn(&str, usize) -> String| {
            let mut texts: Vec<String> = counts.iter().map(|(name, count)| text(name, *count)).collect();
            texts.sort_unstable();
            (!texts.is_empty()).then(|| texts.join(", "))
        };
        match condition {
            "NamespaceDeletionContentFailure" => Some(("ContentDeletionFailed", self.failure()?)),
            "NamespaceContentRemaining" => {
                let all = list(&self.remaining, |name, count| {
                    format!("{name} has {count} resource instances")
                })?;
                Some((
                    "SomeResourcesRemain",
                    format!("Some resources are remaining: {all}"),
                ))
            }
            "NamespaceFinalizersRemaining" => {
                let all = list(&self.finalizers, |name, count| {
                    format!("{name} in {count} resource instances")
                })?;
                Some((
                    "SomeFinalizersRemain",
                    format!("Some content in the namespace has finalizers remaining: {all}"),
                ))
            }
            _ => None,
        }
    }

    /// The namespace with conditions that say so; nothing if they do already.
    pub(super) fn update(&self, namespace: &Value, now: Timestamp) -> Option<Value> {
        let mut updated = namespace.clone();
        let status = updated["status"].as_object_mut()?;
        let known = status.entry("conditions").or_insert_with(|| json!([]));
        if known.is_null() {
            *known = json!([]);
        }
        let known = known.as_array_mut()?;
        let now = Timestamp::from_second(now.as_second())
            .unwrap_or_default()
            .to_string();
        for (name, reason, message) in CONDITIONS {
            let (status, reason, message) = match self.bad(name) {
                Some((reason, message)) => ("True", reason, message),
                None => ("False", reason, message.to_owned()),
            };
            let new = json!({
                "type": name, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
            });
            set(known, new);
        }
        (updated != *namespace).then_some(updated)
    }
}

/// Puts a condition in its place. One whose status stays keeps its time.
fn set(known: &mut Vec<Value>, mut new: Value) {
    match known.iter_mut().find(|old| old["type"] == new["type"]) {
        Some(old) => {
            if old["status"] == new["status"] {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = new;
        }
        None => known.push(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::PODS;

    fn conditions(namespace: &Value) -> Vec<(String, String, String)> {
        let text = |condition: &Value, name: &str| condition[name].as_str().unwrap().to_owned();
        let all = namespace["status"]["conditions"].as_array().unwrap();
        all.iter()
            .map(|each| (text(each, "type"), text(each, "status"), text(each, "message")))
            .collect()
    }

    #[test]
    fn what_remains_is_told_in_upstreams_words() {
        let namespace = json!({"metadata": {"name": "x"}, "status": {"phase": "Terminating"}});
        let mut findings = Findings::default();
        let widgets = Resource::new("example.com", "v1", "widgets", "Widget", true);
        findings.remains(&PODS, std::iter::empty());
        findings.remains(&widgets, ["example.com/hold"].into_iter());
        findings.remains(&widgets, ["example.com/hold"].into_iter());
        let first = findings.update(&namespace, Timestamp::UNIX_EPOCH).unwrap();
        let told = conditions(&first);
        assert_eq!(told.len(), 5);
        assert_eq!(
            told[3],
            (
                "NamespaceContentRemaining".to_owned(),
                "True".to_owned(),
                "Some resources are remaining: pods. has 1 resource instances, widgets.example.com has 2 resource \
                 instances"
                    .to_owned()
            )
        );
        assert_eq!(
            told[4].2,
            "Some content in the namespace has finalizers remaining: example.com/hold in 2 resource instances"
        );
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(findings.update(&first, later), None, "nothing new");

        let done = Findings::default().update(&first, later).unwrap();
        let last = &done["status"]["conditions"][3];
        assert_eq!(
            (last["status"].as_str(), last["lastTransitionTime"].as_str()),
            (Some("False"), Some("1970-01-01T00:01:00Z"))
        );
        assert_eq!(
            done["status"]["conditions"][0]["lastTransitionTime"],
            "1970-01-01T00:00:00Z"
        );
    }
}
