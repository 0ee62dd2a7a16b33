//! What the audit log is told of a request besides the request itself: what admission decided, and why.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kinds::rules::text::qualified_name;

/// What all annotations of one request may have together, in bytes; what a webhook adds beyond that is left out.
const MAX_BYTES: usize = 1 << 20;

/// From which level of an audit policy on an annotation is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationLevel {
    /// Wherever the request is logged at all.
    Metadata,
    /// Only where its body is, too: the annotation tells of the body.
    Request,
}

/// One annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Its value.
    pub value: String,
    /// Where it is logged.
    pub level: AnnotationLevel,
}

/// The annotations of a request (`audit.k8s.io/v1` `Event.annotations`). What was said once is not said otherwise.
#[derive(Debug, Default)]
pub struct Annotations(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    all: BTreeMap<String, Annotation>,
    bytes: usize,
}

impl Annotations {
    /// Notes a value under a key of the form `prefix/name`.
    pub fn add(&self, key: impl Into<String>, value: impl Into<String>) {
        self.note(key.into(), value.into(), AnnotationLevel::Metadata);
    }

    /// The same of what tells of the request's body.
    pub fn add_of_body(&self, key: impl Into<String>, value: impl Into<String>) {
        self.note(key.into(), value.into(), AnnotationLevel::Request);
    }

    /// All that was noted so far, by key.
    pub fn take(&self) -> BTreeMap<String, Annotation> {
        std::mem::take(&mut *self.noted()).all
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, key: String, value: String, level: AnnotationLevel) {
        if key.matches('/').count() != 1 || !qualified_name(&key).is_empty() {
            tracing::debug!(key, "an audit annotation whose key is no qualified name");
            return;
        }
        let mut noted = self.noted();
        let bytes = noted.bytes + key.len() + value.len();
        if noted.all.contains_key(&key) || bytes > MAX_BYTES {
            tracing::debug!(
                key,
                bytes,
                "an audit annotation that is there already, or one too many"
            );
            return;
        }
        noted.bytes = bytes;
        noted.all.insert(key, Annotation { value, level });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_stands_and_is_bounded() {
        let annotations = Annotations::default();
        annotations.add("policy/key", "one");
        annotations.add("policy/key", "two");
        annotations.add_of_body("patch.webhook.admission.k8s.io/round_0_index_0", "{}");
        for key in ["bare", "two/slashes/here", "policy/no spaces", "big/value"] {
            annotations.add(
                key,
                if key == "big/value" {
                    "x".repeat(MAX_BYTES)
                } else {
                    String::new()
                },
            );
        }
        let all: Vec<(String, Annotation)> = annotations.take().into_iter().collect();
        let note = |key: &str, value: &str, level| {
            (
                key.to_owned(),
                Annotation {
                    value: value.to_owned(),
                    level,
                },
            )
        };
        assert_eq!(
            all,
            [
                note(
                    "patch.webhook.admission.k8s.io/round_0_index_0",
                    "{}",
                    AnnotationLevel::Request
                ),
                note("policy/key", "one", AnnotationLevel::Metadata),
            ]
        );
    }
}
