//! What people are told of pods, as events.

use client::{Recorder, Subject};

use crate::pod::Pod;
use crate::worker::Told;

/// Tells it, without waiting.
pub(crate) fn tell(recorder: &Recorder, pod: &Pod, told: Told) {
    let part = told
        .of
        .and_then(|at| pod.at(at))
        .map(|container| container.field_path());
    let subject = subject(pod).part(&part.unwrap_or_default());
    recorder.event(&subject, told.level, &told.reason, told.message);
}

fn subject(pod: &Pod) -> Subject {
    Subject {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: (*pod.namespace).into(),
        name: (*pod.name).into(),
        uid: (*pod.uid).into(),
        ..Subject::default()
    }
}
