//! The selector that a job is given: by the labels that it gives to its pods, with its own name and uid.

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors};
use schema::tree::{Struct, Value};

use crate::rules::selector::selects;
use crate::workloads::template;
use crate::{Context, Place};

/// The labels, of old and of new, and what they say of the job.
const LABELS: [(&str, &str); 4] = [
    ("controller-uid", "metadata.uid"),
    ("job-name", "metadata.name"),
    ("batch.kubernetes.io/controller-uid", "metadata.uid"),
    ("batch.kubernetes.io/job-name", "metadata.name"),
];
/// The one that the selector selects by.
const SELECTED: &str = "batch.kubernetes.io/controller-uid";

/// Upstream's `generateSelector`. What a client says otherwise is left for validation to refuse.
pub(super) fn generate(context: &Context<'_>, job: &mut Struct) {
    let types = context.types;
    cursor::remove(types, job, "status");
    let read = Ref::new(types, job);
    if read.path("spec.manualSelector").bool() {
        return;
    }
    let uid = read.path("metadata.uid").str().to_owned();
    let values = LABELS.map(|(label, path)| (label, read.path(path).str().to_owned()));
    if let Some(labels) = cursor::map_mut(types, job, "spec.template.metadata.labels") {
        for (label, value) in &values {
            if labels.get(label).is_none() {
                labels.insert(label, Value::str(value));
            }
        }
    }
    if let Some(selector) = cursor::map_mut(types, job, "spec.selector.matchLabels")
        && selector.get(SELECTED).is_none()
    {
        selector.insert(SELECTED, Value::str(&uid));
    }
    // A job without labels of its own shows its pods' from the first answer on: they are its default.
    template::lend_labels(types, job, "metadata.labels");
}

/// What was to be generated is there, and says what it must: upstream's `validateGeneratedSelector`.
pub(super) fn validate(job: &Place<'_, '_>, errors: &mut Errors) {
    let (spec, metadata) = (job.child("spec"), job.child("metadata"));
    let selector = spec.child("selector");
    if spec.at("manualSelector").bool() || !selector.exists() {
        return;
    }
    metadata.child("uid").require(errors, "");
    let labels = spec.child("template.metadata.labels");
    for (label, path) in LABELS {
        let expected = job.value().path(path).str();
        let place = labels.key(label);
        let text = format!("must be '{expected}'");
        match place.text() {
            None => place.required(errors, &text),
            Some(value) if value != expected => {
                errors.push(Error::invalid(&place.path(), labels.value(), text));
            }
            Some(_) => {}
        }
    }
    let expected = LABELS.map(|(label, path)| (label.into(), Value::str(job.value().path(path).str())));
    let expected = Value::Map(Box::new(schema::tree::Map::from_entries(expected.into())));
    if !selects(selector.value(), Ref::of(job.types(), &expected)) {
        selector.invalid(errors, "`selector` not auto-generated");
    }
}
