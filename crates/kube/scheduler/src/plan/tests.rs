use std::collections::BTreeMap;
use std::sync::Arc;

use driver::{Instant, Rng};
use proptest::prelude::*;
use serde_json::json;
use views::{NodeView, PodView};

use super::*;
use crate::plugins::tests::{node, pod, wants, world};
use crate::plugins::{ALL, Fit, Prepared};
use crate::queue::Queue;
use crate::snapshot::Key;

/// Whether every filter, asked for itself, lets the pod onto the node.
fn fits(world: &Snapshot, pod: Incoming<'_>, node: NodeIx) -> bool {
    ALL.iter().all(|plugin| match plugin.prepare(world, pod) {
        Prepared::Skip => true,
        Prepared::All(_) => false,
        Prepared::Each(only, look) => only.is_none_or(|only| only.contains(&node)) && look(node) == Fit::Fits,
    })
}

prop_compose! {
    fn machine()(
        cpu in 1..5_u8, cordoned in prop::bool::weighted(0.1), taint in prop::option::weighted(0.3, 0..2_usize),
        zone in prop::option::of(0..2_u8),
    ) -> Arc<NodeView> {
        let effects = ["NoSchedule", "PreferNoSchedule"];
        let taints: Vec<_> = taint.iter().map(|at| json!({"key": "k", "effect": effects[*at]})).collect();
        let labels = zone.map_or(json!({}), |zone| json!({"zone": zone.to_string()}));
        node(json!({"metadata": {"labels": labels}, "spec": {"unschedulable": cordoned, "taints": taints},
            "status": {"allocatable": {"cpu": cpu.to_string(), "pods": "3"}}}))
    }
}

prop_compose! {
    fn asks()(
        on in 0..8_u8, cpu in 0..4_u8, app in 0..2_u8, port in prop::option::weighted(0.3, 1..3_u16),
        tolerates in any::<bool>(), social in prop::option::weighted(0.3, 0..2_usize),
        spreads in prop::bool::weighted(0.2), zone in prop::option::weighted(0.2, 0..2_u8),
    ) -> (String, serde_json::Value) {
        let selector = json!({"matchLabels": {"app": app.to_string()}});
        let term = json!({"topologyKey": "zone", "labelSelector": selector});
        let kinds = ["podAffinity", "podAntiAffinity"];
        let affinity = social.map_or(json!({}), |at| {
            json!({kinds[at]: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
        });
        let ports: Vec<_> = port.iter().map(|port| json!({"hostPort": port, "containerPort": 1})).collect();
        let tolerations = if tolerates { json!([{"operator": "Exists"}]) } else { json!([]) };
        let spread = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": selector});
        let requests = json!({"cpu": cpu.to_string()});
        let spec = json!({"affinity": affinity, "tolerations": tolerations,
            "topologySpreadConstraints": if spreads { json!([spread]) } else { json!([]) },
            "nodeSelector": zone.map_or(json!({}), |zone| json!({"zone": zone.to_string()})),
            "containers": [{"name": "c", "ports": ports, "resources": {"requests": requests}}]});
        (format!("n{on}"), json!({"metadata": {"labels": {"app": app.to_string()}}, "spec": spec}))
    }
}

proptest! {
    #[test]
    fn a_pod_gets_a_node_that_every_filter_lets_it_onto(
        machines in prop::collection::vec(machine(), 0..6),
        there in prop::collection::vec(asks(), 0..12),
        (_, comes) in asks(),
        start in 0..6_usize,
    ) {
        let mut world = world(&[], &[]);
        for (at, machine) in machines.iter().enumerate() {
            world.node(&format!("n{at}"), Some(machine.clone()));
        }
        for (at, (on, mut object)) in there.into_iter().enumerate() {
            object["spec"]["nodeName"] = on.into();
            world.pod(&format!("default/p{at}"), Some(&pod(object)));
        }
        let comes = pod(comes);
        let incoming = Incoming { key: "default/incoming", view: &comes };
        let start = start.checked_rem(world.len()).unwrap_or(0);
        let feasible: Vec<NodeIx> = world.live().iter().copied().filter(|at| fits(&world, incoming, *at)).collect();
        match plan(&world, &ALL, incoming, start, &mut Rng::from_seed(1)).decision {
            Decision::Bind(node) => prop_assert!(feasible.contains(&node)),
            Decision::Unschedulable(error) => {
                prop_assert!(feasible.is_empty(), "{}", error.message());
                prop_assert!(world.is_empty() || !error.plugins().is_empty());
            }
        }
    }
}

#[test]
fn large_worlds_are_looked_at_in_part_and_in_turn() {
    assert_eq!(
        [1, 99, 100, 1000, 5000, 20_000].map(enough),
        [1, 99, 100, 420, 500, 1000]
    );
    let names: Vec<String> = (0..300).map(|number| format!("n{number}")).collect();
    let nodes: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), node(json!({}))))
        .collect();
    let world = world(&nodes, &[]);
    let wants = wants("1");
    let incoming = Incoming {
        key: "default/p",
        view: &wants,
    };
    let planned = plan(&world, &ALL, incoming, 250, &mut Rng::from_seed(1));
    assert_eq!(planned.looked, 144);
    let Decision::Bind(node) = planned.decision else {
        panic!("{planned:?}");
    };
    let number: usize = world.name(node)[1..].parse().unwrap();
    assert!((250..300).contains(&number) || number < 94, "{number}");
}

