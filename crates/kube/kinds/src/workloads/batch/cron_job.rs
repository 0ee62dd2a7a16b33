//! `CronJob`.

use schema::cursor::{Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{cron, job};
use crate::rules::names::dns1123_label;
use crate::rules::table::Rule::{NonNegative, RequiredWord};
use crate::workloads::{pod, template};
use crate::{Generation, PLAIN, Place, Strategy};

pub(in super::super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, cron| template::dropped(context, cron, None, TEMPLATE),
    prepare_update: |context, new, old| template::dropped(context, new, Some(old), TEMPLATE),
    validate_create: |_, object, errors| {
        validate(object, None, errors);
        name(object, errors);
    },
    validate_update: |_, new, old, errors| validate(new, Some(old), errors),
    warn: |_, new, old| warnings(new, old),
    generation: Generation::Spec,
    ..PLAIN
};

/// The template of its jobs' pods.
const TEMPLATE: &str = "spec.jobTemplate.spec.template";

fn default(types: &Types, cron: &mut Struct) {
    pod::spec_defaults(types, cron, "spec.jobTemplate.spec.template.spec");
    set_default(types, cron, "spec.concurrencyPolicy", Value::str("Allow"));
    set_default(types, cron, "spec.suspend", Value::Bool(false));
    let limits = [
        ("spec.successfulJobsHistoryLimit", 3),
        ("spec.failedJobsHistoryLimit", 1),
    ];
    template::set_integers(types, cron, &limits);
    job::policy_defaults(types, cron, "spec.jobTemplate.spec");
}

/// A job's name is the cron job's and eleven characters.
const MAX_NAME: usize = 52;

fn name(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let metadata = root.child("metadata");
    let name = metadata.child("name");
    if name.len() > MAX_NAME {
        name.invalid(errors, "must be no more than 52 characters");
    }
}

fn validate(object: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let was = old.map(|old| old.at("spec"));
    schedule(&spec, was, errors);
    NonNegative.check(&spec.child("startingDeadlineSeconds"), errors);
    let zone = spec.child("timeZone");
    if zone.exists() && was.is_none_or(|was| was.at("timeZone") != zone.value()) {
        zone.all_invalid(errors, cron::zone_faults(zone.str()));
    }
    let policies = RequiredWord(&["Allow", "Forbid", "Replace"]);
    policies.check(&spec.child("concurrencyPolicy"), errors);
    let template = was.map(|was| was.path("jobTemplate.spec"));
    job_template(&spec.child("jobTemplate"), template, errors);
    for name in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        NonNegative.check(&spec.child(name), errors);
    }
}

/// A schedule that has had a zone in it may keep it.
fn schedule(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let schedule = spec.child("schedule");
    if !schedule.require(errors, "") {
        return;
    }
    if let Some(fault) = cron::fault(schedule.str()) {
        schedule.invalid(errors, fault);
    }
    let zoned = |schedule: &str| schedule.contains("TZ");
    let kept = old.is_some_and(|old| zoned(old.at("schedule").str()));
    match zoned(schedule.str()) {
        true if kept && spec.at("timeZone").exists() => {
            let text = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
            schedule.invalid(errors, text);
        }
        true if !kept => {
            let text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            schedule.invalid(errors, text);
        }
        _ => {}
    }
}

/// Each job has a selector of its own.
fn job_template(template: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let spec = template.child("spec");
    job::validate_spec(&spec, old, errors);
    let (selector, manual) = (spec.child("selector"), spec.child("manualSelector"));
    if selector.exists() {
        selector.invalid(errors, "`selector` will be auto-generated");
    }
    if manual.bool() {
        manual.not_supported(errors, &["nil", "false"]);
    }
}

fn warnings(cron: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    let wrong = dns1123_label(cron.path("metadata.name").str()).join(" ");
    let name = (old.is_none() && !wrong.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS \
             label is recommended: [{wrong}]"
        )
    });
    let zone = cron.path("spec.schedule").str().contains("TZ").then(|| {
        "spec.schedule: TZ or CRON_TZ is not officially supported; see \
         https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            .to_owned()
    });
    let templates = template::warnings(cron, old, TEMPLATE);
    name.into_iter().chain(templates).chain(zone).collect()
}
