//! Pods of Jobs, from the Job's template.

use serde_json::{Value, json};

use super::plan::Wanted;
use super::pod::{FAILURES, IGNORED, INDEX, TRACKING};
use crate::workload::template::prefix;

/// The variable by which a container knows its index.
const VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// The longest prefix of a generated name.
const MAX_PREFIX: usize = 58;

/// What the name of a pod is made from.
pub(super) fn prefix_of(job: &str, wanted: Wanted) -> String {
    let Some(index) = wanted.index else {
        return prefix(job);
    };
    let end = format!("-{index}-");
    let start: String = job.chars().take(MAX_PREFIX.saturating_sub(end.len())).collect();
    start + &end
}

/// The template of one pod: it is tracked, and knows its index.
pub(super) fn template_of(template: &Value, job: &str, wanted: Wanted) -> Value {
    let mut template = template.clone();
    let metadata = &mut template["metadata"];
    push_new(&mut metadata["finalizers"], TRACKING.into(), |own| {
        own == TRACKING
    });
    if let Some(index) = wanted.index {
        for part in ["annotations", "labels"] {
            metadata[part][INDEX] = index.to_string().into();
        }
        if let Some((failures, ignored)) = wanted.failures {
            metadata["annotations"][FAILURES] = failures.to_string().into();
            if ignored > 0 {
                metadata["annotations"][IGNORED] = ignored.to_string().into();
            }
        }
        template["spec"]["hostname"] = format!("{job}-{index}").into();
        add_variable(&mut template["spec"]);
    }
    template
}

fn add_variable(spec: &mut Value) {
    let field = format!("metadata.labels['{INDEX}']");
    let variable = json!({"name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": field}}});
    for kind in ["initContainers", "containers"] {
        let containers = spec.get_mut(kind).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            push_new(&mut container["env"], variable.clone(), |own| {
                own["name"] == VARIABLE
            });
        }
    }
}

/// Appends a value to a list, which may not be there, unless there is one like it.
fn push_new(list: &mut Value, value: Value, is_it: impl Fn(&Value) -> bool) {
    if let Value::Array(values) = list {
        if !values.iter().any(is_it) {
            values.push(value);
        }
    } else {
        *list = json!([value]);
    }
}
