//! Probes of a running container: when the next one is due, and what its outcome means.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use client::Level;
use driver::Instant;

use super::event::ProbeKind;
use super::state::{Probing, Up};
use super::{Action, Life, Now, Out, Worker, tell, whole};
use crate::container::{ContainerId, ContainerIx};
use crate::env::{Room, expand};
use crate::pod::{Container, EnvVar, Handler, HttpGet, Pod, Port, Probe, RestartPolicy};
use crate::traits::{Ask, Outcome};

/// How often a probe that could not be asked is tried again at once (upstream's `maxProbeRetries`).
const TRIES: u32 = 3;

/// A container's probe of a kind.
pub(super) fn spec(container: &Container, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
    }
}

/// The probes that a container has, before any was asked.
pub(super) fn of(container: &Container) -> Vec<Probing> {
    let has = |kind: &ProbeKind| spec(container, *kind).is_some();
    let fresh = |kind| Probing {
        kind,
        next: None,
        in_flight: false,
        over: false,
        streak: (false, 0),
        errors: 0,
    };
    ProbeKind::ALL.into_iter().filter(has).map(fresh).collect()
}

/// When the next probe of a container is due.
pub(super) fn wakes(up: &Up) -> Option<Instant> {
    let due = up.probes.iter().filter(|probe| !probe.in_flight && !probe.over);
    due.filter_map(|probe| probe.next).min()
}

/// Whom and what a handler asks, or why it cannot.
///
/// # Errors
/// A port that the container does not have, or nothing to ask: the text for people.
pub fn ask(
    pod: &Pod,
    container: &Container,
    address: Option<IpAddr>,
    handler: &Handler,
) -> Result<Ask, String> {
    let host = |host: &str| {
        let own = address.map(|ip| ip.to_string()).unwrap_or_default();
        if host.is_empty() { own } else { host.to_owned() }
    };
    if let Some(exec) = &handler.exec {
        return command(container, &exec.command).map(Ask::Exec);
    }
    if let Some(get) = &handler.http_get {
        return Ok(Ask::Http {
            scheme: get.scheme,
            host: host(&get.host),
            port: port(container, &get.port)?,
            path: path(get),
            headers: get.http_headers.clone(),
        });
    }
    if let Some(grpc) = &handler.grpc {
        return Ok(Ask::Grpc {
            host: host(""),
            port: grpc.port,
            service: grpc.service.clone().unwrap_or_default(),
        });
    }
    match &handler.tcp_socket {
        Some(tcp) => Ok(Ask::Tcp {
            host: host(&tcp.host),
            port: port(container, &tcp.port)?,
        }),
        None => Err(format!(
            "missing probe handler for {}:{}",
            pod.described(),
            container.name
        )),
    }
}

