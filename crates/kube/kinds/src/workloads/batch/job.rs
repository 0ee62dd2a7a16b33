//! `Job`: `pkg/apis/batch/{v1/defaults.go,validation}` and its strategy.

use schema::cursor::{self, Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{policy, selector, status, update};
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::table::Rule::{NonNegative, Word};
use crate::rules::table::{Rules, check};
use crate::rules::value::label_selector;
use crate::workloads::template;
use crate::{Generation, PLAIN, Place, SelectableField, Strategy};

/// What Go calls no limit: a job of indexes that each have a limit has none of its own.
const NO_LIMIT: i64 = i32::MAX as i64;

pub(in super::super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, job| {
        template::dropped(context, job, None, "spec.template");
        selector::generate(context, job);
    },
    prepare_update: |context, new, old| template::dropped(context, new, Some(old), "spec.template"),
    validate_create: |_, object, errors| create(object, errors),
    validate_update: |_, new, old, errors| update::validate(new, old, errors),
    validate_status: |_, new, old, errors| status::validate(new, old, errors),
    warn: |_, new, old| warnings(new, old),
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

fn default(types: &Types, job: &mut Struct) {
    template::lend_labels(types, job, "metadata.labels");
    template::defaults(types, job);
    let spec = Ref::new(types, job).at("spec");
    let counted = spec.at("completions").exists() || spec.at("parallelism").exists();
    let limit = match spec.at("backoffLimitPerIndex").exists() {
        true => NO_LIMIT,
        false => 6,
    };
    let replaced = match spec.at("podFailurePolicy").exists() {
        true => "Failed",
        false => "TerminatingOrFailed",
    };
    if !counted {
        template::set_integers(types, job, &[("spec.completions", 1)]);
    }
    let integers = [("spec.parallelism", 1), ("spec.backoffLimit", limit)];
    template::set_integers(types, job, &integers);
    set_default(types, job, "spec.completionMode", Value::str("NonIndexed"));
    set_default(types, job, "spec.suspend", Value::Bool(false));
    set_default(types, job, "spec.manualSelector", Value::Bool(false));
    set_default(types, job, "spec.podReplacementPolicy", Value::str(replaced));
    policy_defaults(types, job, "spec");
}

/// A pod's condition is looked for with the status `True`.
pub(super) fn policy_defaults(types: &Types, object: &mut Struct, spec: &str) {
    cursor::each_mut(types, object, &format!("{spec}.podFailurePolicy.rules"), |rule| {
        cursor::each_mut(types, rule, "onPodConditions", |pattern| {
            if Ref::new(types, pattern).at("status").is_empty() {
                cursor::set(types, pattern, "status", Value::str("True"));
            }
        });
    });
}

const COUNTS: Rules = &[
    ("parallelism", NonNegative),
    ("completions", NonNegative),
    ("activeDeadlineSeconds", NonNegative),
    ("backoffLimit", NonNegative),
    ("ttlSecondsAfterFinished", NonNegative),
    ("backoffLimitPerIndex", NonNegative),
    ("maxFailedIndexes", NonNegative),
];

fn create(job: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(job);
    selector::validate(&root, errors);
    selected_spec(&root.child("spec"), None, errors);
    let (spec, name) = (job.at("spec"), job.path("metadata.name").str());
    let completions = spec.at("completions").int();
    if spec.at("completionMode").str() != "Indexed" || completions == 0 {
        return;
    }
    // A pod's host name is the job's and the index.
    let host = format!("{name}-{}", completions - 1);
    if !dns1123_label(&host).is_empty() {
        let text = format!("will not able to create pod with invalid DNS label: {host}");
        root.child("metadata").child("name").invalid(errors, text);
    }
}

pub(super) fn selected_spec(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    validate_spec(spec, old, errors);
    let selector = spec.child("selector");
    let before = errors.len();
    match selector.exists() {
        true => label_selector(&selector, errors),
        false => selector.required(errors, ""),
    }
    if errors.len() == before || !selector.exists() {
        template::matches(spec, errors);
    }
}

/// The spec of a job or of a template of jobs, whose selectors are yet to be made.
pub(super) fn validate_spec(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    check(spec, COUNTS, errors);
    let per_index = spec.child("backoffLimitPerIndex");
    if spec.at("maxFailedIndexes").exists() && !per_index.exists() {
        per_index.required(errors, "when maxFailedIndexes is specified");
    }
    managed_by(&spec.child("managedBy"), errors);
    Word(&["NonIndexed", "Indexed"]).check(&spec.child("completionMode"), errors);
    match spec.at("completionMode").str() {
        "Indexed" => indexed(spec, errors),
        _ => {
            for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if spec.at(name).exists() {
                    spec.child(name)
                        .invalid(errors, "requires indexed completion mode");
                }
            }
        }
    }
    policy::failure(spec, errors);
    policy::success(spec, errors);
    replacement(spec, errors);
    let place = spec.child("template");
    template::validate(&place, old.map(|old| old.at("template")), errors);
    restart_policy(&place, spec.at("podFailurePolicy").exists(), errors);
}

const MAX_MANAGER: usize = 63;
const PATH: &str = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+";

/// Who runs the job: a domain and a path.
fn managed_by(place: &Place<'_, '_>, errors: &mut Errors) {
    if !place.exists() || !place.require(errors, "") {
        return;
    }
    let (host, path) = place.str().split_once('/').unwrap_or_default();
    if host.is_empty() || path.is_empty() {
        place.invalid(errors, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    } else {
        let wrong = dns1123_subdomain(host).into_iter();
        wrong.for_each(|text| place.invalid_value(errors, host, text));
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
        if !path.bytes().all(known) {
            let text = format!("Invalid path (regex used for validation is '{PATH}')");
            place.invalid_value(errors, path, text);
        }
    }
    if place.len() > MAX_MANAGER {
        place.too_long(errors, MAX_MANAGER);
    }
}

/// The status of an indexed job lists its indexes; its length is bounded by these.
const MAX_INDEXES: i64 = 100_000;
const MAX_AT_ONCE: i64 = 10_000;

fn indexed(spec: &Place<'_, '_>, errors: &mut Errors) {
    let (completions, parallelism) = (spec.child("completions"), spec.child("parallelism"));
    let failed = spec.child("maxFailedIndexes");
    if !completions.exists() {
        completions.required(errors, "when completion mode is Indexed");
    }
    at_most(
        &parallelism,
        MAX_INDEXES,
        " when completion mode is Indexed",
        errors,
    );
    if completions.exists() && failed.int() > completions.int() {
        failed.invalid(errors, "must be less than or equal to completions");
    }
    at_most(&failed, MAX_INDEXES, "", errors);
    if completions.int() > MAX_INDEXES && spec.at("backoffLimitPerIndex").exists() {
        if !failed.exists() {
            let text = format!("must be specified when completions is above {MAX_INDEXES}");
            failed.required(errors, &text);
        }
        let when = format!(" when completions are above {MAX_INDEXES} and used with backoff limit per index");
        at_most(&parallelism, MAX_AT_ONCE, &when, errors);
        at_most(&failed, MAX_AT_ONCE, &when, errors);
    }
}

fn at_most(place: &Place<'_, '_>, most: i64, when: &str, errors: &mut Errors) {
    if place.int() > most {
        place.invalid(errors, format!("must be less than or equal to {most}{when}"));
    }
}

fn replacement(spec: &Place<'_, '_>, errors: &mut Errors) {
    let words: &[&str] = match spec.at("podFailurePolicy").exists() {
        true => &["Failed"],
        false => &["Failed", "TerminatingOrFailed"],
    };
    Word(words).check(&spec.child("podReplacementPolicy"), errors);
}

fn restart_policy(template: &Place<'_, '_>, failure_policy: bool, errors: &mut Errors) {
    let pod = template.child("spec");
    let policy = pod.child("restartPolicy");
    match policy.str() {
        "" | "Always" => policy.required(errors, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if failure_policy => {
            let text = "only \"Never\" is supported when podFailurePolicy is specified";
            policy.invalid(errors, text);
        }
        "OnFailure" | "Never" => {}
        _ => policy.not_supported(errors, &["OnFailure", "Never"]),
    }
}

fn warnings(job: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    let spec = job.at("spec");
    let (completions, parallelism) = (spec.at("completions").int(), spec.at("parallelism").int());
    let large = completions > MAX_INDEXES && parallelism > MAX_AT_ONCE;
    let indexed = spec.at("completionMode").str() == "Indexed";
    let text = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, \
                Kubernetes might not be able to track completedIndexes when a big number of indexes fail";
    let mut found: Vec<String> = (indexed && large).then(|| text.to_owned()).into_iter().collect();
    found.extend(template::warnings(job, old, "spec.template"));
    found
}
