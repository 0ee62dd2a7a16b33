use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::plugins::tests::{node, pod};

/// What a world says of each node that is there, whatever came first.
type Seen = BTreeMap<String, (Room, Vec<String>, Vec<HostPort>, i64)>;

fn seen(world: &Snapshot) -> Seen {
    let look = |at: &NodeIx| {
        let mut ports = world.ports(*at).to_vec();
        ports.sort_unstable();
        let pods = world.pods_on(*at).keys().map(|key| key.to_string()).collect();
        (
            world.name(*at).to_owned(),
            (*world.room(*at), pods, ports, world.taken(*at, "example.com/gpu")),
        )
    };
    world.live().iter().map(look).collect()
}

#[derive(Clone, Debug)]
enum Event {
    Node {
        name: u8,
        cpu: Option<u8>,
    },
    /// A pod is told: gone, waiting, or on a node, running or over.
    Pod {
        key: u8,
        cpu: u8,
        node: Option<Option<u8>>,
        over: bool,
    },
    Assume {
        key: u8,
        cpu: u8,
        node: u8,
    },
    Forget {
        key: u8,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let pod = (
        0..6_u8,
        1..4_u8,
        prop::option::of(prop::option::of(0..4_u8)),
        prop::bool::weighted(0.2),
    );
    prop_oneof![
        2 => (0..4_u8, prop::option::of(1..5_u8)).prop_map(|(name, cpu)| Event::Node { name, cpu }),
        4 => pod.prop_map(|(key, cpu, node, over)| Event::Pod { key, cpu, node, over }),
        2 => (0..6_u8, 1..4_u8, 0..4_u8).prop_map(|(key, cpu, node)| Event::Assume { key, cpu, node }),
        1 => (0..6_u8).prop_map(|key| Event::Forget { key }),
    ]
}

fn machine(cpu: u8) -> Arc<NodeView> {
    node(json!({"status": {"allocatable": {"cpu": cpu.to_string()}}}))
}

fn asks(cpu: u8, on: &str, over: bool) -> Arc<PodView> {
    let requests = json!({"cpu": cpu.to_string(), "example.com/gpu": cpu.to_string()});
    let container = json!({"name": "c", "resources": {"requests": requests},
        "ports": [{"hostPort": 8000 + u16::from(cpu), "containerPort": 1}]});
    let phase = if over { "Succeeded" } else { "Running" };
    pod(json!({"spec": {"nodeName": on, "containers": [container]}, "status": {"phase": phase}}))
}

/// What was told last of everything, and what was assumed since.
#[derive(Default)]
struct Model {
    nodes: BTreeMap<String, Arc<NodeView>>,
    pods: BTreeMap<String, Arc<PodView>>,
    assumed: BTreeMap<String, (Arc<PodView>, String)>,
}

impl Model {
    fn rebuilt(&self) -> Snapshot {
        let mut world = Snapshot::new();
        for (key, pod) in self.pods.iter().rev() {
            world.pod(key, Some(pod));
        }
        for (name, node) in &self.nodes {
            world.node(name, Some(node.clone()));
        }
        for (key, (pod, node)) in &self.assumed {
            if let Some(at) = world.find(node) {
                world.assume(key, pod, at);
            }
        }
        world
    }
}

fn apply(world: &mut Snapshot, model: &mut Model, event: Event) {
    match event {
        Event::Node { name, cpu } => {
            let (name, view) = (format!("n{name}"), cpu.map(machine));
            world.node(&name, view.clone());
            match view {
                Some(view) => drop(model.nodes.insert(name, view)),
                None => {
                    model.nodes.remove(&name);
                    // A node that comes again knows nothing of what was once assumed there, but pods know.
                    let lost = |(_, node): &(Arc<PodView>, String)| *node == name;
                    for key in model
                        .assumed
                        .iter()
                        .filter(|(_, it)| lost(it))
                        .map(|(key, _)| key.clone())
                        .collect::<Vec<_>>()
                    {
                        world.forget(&key);
                        model.assumed.remove(&key);
                    }
                }
            }
        }
        Event::Pod { key, cpu, node, over } => {
            let key = format!("default/p{key}");
            let told = node.map(|node| {
                asks(
                    cpu,
                    &node.map(|node| format!("n{node}")).unwrap_or_default(),
                    over,
                )
            });
            world.pod(&key, told.as_ref());
            if told.as_ref().is_none_or(|pod| !pod.node.is_empty()) {
                model.assumed.remove(&key);
            }
            match told {
                Some(pod) => drop(model.pods.insert(key, pod)),
                None => drop(model.pods.remove(&key)),
            }
        }
        Event::Assume { key, cpu, node } => {
            let (key, node) = (format!("default/p{key}"), format!("n{node}"));
            // Only what waits is given a node.
            let waits = model.pods.get(&key).is_none_or(|pod| pod.node.is_empty());
            if let Some(at) = world.find(&node).filter(|_| waits) {
                let pod = asks(cpu, "", false);
                world.assume(&key, &pod, at);
                model.assumed.insert(key, (pod, node));
            }
        }
        Event::Forget { key } => {
            let key = format!("default/p{key}");
            world.forget(&key);
            model.assumed.remove(&key);
        }
    }
}

proptest! {
    #[test]
    fn a_world_fed_by_events_is_the_world_built_anew(events in prop::collection::vec(event(), 1..60)) {
        let (mut world, mut model) = (Snapshot::new(), Model::default());
        for event in events {
            apply(&mut world, &mut model, event);
            prop_assert_eq!(seen(&world), seen(&model.rebuilt()));
        }
    }
}

#[test]
fn what_is_told_wins_over_what_was_assumed() {
    let mut world = Snapshot::new();
    world.node("a", Some(machine(4)));
    world.node("b", Some(machine(4)));
    let (a, b) = (world.find("a").unwrap(), world.find("b").unwrap());
    world.assume("default/p", &asks(2, "", false), a);
    world.pod("default/p", Some(&asks(3, "", false)));
    assert_eq!(
        world.room(a).used.milli_cpu,
        2000,
        "it is still as it was assumed"
    );
    world.pod("default/p", Some(&asks(3, "b", false)));
    assert_eq!(
        (world.room(a).used.milli_cpu, world.room(b).used.milli_cpu),
        (0, 3000)
    );
    assert!(world.forget("default/p").is_none());
    assert_eq!(world.room(b).used.milli_cpu, 3000);
}

#[test]
fn room_is_kept_for_a_pod_for_which_others_left() {
    let mut world = Snapshot::new();
    world.node("a", Some(machine(4)));
    let a = world.find("a").unwrap();
    let waits = asks(2, "", false);
    world.nominate("default/p", Some(&waits), "a");
    assert_eq!(world.nominated(a, 0, "default/other").len(), 1);
    assert!(world.nominated(a, 0, "default/p").is_empty(), "not from itself");
    assert!(
        world.nominated(a, 1, "default/other").is_empty(),
        "not from who is more important"
    );
    assert_eq!(world.displaced(a, 1), ["default/p".into()]);
    world.pod("default/p", Some(&asks(2, "a", false)));
    assert!(world.nominated(a, 0, "default/other").is_empty());
}
