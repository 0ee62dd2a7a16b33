//! Jobs and what starts them on time.

use schema::cursor::{Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{pod, template};
use crate::rules::value::{immutable, required_one_of};
use crate::{Generation, PLAIN, Place, SelectableField, Strategy};

/// What Go calls no limit: a job of indexes that each have a limit has none of its own.
const NO_LIMIT: i64 = i32::MAX as i64;

const COUNTS: [&str; 6] = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
];

/// `Job`
pub(super) const JOB: Strategy = Strategy {
    default: job_defaults,
    validate_create: |_, object, errors| {
        let root = Place::root(object);
        job_spec(&root.child("spec"), errors);
    },
    validate_update: |_, new, old, errors| job_update(new, old, errors),
    generation: Generation::Spec,
    orphan: true,
    orphan_warning: "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to \
                     remove them or set propagationPolicy=Orphan to suppress this warning",
    fields: &[SelectableField {
        name: "status.successful",
        path: "status.succeeded",
        absent: "0",
    }],
    ..PLAIN
};

/// `CronJob`
pub(super) const CRON_JOB: Strategy = Strategy {
    default: cron_defaults,
    validate_create: |_, object, errors| cron(object, errors),
    validate_update: |_, new, _, errors| cron(new, errors),
    generation: Generation::Spec,
    ..PLAIN
};

fn job_defaults(types: &Types, job: &mut Struct) {
    template::lend_labels(types, job, "metadata.labels");
    template::defaults(types, job);
    let spec = Ref::new(types, job).at("spec");
    let counted = spec.at("completions").exists() || spec.at("parallelism").exists();
    let limit = if spec.at("backoffLimitPerIndex").exists() {
        NO_LIMIT
    } else {
        6
    };
    let replaced = match spec.at("podFailurePolicy").exists() {
        true => "Failed",
        false => "TerminatingOrFailed",
    };
    if !counted {
        template::set_integers(types, job, &[("spec.completions", 1)]);
    }
    template::set_integers(
        types,
        job,
        &[("spec.parallelism", 1), ("spec.backoffLimit", limit)],
    );
    set_default(types, job, "spec.completionMode", Value::str("NonIndexed"));
    set_default(types, job, "spec.suspend", Value::Bool(false));
    set_default(types, job, "spec.podReplacementPolicy", Value::str(replaced));
}

fn cron_defaults(types: &Types, cron: &mut Struct) {
    pod::spec_defaults(types, cron, "spec.jobTemplate.spec.template.spec");
    set_default(types, cron, "spec.concurrencyPolicy", Value::str("Allow"));
    set_default(types, cron, "spec.suspend", Value::Bool(false));
    let limits = [
        ("spec.successfulJobsHistoryLimit", 3),
        ("spec.failedJobsHistoryLimit", 1),
    ];
    template::set_integers(types, cron, &limits);
}

fn job_spec(spec: &Place<'_, '_>, errors: &mut Errors) {
    template::counts(spec, &COUNTS, errors);
    let template = spec.child("template");
    template::validate(&template, errors);
    let pod = template.child("spec");
    let policy = pod.child("restartPolicy");
    if !matches!(policy.str(), "OnFailure" | "Never") {
        let text = "valid values: \"OnFailure\", \"Never\"";
        policy.required(errors, text);
    }
}

fn job_update(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let (spec, old) = (root.child("spec"), old.at("spec"));
    job_spec(&spec, errors);
    for name in [
        "completions",
        "selector",
        "template",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
    ] {
        immutable(&spec.child(name), old.at(name), errors);
    }
}

fn cron(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let metadata = root.child("metadata");
    let spec = root.child("spec");
    spec.child("schedule").require(errors, "");
    template::counts(&spec, &["startingDeadlineSeconds"], errors);
    required_one_of(
        &spec.child("concurrencyPolicy"),
        errors,
        &["Allow", "Forbid", "Replace"],
    );
    let job = spec.child("jobTemplate");
    job_spec(&job.child("spec"), errors);
    template::counts(
        &spec,
        &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"],
        errors,
    );
    // A job's name is the cron job's and eleven characters.
    if metadata.at("name").len() > 52 {
        metadata
            .child("name")
            .invalid(errors, "must be no more than 52 characters");
    }
}