/// Only variables that are written down as they are count.
fn command(container: &Container, words: &[String]) -> Result<Vec<String>, String> {
    let named = container.env.iter().map(|variable| (&*variable.name, variable));
    let named: BTreeMap<&str, &EnvVar> = named.collect();
    let literal = |name: &str| {
        let found = named.get(name).filter(|variable| variable.value_from.is_none());
        found.map(|variable| &*variable.value)
    };
    let mut room = Room::default();
    let expanded = words.iter().map(|word| expand(word, &mut room, literal));
    expanded
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn path(get: &HttpGet) -> String {
    if get.path.starts_with('/') {
        get.path.clone()
    } else {
        format!("/{}", get.path)
    }
}

fn port(container: &Container, port: &Port) -> Result<u16, String> {
    let number = match port {
        Port::Number(number) => u16::try_from(*number).ok(),
        Port::Name(name) => container.port(name).or_else(|| name.parse().ok()),
    };
    number.filter(|number| *number > 0).ok_or_else(|| match port {
        Port::Number(number) => format!("invalid port number: {number}"),
        Port::Name(name) => format!("couldn't find port {name:?} in container {:?}", container.name),
    })
}

/// What a probe's outcome leads to.
enum Verdict {
    /// Not enough of a kind yet, or nothing that counts.
    Open,
    Success,
    Failure,
}

fn judge(probing: &mut Probing, probe: &Probe, outcome: &Outcome) -> Verdict {
    let good = match outcome {
        Outcome::Success | Outcome::Warning(_) => true,
        Outcome::Failure(_) => false,
        Outcome::Errored(_) => return Verdict::Open,
    };
    let (before, count) = probing.streak;
    let count = if before == good {
        count.saturating_add(1)
    } else {
        1
    };
    probing.streak = (good, count);
    let threshold = if good {
        probe.success_threshold
    } else {
        probe.failure_threshold
    };
    match (good, count >= threshold.max(1)) {
        (_, false) => Verdict::Open,
        (true, true) => Verdict::Success,
        (false, true) => Verdict::Failure,
    }
}

/// What people are told of an outcome.
fn tell_outcome(at: ContainerIx, kind: ProbeKind, outcome: &Outcome, out: &mut Out) {
    let kind = kind.name();
    let (reason, text) = match outcome {
        Outcome::Success => return,
        Outcome::Warning(text) => ("ProbeWarning", format!("{kind} probe warning: {text}")),
        Outcome::Failure(text) => ("Unhealthy", format!("{kind} probe failed: {text}")),
        Outcome::Errored(text) => (
            "Unhealthy",
            format!("{kind} probe errored and resulted in unknown state: {text}"),
        ),
    };
    out.push(tell(Some(at), Level::Warning, reason, text));
}

impl Worker {
    /// Asks those whose probes are due.
    pub(super) fn probe_due(&mut self, now: Now, out: &mut Out) {
        let ending = self.life != Life::Running;
        let pod = self.pod.clone();
        for ((at, container), state) in pod.each().zip(&mut self.states) {
            let Some(up) = state.up_mut() else { continue };
            let (id, since, started) = (up.id.clone(), up.since, up.has_started());
            let stopping = up.stopping.is_some();
            for probing in up
                .probes
                .iter_mut()
                .filter(|probing| !probing.in_flight && !probing.over)
            {
                let Some(probe) = spec(container, probing.kind) else {
                    continue;
                };
                let readiness = probing.kind == ProbeKind::Readiness;
                let waits = (probing.kind != ProbeKind::Startup) && !started;
                if waits || (!readiness && (stopping || ending)) {
                    continue;
                }
                let first = since.saturating_add(whole(probe.initial_delay_seconds, 0));
                let due = probing.next.unwrap_or(first).max(first);
                probing.next = Some(due);
                if due <= now.instant {
                    probing.next = Some(after(due, now.instant, whole(probe.period_seconds, 1)));
                    probing.in_flight = true;
                    out.push(Action::Probe(at, id.clone(), probing.kind));
                }
            }
        }
    }

    pub(super) fn probed(
        &mut self,
        id: &ContainerId,
        kind: ProbeKind,
        outcome: Outcome,
        now: Now,
        out: &mut Out,
    ) {
        let pod = self.pod.clone();
        let Some(at) = self.place(id) else { return };
        let Some(probe) = pod.at(at).and_then(|container| spec(container, kind)) else {
            return;
        };
        let Some(up) = self.state(at).and_then(super::State::up_mut) else {
            return;
        };
        let found = up.probes.iter_mut().find(|probing| probing.kind == kind);
        let Some(probing) = found.filter(|probing| probing.in_flight) else {
            return;
        };
        probing.in_flight = false;
        if tries_again(probing, &outcome, now) {
            return;
        }
        tell_outcome(at, kind, &outcome, out);
        match judge(probing, probe, &outcome) {
            Verdict::Open => {}
            Verdict::Success => passed(up, kind),
            Verdict::Failure => self.failed(at, kind, now, out),
        }
    }

    /// A probe has failed often enough.
    fn failed(&mut self, at: ContainerIx, kind: ProbeKind, now: Now, out: &mut Out) {
        let running = self.life == Life::Running;
        let pod = self.pod.clone();
        let Some(container) = pod.at(at) else { return };
        let Some(up) = self.state(at).and_then(super::State::up_mut) else {
            return;
        };
        if kind == ProbeKind::Readiness {
            up.ready = false;
            return;
        }
        for probing in up.probes.iter_mut().filter(|probing| probing.kind == kind) {
            probing.over = true;
        }
        if !running || up.stopping.is_some() {
            return;
        }
        let own = spec(container, kind).and_then(|probe| probe.termination_grace_period_seconds);
        let grace = own.map_or_else(|| pod.grace(), |seconds| whole(seconds, 0));
        out.push(tell(
            Some(at),
            Level::Normal,
            "Killing",
            killing(&pod, container, kind),
        ));
        self.stop(at, grace, now);
    }
}

/// What people are told of a container that is killed for its probe.
fn killing(pod: &Pod, container: &Container, kind: ProbeKind) -> String {
    let name = &container.name;
    let probe = kind.name().to_lowercase();
    let (what, restarted) = match container.kind {
        crate::pod::ContainerKind::Sidecar => ("Init container", true),
        _ => ("Container", pod.spec.restart_policy != RestartPolicy::Never),
    };
    let suffix = if restarted && what == "Container" {
        ", will be restarted"
    } else {
        ""
    };
    format!("{what} {name} failed {probe} probe{suffix}")
}

/// A probe that could not be asked is tried again at once, a few times.
fn tries_again(probing: &mut Probing, outcome: &Outcome, now: Now) -> bool {
    let errored = matches!(outcome, Outcome::Errored(_));
    probing.errors = if errored { probing.errors + 1 } else { 0 };
    let again = errored && probing.errors < TRIES;
    if again {
        probing.next = Some(now.instant);
    } else {
        probing.errors = 0;
    }
    again
}

fn passed(up: &mut Up, kind: ProbeKind) {
    match kind {
        ProbeKind::Liveness => {}
        ProbeKind::Readiness => up.ready = true,
        ProbeKind::Startup => {
            up.started = true;
            for probing in up.probes.iter_mut().filter(|probing| probing.kind == kind) {
                probing.over = true;
            }
        }
    }
}

/// The next moment of a period after now. A probe that took longer than its period leaves moments out.
fn after(due: Instant, now: Instant, period: Duration) -> Instant {
    let late = now.saturating_since(due).as_nanos();
    let periods = late / period.as_nanos().max(1) + 1;
    due.saturating_add(period.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX)))
}
