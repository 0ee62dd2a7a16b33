//! One worker on a stage: whatever it wants done is done by the script, and all of it is written down.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use driver::Instant;
use kubelet::container::{
    ContainerId, ContainerIx, Ended, How, ImageFault, ImageFound, ImageReason, Observed, ObservedContainer,
    Pulled, RunsAs, Sandbox, Sought, Standing, StartFault, Started, spec_hash,
};
use kubelet::traits::{Outcome, Refused};
use kubelet::worker::{Action, Event, HookKind, Life, Now, ProbeKind, Worker};
use kubelet::{NodeFacts, Pod};
use schema::quantity::Quantity;
use serde_json::Value;

/// What a container does when it is started.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// It runs until it is stopped, and then takes a while to end.
    Serve(Duration),
    /// It ends by itself.
    Exit(Duration, i32),
    /// It ends for want of memory.
    OutOfMemory(Duration),
    /// It cannot be started.
    Fault(StartFault),
    /// Its image is not to be had.
    NoImage(ImageFault),
    /// Its image is pulled for so long first.
    Pulled(Duration),
}

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Seconds.
pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A container on the stage.
#[derive(Clone, Debug)]
struct Actor {
    name: String,
    attempt: u32,
    hash: u64,
    started: Duration,
    act: Act,
    ended: Option<Ended>,
}

/// A worker, its world and its script.
pub(crate) struct Play {
    pub(crate) worker: Worker,
    pub(crate) pod: Value,
    pub(crate) log: String,
    at: Duration,
    acts: BTreeMap<String, VecDeque<Act>>,
    /// Outcomes of probes, by `container/Kind`: the last one stays.
    outcomes: BTreeMap<String, VecDeque<Outcome>>,
    /// How long hooks take, by `container/Kind`, and what they answer.
    hooks: BTreeMap<String, (Duration, Result<(), String>)>,
    pub(crate) volumes: Result<(), Refused>,
    pub(crate) sandbox: Option<Sandbox>,
    /// Ends of containers that are stopped are not told.
    pub(crate) silent: bool,
    /// How long services take to let go.
    pub(crate) leaving: Duration,
    due: BTreeMap<(Duration, u64), Event>,
    next: u64,
    actors: BTreeMap<ContainerId, Actor>,
    last_status: Value,
    pub(crate) running_at_most: usize,
}

fn when(at: Duration) -> Now {
    Now {
        instant: Instant::from_origin(s(1000) + at),
        wall: SystemTime::UNIX_EPOCH + s(1_700_000_000) + at,
    }
}

pub(crate) fn facts() -> NodeFacts {
    NodeFacts {
        name: "n1".to_owned(),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        allocatable: [("cpu", 2), ("pods", 110)]
            .map(|(name, amount)| (name.to_owned(), Quantity::whole(amount)))
            .into(),
        ..NodeFacts::default()
    }
}

/// A pod with this spec.
pub(crate) fn pod(spec: &Value) -> Value {
    serde_json::json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "generation": 1},
        "spec": spec,
        "status": {"phase": "Pending", "qosClass": "BestEffort",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2023-11-14T22:13:00Z"}]},
    })
}

fn read(pod: &Value) -> Arc<Pod> {
    Arc::new(Pod::parse(pod.to_string().as_bytes()).unwrap())
}

impl Play {
    pub(crate) fn new(spec: &Value) -> Self {
        let pod = pod(spec);
        let worker = Worker::new(
            read(&pod),
            Arc::new(facts()),
            &Observed::default(),
            when(Duration::ZERO),
        );
        Self {
            worker,
            pod,
            log: String::new(),
            at: Duration::ZERO,
            acts: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            hooks: BTreeMap::new(),
            volumes: Ok(()),
            sandbox: None,
            silent: false,
            leaving: 5 * MS,
            due: BTreeMap::new(),
            next: 0,
            actors: BTreeMap::new(),
            last_status: Value::Null,
            running_at_most: 0,
        }
    }

    /// What a container does, start by start; the last one for good.
    pub(crate) fn act(mut self, name: &str, acts: impl IntoIterator<Item = Act>) -> Self {
        self.acts.insert(name.to_owned(), acts.into_iter().collect());
        self
    }

    pub(crate) fn probe(mut self, key: &str, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.outcomes
            .insert(key.to_owned(), outcomes.into_iter().collect());
        self
    }

    pub(crate) fn hook(mut self, key: &str, takes: Duration, result: Result<(), String>) -> Self {
        self.hooks.insert(key.to_owned(), (takes, result));
        self
    }