#[test]
fn equals_are_chosen_by_chance() {
    let world = world(&[("a", node(json!({}))), ("b", node(json!({})))], &[]);
    let wants = wants("1");
    let incoming = Incoming {
        key: "default/p",
        view: &wants,
    };
    let mut rng = Rng::from_seed(1);
    let mut counts: BTreeMap<NodeIx, u32> = BTreeMap::new();
    for _ in 0..200 {
        if let Decision::Bind(node) = plan(&world, &ALL, incoming, 0, &mut rng).decision {
            *counts.entry(node).or_default() += 1;
        }
    }
    assert!(
        counts.len() == 2 && counts.values().all(|count| *count > 60),
        "{counts:?}"
    );
}

/// A thousand pods for a hundred nodes, without a server: a binding is told some turns later, some fail, and every so
/// often a node goes with all its pods and comes again.
struct Crowd {
    world: Snapshot,
    queue: Queue,
    rng: Rng,
    /// Bindings that are not told yet.
    flying: Vec<(Key, NodeIx, String)>,
    bound: BTreeMap<Key, String>,
}

const WANTS: &str = "300m";

impl Crowd {
    /// Where each pod is in the end.
    fn run(seed: u64) -> BTreeMap<Key, String> {
        let mut crowd = Self {
            world: Snapshot::new(),
            queue: Queue::new(),
            rng: Rng::from_seed(seed),
            flying: Vec::new(),
            bound: BTreeMap::new(),
        };
        for turn in 0..4000_u64 {
            crowd.turn(turn);
        }
        crowd.bound
    }

    fn now(turn: u64) -> Instant {
        Instant::from_origin(std::time::Duration::from_millis(turn * 100))
    }

    fn turn(&mut self, turn: u64) {
        let now = Self::now(turn);
        if turn < 100 {
            self.world.node(&format!("n{turn}"), Some(node(json!({}))));
            self.queue.happened(&crate::plugins::Happened::Namespace, now);
        }
        if turn < 1000 {
            self.queue
                .put(&format!("default/p{turn}").as_str().into(), &wants(WANTS), now);
        }
        if turn % 50 == 49 && turn < 2000 {
            self.lose(&format!("n{}", turn / 50 % 100), now);
        }
        while let Some((key, pod)) = self.queue.next(now) {
            self.decide(&key, &pod, now);
            self.check();
        }
        if turn.is_multiple_of(3) {
            self.tell();
        }
    }

    fn decide(&mut self, key: &Key, pod: &Arc<PodView>, now: Instant) {
        let incoming = Incoming { key, view: pod };
        match plan(&self.world, &ALL, incoming, 0, &mut self.rng).decision {
            Decision::Bind(node) => {
                assert!(!self.bound.contains_key(key), "{key} is bound already");
                self.flying
                    .push((key.clone(), node, self.world.name(node).to_owned()));
                self.world.assume(key, pod, node);
            }
            // Anything helps: this is about the world, not about who wakes.
            Decision::Unschedulable(_) => self.queue.failed(key, Default::default(), now),
        }
    }

    fn check(&self) {
        for at in self.world.live() {
            let room = self.world.room(*at);
            assert!(room.used.milli_cpu <= room.capacity.milli_cpu && room.used.pods <= room.capacity.pods);
        }
    }

    /// Bindings come true, but one in ten.
    fn tell(&mut self) {
        for (key, at, name) in std::mem::take(&mut self.flying) {
            if self.rng.one_in(10) || self.world.find(&name) != Some(at) {
                self.world.forget(&key);
                self.queue.not_written(&key);
                continue;
            }
            let told = pod(json!({"spec": {"nodeName": name, "containers": [
                {"name": "c", "resources": {"requests": {"cpu": WANTS}}}]}}));
            self.world.pod(&key, Some(&told));
            self.queue.remove(&key);
            self.bound.insert(key, name);
        }
    }

    /// A node goes with its pods, and comes again.
    fn lose(&mut self, name: &str, now: Instant) {
        self.world.node(name, None);
        let gone: Vec<Key> = self
            .bound
            .iter()
            .filter(|(_, on)| *on == name)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.bound.remove(&key);
            self.world.pod(&key, None);
            self.queue.put(&key, &wants(WANTS), now);
        }
        self.world.node(name, Some(node(json!({}))));
        self.queue.happened(&crate::plugins::Happened::Namespace, now);
    }
}

#[test]
fn a_crowd_is_placed_while_nodes_come_and_go() {
    let bound = Crowd::run(5);
    assert_eq!(bound.len(), 1000);
    assert_eq!(bound, Crowd::run(5), "the same seed is the same run");
    assert_ne!(bound, Crowd::run(6));
}
