//! Probes and lifecycle hooks: what the kubelet does to a container, and when.

use schema::field::Errors;

use super::scene::Scene;
use crate::Place;
use crate::rules::table::Rule::{NonNegative, Of, Required, Word};
use crate::rules::table::{Rules, check};
use crate::rules::value::{one_of, port, port_number};
use crate::rules::variable::http_header_name;

const PROBE: Rules = &[
    ("initialDelaySeconds", NonNegative),
    ("timeoutSeconds", NonNegative),
    ("periodSeconds", NonNegative),
    ("successThreshold", NonNegative),
    ("failureThreshold", NonNegative),
];

const GET: Rules = &[
    ("path", Required),
    ("port", Of(port)),
    ("scheme", Of(scheme)),
    ("httpHeaders", Of(headers)),
];

fn scheme(scheme: &Place<'_, '_>, errors: &mut Errors) {
    one_of(scheme, errors, &["HTTP", "HTTPS"]);
}

/// Errors name the list.
fn headers(headers: &Place<'_, '_>, errors: &mut Errors) {
    for header in headers.value().items() {
        headers.holding(header.at("name")).check(errors, http_header_name);
    }
}

/// One of the ways to look at or to tell a container.
fn handler(place: &Place<'_, '_>, names: &[&str], scene: &Scene<'_>, errors: &mut Errors) {
    let mut given = names.iter().filter(|name| place.at(name).exists());
    match given.next() {
        None => place.required(errors, "must specify a handler type"),
        Some(name) => action(&place.child(name), name, scene, errors),
    }
    for another in given {
        place
            .child(another)
            .forbidden(errors, "may not specify more than 1 handler type");
    }
}

fn action(place: &Place<'_, '_>, name: &str, scene: &Scene<'_>, errors: &mut Errors) {
    match name {
        "exec" => drop(place.child("command").require(errors, "")),
        "httpGet" => check(place, GET, errors),
        "tcpSocket" => port(&place.child("port"), errors),
        "grpc" => port_number(&place.child("port"), errors),
        _ => sleep(place, scene, errors),
    }
}

fn sleep(place: &Place<'_, '_>, scene: &Scene<'_>, errors: &mut Errors) {
    let seconds = place.at("seconds").int();
    if let Some(grace) = scene.grace.filter(|grace| !(0..=*grace).contains(&seconds)) {
        let text = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        place.invalid_value(errors, seconds, text);
    }
}

/// The probes of a container that has them.
pub(super) fn probes(container: &Place<'_, '_>, scene: &Scene<'_>, errors: &mut Errors) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let place = container.child(name);
        if !place.exists() {
            continue;
        }
        probe(&place, scene, errors);
        let (successes, grace) = (
            place.child("successThreshold"),
            place.child("terminationGracePeriodSeconds"),
        );
        if name == "readinessProbe" {
            if grace.exists() {
                grace.invalid(errors, "must not be set for readinessProbes");
            }
        } else if successes.int() != 1 {
            successes.invalid_value(errors, successes.int(), "must be 1");
        }
    }
}

fn probe(place: &Place<'_, '_>, scene: &Scene<'_>, errors: &mut Errors) {
    handler(place, &["exec", "httpGet", "tcpSocket", "grpc"], scene, errors);
    check(place, PROBE, errors);
    let grace = place.child("terminationGracePeriodSeconds");
    if grace.exists() && grace.int() <= 0 {
        grace.invalid(errors, "must be greater than 0");
    }
}

/// The hooks of a container that has them.
pub(super) fn lifecycle(container: &Place<'_, '_>, scene: &Scene<'_>, errors: &mut Errors) {
    let lifecycle = container.child("lifecycle");
    for name in ["postStart", "preStop"] {
        let hook = lifecycle.child(name);
        if hook.exists() {
            handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], scene, errors);
        }
    }
    let signal = lifecycle.child("stopSignal");
    match scene.os {
        _ if !signal.exists() => {}
        "" => signal.forbidden(errors, "may not be set for containers with empty `spec.os.name`"),
        "windows" => Word(&["SIGKILL", "SIGTERM"]).check(&signal, errors),
        _ => Word(SIGNALS).check(&signal, errors),
    }
}

/// The signals of Linux.
const SIGNALS: &[&str] = &[
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMAX-1",
    "SIGRTMAX-10",
    "SIGRTMAX-11",
    "SIGRTMAX-12",
    "SIGRTMAX-13",
    "SIGRTMAX-14",
    "SIGRTMAX-2",
    "SIGRTMAX-3",
    "SIGRTMAX-4",
    "SIGRTMAX-5",
    "SIGRTMAX-6",
    "SIGRTMAX-7",
    "SIGRTMAX-8",
    "SIGRTMAX-9",
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGRTMIN+10",
    "SIGRTMIN+11",
    "SIGRTMIN+12",
    "SIGRTMIN+13",
    "SIGRTMIN+14",
    "SIGRTMIN+15",
    "SIGRTMIN+2",
    "SIGRTMIN+3",
    "SIGRTMIN+4",
    "SIGRTMIN+5",
    "SIGRTMIN+6",
    "SIGRTMIN+7",
    "SIGRTMIN+8",
    "SIGRTMIN+9",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];
