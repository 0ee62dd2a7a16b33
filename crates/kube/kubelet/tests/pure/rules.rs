//! What holds whatever happens, in any order.

use kubelet::ContainerId;
use kubelet::container::{
    ContainerIx, Ended, How, ImageFault, ImageReason, Observed, Sandbox, Sought, StartFault,
};
use kubelet::traits::{Outcome, Refused};
use kubelet::worker::{Event, HookKind, Life};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

use crate::play::{Act, KINDS, MS, Play, s};

const NAMES: [&str; 4] = ["i", "side", "a", "b"];

fn spec() -> impl Strategy<Value = Value> {
    let policy = prop::sample::select(vec!["Always", "OnFailure", "Never"]);
    (policy, any::<[bool; 5]>()).prop_map(|(policy, [init, side, probes, hooks, two])| {
        let mut web = json!({"name": "a"});
        if probes {
            web["livenessProbe"] =
                json!({"exec": {"command": ["x"]}, "periodSeconds": 3, "failureThreshold": 2});
            web["readinessProbe"] = json!({"exec": {"command": ["x"]}, "periodSeconds": 2});
        }
        if hooks {
            web["lifecycle"] =
                json!({"preStop": {"exec": {"command": ["x"]}}, "postStart": {"exec": {"command": ["y"]}}});
        }
        let mut containers = vec![web];
        if two {
            containers.push(json!({"name": "b"}));
        }
        let mut inits = Vec::new();
        if init {
            inits.push(json!({"name": "i"}));
        }
        if side {
            inits.push(json!({"name": "side", "restartPolicy": "Always"}));
        }
        json!({"restartPolicy": policy, "initContainers": inits, "containers": containers})
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (1u32..5000).prop_map(|ms| Act::Serve(ms * MS)),
        4 => (0u32..20_000, 0..3i32).prop_map(|(ms, code)| Act::Exit(ms * MS, code)),
        1 => Just(Act::OutOfMemory(s(1))),
        1 => Just(Act::Fault(StartFault::Create("no".to_owned()))),
        1 => (0u32..9000).prop_map(|ms| Act::Pulled(ms * MS)),
        1 => Just(Act::NoImage(ImageFault { reason: ImageReason::ErrImagePull, message: "no".to_owned() })),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Success),
        2 => Just(Outcome::Failure("no".to_owned())),
        1 => Just(Outcome::Errored("what".to_owned())),
    ]
}

/// What somebody does to a pod.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Delete(i64),
    Restart,
    LoseSandbox,
    Source,
    Evict,
    /// An answer to a question that nobody asked.
    Stray(Box<Event>),
}

fn stray() -> impl Strategy<Value = Event> {
    let at = || (0..6u16).prop_map(ContainerIx);
    let id =
        || prop::sample::select(vec!["a-0", "a-1", "b-0", "side-0", "i-0", "zzz"]).prop_map(ContainerId::new);
    let ended = || {
        (0..3i32).prop_map(|code| Ended {
            how: How::Exited,
            code,
            started: None,
            finished: SystemTime::UNIX_EPOCH + s(1_700_000_000),
            message: String::new(),
        })
    };
    prop_oneof![
        Just(Event::Prepared(Ok(Sandbox::default()))),
        Just(Event::Prepared(Err(Refused {
            reason: "R".to_owned(),
            message: "m".to_owned()
        }))),
        Just(Event::Payloads(Ok(()))),
        at().prop_map(|at| Event::Image(at, Ok(Sought::Here(crate::play::image())))),
        at().prop_map(|at| Event::Image(at, Ok(Sought::Elsewhere))),
        at().prop_map(|at| Event::Pulled(at, Ok(crate::play::pulled()))),
        (at(), 3..9u32).prop_map(|(at, attempt)| Event::Started(
            at,
            attempt,
            Err(StartFault::Create("x".to_owned()))
        )),
        (Just(ContainerId::new("zzz")), ended()).prop_map(|(id, ended)| Event::Ended(id, ended)),
        id().prop_map(|id| Event::Hook(id, HookKind::PreStop, Err("x".to_owned()))),
        (id(), prop::sample::select(KINDS.to_vec()), outcome())
            .prop_map(|(id, kind, outcome)| Event::Probed(id, kind, outcome)),
        Just(Event::ServiceLeft),
        Just(Event::TornDown(Err("x".to_owned()))),
        Just(Event::Admitted(Ok(()))),
        Just(Event::Timer),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u64..30_000).prop_map(Step::Wait),
        1 => prop::sample::select(vec![0, 1, 5, 30]).prop_map(Step::Delete),
        2 => Just(Step::Restart),
        1 => Just(Step::LoseSandbox),
        1 => Just(Step::Source),
        1 => Just(Step::Evict),
        3 => stray().prop_map(|event| Step::Stray(Box::new(event))),
    ]
}

