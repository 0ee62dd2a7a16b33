//! A worker from what is there: what a kubelet before this one made, and what the API shows of it.

use std::collections::BTreeMap;

use super::event::{Ending, Why};
use super::state::{Dead, Hooked, Run, State, Up};
use super::{Life, Now, Worker, probe};
use crate::container::{Ended, How, Observed, ObservedContainer, Standing};
use crate::pod::{Container, Pod};

impl Worker {
    /// Takes over what is seen of the pod.
    pub(super) fn adopt(&mut self, seen: &Observed, now: Now) {
        if let Some(sandbox) = &seen.sandbox {
            self.shared.found(sandbox.clone());
        }
        let pod = self.pod.clone();
        let mut by_name: BTreeMap<&str, Vec<&ObservedContainer>> = BTreeMap::new();
        for container in &seen.containers {
            by_name.entry(&container.name).or_default().push(container);
        }
        for ((_, container), state) in pod.each().zip(&mut self.states) {
            let mut all = by_name.remove(&*container.name).unwrap_or_default();
            all.sort_by_key(|seen| seen.attempt);
            *state = of(&pod, container, &all, now);
        }
        let ran = self.states.iter().any(|state| state.attempt.is_some());
        if seen.sandbox.is_none() && ran {
            self.shared.missing();
        }
        let begun = ran || seen.sandbox.is_some();
        if pod.reported.phase.is_terminal() {
            self.frozen = true;
            self.life = Life::Ending(Ending {
                why: Why::Finished,
                since: now.instant,
                grace: pod.grace(),
            });
        } else if begun {
            self.life = Life::Running;
        }
    }

    /// Compares what is believed with what is there, where something may have been missed.
    pub(super) fn seen(&mut self, seen: &Observed, now: Now) {
        if seen.sandbox.is_none() {
            self.shared.lose();
        }
        for at in self.live() {
            let Some(id) = self
                .states
                .get(usize::from(at.0))
                .and_then(State::up)
                .map(|up| up.id.clone())
            else {
                continue;
            };
            match seen.containers.iter().find(|container| container.id == id) {
                None => self.lost(at, now),
                Some(ObservedContainer {
                    standing: Standing::Ended(ended),
                    ..
                }) => self.ended(&id, ended.clone(), now),
                Some(_) => {}
            }
        }
    }
}

/// What is known of a container: from those that are there, the last one last, and from the API.
fn of(pod: &Pod, container: &Container, seen: &[&ObservedContainer], now: Now) -> State {
    let mut state = State::new();
    let reported = pod.reported.container(&container.name);
    let mut newest = seen.iter().rev();
    let Some(last) = newest.next() else {
        if let Some(reported) = reported.filter(|reported| !reported.container_id.is_empty()) {
            state.attempt = Some(reported.restart_count);
            state.made = true;
            state.dead = Some(vanished(now));
        }
        return state;
    };
    state.attempt = Some(last.attempt);
    state.made = true;
    state.last = newest.find_map(|before| dead(before, now));
    // The kubelet before set what it told of.
    let known = reported.filter(|reported| !reported.container_id.is_empty());
    let known = known.and_then(|reported| reported.resources.clone());
    state.in_force = Some(known.unwrap_or_else(|| container.resources.clone()));
    match &last.standing {
        Standing::Running(at) => state.run = Run::Up(Box::new(up(container, last, *at, reported, now))),
        Standing::Ended(_) => state.dead = dead(last, now),
        // It was made and never started, which is no end that a policy may count: the next one takes its place.
        Standing::Created => {
            state.last = Some(Dead {
                id: Some(last.id.clone()),
                ..vanished(now)
            });
        }
    }
    state
}

fn up(
    container: &Container,
    seen: &ObservedContainer,
    at: std::time::SystemTime,
    reported: Option<&crate::pod::ReportedContainer>,
    now: Now,
) -> Up {
    // What the API says of this very container was found by the kubelet before.
    let id = |reported: &&crate::pod::ReportedContainer| reported.container_id.ends_with(&*seen.id);
    let known = reported.filter(id);
    let started = container.startup_probe.is_none() || known.is_some_and(|known| known.started == Some(true));
    let mut probes = probe::of(container);
    for probing in probes
        .iter_mut()
        .filter(|probing| probing.kind == super::ProbeKind::Startup)
    {
        probing.over = started;
    }
    for probing in &mut probes {
        probing.next = Some(now.instant);
    }
    Up {
        id: seen.id.clone(),
        at,
        since: now.instant_of(at).min(now.instant),
        image: seen.image.clone(),
        user: seen.user.clone(),
        hash: seen.hash,
        post_start: Hooked::Done,
        started,
        ready: known.is_some_and(|known| known.ready),
        probes,
        stopping: None,
    }
}

fn dead(seen: &ObservedContainer, now: Now) -> Option<Dead> {
    let Standing::Ended(ended) = &seen.standing else {
        return None;
    };
    Some(Dead {
        id: Some(seen.id.clone()),
        at: now.instant_of(ended.finished).min(now.instant),
        ended: ended.clone(),
        image: Some(seen.image.clone()),
        user: seen.user.clone(),
    })
}

/// A container that the API knows and nobody finds.
fn vanished(now: Now) -> Dead {
    Dead {
        id: None,
        ended: Ended {
            how: How::Unknown,
            code: 137,
            started: None,
            finished: now.wall,
            message: "The container could not be located when the pod was deleted.  The container used to be Running"
                .to_owned(),
        },
        image: None,
        user: None,
        at: now.instant,
    }
}