    /// Admits the pod, and lets things happen for a while.
    pub(crate) fn run(mut self, lasts: Duration) -> Self {
        if self.worker.is_admitting() {
            self.feed(Event::Admitted(Ok(())));
        }
        self.go_on(lasts)
    }

    /// Lets things happen for a while.
    pub(crate) fn go_on(mut self, lasts: Duration) -> Self {
        let end = self.at + lasts;
        for _ in 0..10_000 {
            let wakes = self
                .worker
                .wake_at()
                .map(|at| at.saturating_since(Instant::from_origin(s(1000))));
            let due = self.due.keys().next().map(|(at, _)| *at);
            let Some(next) = wakes.into_iter().chain(due).min().filter(|at| *at <= end) else {
                self.at = end;
                return self;
            };
            self.at = self.at.max(next);
            let event = match self.due.first_key_value() {
                Some(((at, _), _)) if *at <= self.at => self.due.pop_first().unwrap().1,
                _ => Event::Timer,
            };
            self.feed(event);
        }
        panic!("the worker never rests:\n{}", self.log);
    }

    /// Changes the pod in the API.
    pub(crate) fn change(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.pod);
        let pod = read(&self.pod);
        self.feed(Event::Pod(pod));
        self
    }

    /// Begins to delete it.
    pub(crate) fn delete(self, grace: i64) -> Self {
        self.change(|pod| {
            pod["metadata"]["deletionTimestamp"] = "2023-11-14T22:20:00Z".into();
            pod["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        })
    }

    pub(crate) fn event(mut self, event: Event) -> Self {
        self.note(&format!("{event:?}"));
        self.feed(event);
        self
    }

    /// A new worker takes the place of the old one; what was being done is lost.
    pub(crate) fn restart(mut self) -> Self {
        self.note("the kubelet is another one");
        self.due
            .retain(|_, event| matches!(event, Event::Ended(..) | Event::Forgotten));
        let status = self.last_status.clone();
        if status.is_object() {
            self.pod["status"] = without_nulls(status);
        }
        let observed = self.observed();
        self.worker = Worker::new(read(&self.pod), Arc::new(facts()), &observed, when(self.at));
        let first = if self.worker.is_admitting() {
            Event::Admitted(Ok(()))
        } else {
            Event::Timer
        };
        self.feed(first);
        self
    }

    /// What is there.
    pub(crate) fn observed(&self) -> Observed {
        let containers = self.actors.iter().map(|(id, actor)| ObservedContainer {
            id: id.clone(),
            name: actor.name.clone(),
            attempt: actor.attempt,
            hash: actor.hash,
            image: image(),
            user: None,
            standing: match &actor.ended {
                Some(ended) => Standing::Ended(ended.clone()),
                None => Standing::Running(when(actor.started).wall),
            },
        });
        Observed {
            sandbox: self.sandbox.clone(),
            containers: containers.collect(),
        }
    }

    /// The status that was written last.
    pub(crate) fn status(&self) -> &Value {
        &self.last_status
    }

    pub(crate) fn is_gone(&self) -> bool {
        *self.worker.life() == Life::Gone
    }

    /// How many containers of a name run now.
    pub(crate) fn running(&self, name: &str) -> usize {
        self.actors
            .values()
            .filter(|actor| actor.name == name && actor.ended.is_none())
            .count()
    }

    fn note(&mut self, text: &str) {
        let (seconds, millis) = (self.at.as_secs(), self.at.subsec_millis());
        writeln!(self.log, "{seconds:>4}.{millis:03} {text}").unwrap();
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.next += 1;
        self.due.insert((self.at + after, self.next), event);
    }

    /// Hands an event to the worker and does what it says.
    pub(crate) fn feed(&mut self, event: Event) {
        if let Event::Ended(id, ended) = &event
            && let Some(actor) = self.actors.get_mut(id)
        {
            actor.ended = Some(ended.clone());
            let text = format!("ended {}#{} {}", actor.name, actor.attempt, ended.code);
            self.note(&text);
        }
        for action in self.worker.on(event, when(self.at)) {
            self.perform(action);
        }
    }

    fn name(&self, at: ContainerIx) -> String {
        self.worker.pod().at(at).unwrap().name.clone()
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Prepare => {
                self.note("prepare");
                let sandbox = Sandbox {
                    address: "10.42.0.7".parse().ok(),
                    ..Sandbox::default()
                };
                self.sandbox = Some(sandbox.clone());
                self.later(2 * MS, Event::Prepared(Ok(sandbox)));
            }
            Action::WriteVolumes => {
                self.note("volumes");
                self.later(MS, Event::Payloads(self.volumes.clone()));
            }
            Action::FindImage(at) => {
                let name = self.name(at);
                let act = self.acts.get(&name).and_then(|acts| acts.front()).cloned();
                let result = match act {
                    Some(Act::NoImage(fault)) if fault.reason != ImageReason::ErrImagePull => {
                        self.next_act(&name);
                        Err(fault)
                    }
                    Some(Act::NoImage(_) | Act::Pulled(_)) => Ok(Sought::Elsewhere),
                    _ => Ok(Sought::Here(image())),
                };
                self.later(Duration::ZERO, Event::Image(at, result));
            }
            Action::Pull(at) => {
                let name = self.name(at);
                self.note(&format!("pull {name}"));
                let (took, result) = match self.next_act(&name) {
                    Act::NoImage(fault) => (Duration::ZERO, Err(fault)),
                    Act::Pulled(took) => (took, Ok(pulled())),
                    _ => (MS, Ok(pulled())),
                };
                self.later(took, Event::Pulled(at, result));
            }
            Action::Start(at, attempt) => self.start(at, attempt),
            Action::Hook(at, id, kind, limit) => self.run_hook(at, id, kind, limit),
            Action::Probe(at, id, kind) => {
                let key = format!("{}/{}", self.name(at), kind.name());
                let outcome = self.outcome(&key);
                self.note(&format!("probe {key}: {outcome:?}"));
                self.later(MS, Event::Probed(id, kind, outcome));
            }
            Action::LeaveService => {
                self.note("leave services");
                self.later(self.leaving, Event::ServiceLeft);
            }
            Action::Stop(id, grace) => self.stop(id, grace),
            Action::Resize(outgrown) => {
                self.note("resize");
                let pod = self.worker.pod().clone();
                self.later(MS, Event::Resized(pod, outgrown, Ok(())));
            }
            Action::Remove(id) => {
                let actor = self.actors.remove(&id);
                let actor = actor.map(|actor| format!("{}#{}", actor.name, actor.attempt));
                self.note(&format!("remove {}", actor.unwrap_or_default()));
            }
            Action::TearDown => {
                self.note("tear down");
                assert!(
                    self.actors.values().all(|actor| actor.ended.is_some()),
                    "{}",
                    self.log
                );
                self.sandbox = None;
                self.later(3 * MS, Event::TornDown(Ok(())));
            }
            Action::WriteStatus(number, status) => {
                self.note(&format!("status {}", summary(&status.body)));
                if status.phase.is_terminal() {
                    let live = self.actors.values().any(|actor| actor.ended.is_none());
                    assert!(!live, "terminal while something runs:\n{}", self.log);
                }
                self.last_status = status.body;
                self.later(2 * MS, Event::Written(number));
            }
            Action::DeletePod => {
                self.note("delete");
                self.later(MS, Event::Deleted(Ok(())));
                self.later(2 * MS, Event::Forgotten);
            }
            Action::Tell(told) => {
                let of = told
                    .of
                    .map(|at| format!(" {}", self.name(at)))
                    .unwrap_or_default();
                self.note(&format!("{:?} {}{of}: {}", told.level, told.reason, told.message));
            }
            Action::Done => self.note("done"),
        }
    }

    fn next_act(&mut self, name: &str) -> Act {
        let acts = self.acts.entry(name.to_owned()).or_default();
        if acts.len() > 1 {
            acts.pop_front()
        } else {
            acts.front().cloned()
        }
        .unwrap_or(Act::Serve(10 * MS))
    }

    fn start(&mut self, at: ContainerIx, attempt: u32) {
        let name = self.name(at);
        assert_eq!(self.running(&name), 0, "two of {name} at once:\n{}", self.log);
        self.note(&format!("start {name}#{attempt}"));
        let act = self.next_act(&name);
        let id = ContainerId::new(&format!("{name}-{attempt}"));
        if let Act::Fault(fault) = act {
            self.later(3 * MS, Event::Started(at, attempt, Err(fault)));
            return;
        }
        let hash = spec_hash(self.worker.pod().at(at).unwrap());
        let started = Started {
            id: id.clone(),
            at: when(self.at + 3 * MS).wall,
            image: image(),
            user: Some(RunsAs::default()),
        };
        let takes = 3 * MS;
        match &act {
            Act::Exit(after, code) => self.end_later(&id, takes + *after, *code, How::Exited),
            Act::OutOfMemory(after) => self.end_later(&id, takes + *after, 137, How::OutOfMemory),
            _ => {}
        }
        let actor = Actor {
            name,
            attempt,
            hash,
            started: self.at + takes,
            act,
            ended: None,
        };
        self.actors.insert(id, actor);
        self.running_at_most = self
            .running_at_most
            .max(self.actors.values().filter(|actor| actor.ended.is_none()).count());
        self.later(takes, Event::Started(at, attempt, Ok(started)));
    }

    fn end_later(&mut self, id: &ContainerId, after: Duration, code: i32, how: How) {
        let ended = Ended {
            how,
            code,
            started: Some(when(self.at + 3 * MS).wall),
            finished: when(self.at + after).wall,
            message: String::new(),
        };
        self.later(after, Event::Ended(id.clone(), ended));
    }

    fn stop(&mut self, id: ContainerId, grace: Duration) {
        self.note(&format!("stop {id} within {grace:?}"));
        let Some(actor) = self
            .actors
            .get(&id)
            .filter(|actor| actor.ended.is_none())
            .cloned()
        else {
            return self.later(MS, Event::Stopped(id, Ok(())));
        };
        let takes = match actor.act {
            Act::Serve(takes) => takes,
            _ => 10 * MS,
        };
        let code = if takes <= grace { 0 } else { 137 };
        let takes = takes.min(grace);
        self.due
            .retain(|_, event| !matches!(event, Event::Ended(other, _) if *other == id));
        self.end_later(&id, takes, code, How::Exited);
        if self.silent {
            self.due
                .retain(|_, event| !matches!(event, Event::Ended(other, _) if *other == id));
            let ended = Ended {
                how: How::Exited,
                code,
                started: None,
                finished: when(self.at + takes).wall,
                message: String::new(),
            };
            self.actors
                .entry(id.clone())
                .and_modify(|actor| actor.ended = Some(ended));
        }
        self.later(takes + MS, Event::Stopped(id, Ok(())));
    }

    fn run_hook(&mut self, at: ContainerIx, id: ContainerId, kind: HookKind, limit: Duration) {
        let key = format!("{}/{kind:?}", self.name(at));
        let (takes, result) = self.hooks.get(&key).cloned().unwrap_or((5 * MS, Ok(())));
        self.note(&format!("hook {key} within {limit:?}"));
        let over = takes > limit;
        let result = if over { Err("timed out".to_owned()) } else { result };
        self.later(takes.min(limit), Event::Hook(id, kind, result));
    }

    fn outcome(&mut self, key: &str) -> Outcome {
        let outcomes = self.outcomes.entry(key.to_owned()).or_default();
        if outcomes.len() > 1 {
            outcomes.pop_front()
        } else {
            outcomes.front().cloned()
        }
        .unwrap_or(Outcome::Success)
    }
}

pub(crate) fn pulled() -> Pulled {
    Pulled {
        found: image(),
        took: Duration::from_millis(1500),
        size: 4_194_304,
    }
}

pub(crate) fn image() -> ImageFound {
    ImageFound {
        image: "docker.io/library/web:1".to_owned(),
        id: "sha256:1".to_owned(),
    }
}

/// What the API keeps of a status.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// A status in one line: phase, conditions that hold, containers.
fn summary(status: &Value) -> String {
    let mut out = status["phase"].as_str().unwrap_or_default().to_owned();
    for name in ["reason", "message"] {
        if let Some(text) = status[name].as_str() {
            write!(out, " {name}={text:?}").unwrap();
        }
    }
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let held = conditions
        .iter()
        .filter(|condition| condition["status"] == "True");
    let held: Vec<_> = held.filter_map(|condition| condition["type"].as_str()).collect();
    write!(out, " {held:?}").unwrap();
    for list in [
        "initContainerStatuses",
        "containerStatuses",
        "ephemeralContainerStatuses",
    ] {
        for container in status[list].as_array().into_iter().flatten() {
            write!(out, " {}", described(container)).unwrap();
        }
    }
    out
}

fn described(container: &Value) -> String {
    let part = |state: &Value| -> String {
        let Some((kind, inner)) = state.as_object().and_then(|state| state.iter().next()) else {
            return String::new();
        };
        match &**kind {
            "waiting" => inner["reason"].as_str().unwrap_or_default().to_owned(),
            "terminated" => format!(
                "{}({})",
                inner["reason"].as_str().unwrap_or_default(),
                inner["exitCode"]
            ),
            _ => "running".to_owned(),
        }
    };
    let mut out = format!(
        "{}#{}={}",
        container["name"].as_str().unwrap(),
        container["restartCount"],
        part(&container["state"])
    );
    let last = part(&container["lastState"]);
    if !last.is_empty() {
        write!(out, "<{last}").unwrap();
    }
    for (name, sign) in [("started", "+started"), ("ready", "+ready")] {
        if container[name] == true {
            out.push_str(sign);
        }
    }
    out
}

/// Which kinds of probes there are, for those who make events by chance.
pub(crate) const KINDS: [ProbeKind; 3] = ProbeKind::ALL;