fn take(play: Play, step: Step) -> Play {
    match step {
        Step::Wait(ms) => play.go_on(Duration::from_millis(ms)),
        Step::Delete(grace) => play.delete(grace),
        Step::Restart => play.restart(),
        Step::LoseSandbox => {
            let mut play = play;
            play.sandbox = None;
            play.event(Event::SandboxLost)
        }
        Step::Source => play.event(Event::Source),
        Step::Evict => play.event(Event::Evicted {
            reason: "Evicted".to_owned(),
            message: "m".to_owned(),
        }),
        Step::Stray(event) => play.event(*event),
    }
}

fn staged(spec: &Value, acts: &[Vec<Act>], outcomes: &[Outcome]) -> Play {
    let mut play = Play::new(spec);
    for (name, acts) in NAMES.into_iter().zip(acts) {
        play = play.act(name, acts.clone());
    }
    for kind in ["Liveness", "Readiness"] {
        play = play.probe(&format!("a/{kind}"), outcomes.to_vec());
    }
    play
}

/// Where in the log something is said first.
fn line(log: &str, text: &str) -> Option<usize> {
    log.lines().position(|line| line.contains(text))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The stage itself sees to it that nothing is started twice at once, and that a terminal phase is written only when
    /// nothing runs. In the end a deleted pod is gone, whatever happened before.
    #[test]
    fn a_deleted_pod_is_gone_in_the_end(
        spec in spec(),
        acts in prop::collection::vec(prop::collection::vec(act(), 1..4), 4),
        outcomes in prop::collection::vec(outcome(), 1..6),
        steps in prop::collection::vec(step(), 0..10),
    ) {
        let mut play = staged(&spec, &acts, &outcomes).run(MS);
        for step in steps {
            play = take(play, step);
        }
        let play = play.delete(5).go_on(s(600));
        prop_assert!(play.is_gone(), "{}\n{:?}", play.log, play.worker.life());
        // Nothing begins after a deletion has.
        if let Some(at) = line(&play.log, "leave services") {
            let after: Vec<&str> = play.log.lines().skip(at + 1).filter(|line| line.contains(" start ")).collect();
            prop_assert!(after.is_empty(), "{after:?}\n{}", play.log);
        }
    }

    /// A worker that is made anew from what is there, at any moment, ends where the one that went on does.
    #[test]
    fn a_worker_that_is_made_anew_ends_the_same(
        spec in spec(),
        code in 0..2i32,
        at in 0u64..40_000,
    ) {
        let acts = vec![
            vec![Act::Exit(s(1), 0)],
            vec![Act::Serve(5 * MS)],
            vec![Act::Exit(s(7), code), Act::Exit(s(9), 0), Act::Serve(MS)],
            vec![Act::Exit(s(3), 0), Act::Serve(MS)],
        ];
        let on = staged(&spec, &acts, &[Outcome::Success]).run(s(150));
        let anew = staged(&spec, &acts, &[Outcome::Success])
            .run(Duration::from_millis(at))
            .restart()
            .go_on(s(150));
        let states = |play: &Play| {
            let status = play.status();
            let kinds = |list: &str| -> Vec<String> {
                let all = status[list].as_array().cloned().unwrap_or_default();
                all.iter().map(|container| {
                    let state: Vec<&String> = container["state"].as_object().unwrap().keys().collect();
                    format!("{}{state:?}{}", container["name"], container["ready"])
                }).collect()
            };
            (status["phase"].clone(), kinds("initContainerStatuses"), kinds("containerStatuses"))
        };
        prop_assert_eq!(states(&on), states(&anew), "{}\n---\n{}", on.log, anew.log);
    }

    /// No event in any order makes a worker panic, also where nobody does what it says.
    #[test]
    fn any_order_of_events_is_legal(spec in spec(), events in prop::collection::vec(stray(), 0..40)) {
        let mut play = Play::new(&spec);
        for event in events {
            play.feed(event);
        }
        let seen = Observed::default();
        play.feed(Event::Seen(seen));
        prop_assert!(*play.worker.life() != Life::Gone);
    }
}
