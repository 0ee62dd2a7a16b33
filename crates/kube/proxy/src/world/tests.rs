//! Whatever happens in whatever order, the datapath ends as a plan from scratch would have it.

use bytes::Bytes;
use client::Change as Event;
use proptest::prelude::*;
use schema::object::{Order, Revision};
use serde_json::json;

use super::*;
use crate::left::Leading;

fn object(key: &str, json: &serde_json::Value) -> Arc<Obj> {
    let body = Bytes::from(json.to_string());
    Arc::new(Obj::new(key, Revision(1), body, Order::Declared).unwrap())
}

/// Two services may want the same external address, and that may be another one's own.
fn service(at: u8, external: bool) -> Arc<Obj> {
    let ips = if external {
        json!(["192.0.2.1", "10.43.0.3"])
    } else {
        json!([])
    };
    object(
        &format!("x/s{at}"),
        &json!({
            "metadata": {"name": format!("s{at}"), "namespace": "x"},
            "spec": {"clusterIPs": [format!("10.43.0.{at}")], "externalIPs": ips, "ports": [{"port": 80}]},
        }),
    )
}

fn slice(at: u8, of: u8, endpoints: u8) -> Arc<Obj> {
    let endpoint = |at: u8| json!({"addresses": [format!("10.42.0.{at}")], "conditions": {"ready": !at.is_multiple_of(3)}});
    let endpoints: Vec<_> = (0..8)
        .filter(|bit| endpoints >> bit & 1 == 1)
        .map(endpoint)
        .collect();
    let label = match of {
        9 => json!({}),
        of => json!({"kubernetes.io/service-name": format!("s{of}")}),
    };
    object(
        &format!("x/e{at}"),
        &json!({
            "metadata": {"name": format!("e{at}"), "namespace": "x", "labels": label},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "", "port": 8080}],
        }),
    )
}

#[derive(Clone, Debug)]
enum Step {
    Service(u8, Option<bool>),
    Slice(u8, Option<(u8, u8)>),
    /// What is known is told anew; so much of it was missed before.
    Relist,
    /// The datapath is told, and does it or not.
    Sync(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let of = prop_oneof![9 => 0..4_u8, 1 => Just(9)];
    prop_oneof![
        2 => (0..4_u8, proptest::option::of(any::<bool>())).prop_map(|(at, is)| Step::Service(at, is)),
        4 => (0..6_u8, proptest::option::weighted(0.8, (of, any::<u8>()))).prop_map(|(at, is)| Step::Slice(at, is)),
        1 => Just(Step::Relist),
        3 => any::<bool>().prop_map(Step::Sync),
    ]
}

/// Everything as a server has it, and as a datapath was told.
struct Model {
    services: BTreeMap<Box<str>, Arc<Obj>>,
    slices: BTreeMap<Box<str>, Arc<Obj>>,
    world: World,
    told: Map,
    leading: Leading,
}

impl Model {
    fn new() -> Self {
        let stale = Frontend::NodePort {
            protocol: views::Protocol::Tcp,
            port: 1,
        };
        let balanced = Balanced {
            backends: Arc::new([]),
            affinity: None,
            elsewhere: false,
            none: crate::Unanswered::Reject,
        };
        Self {
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            world: World::new("n"),
            told: Map::from([(stale, balanced)]),
            leading: Leading::default(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Service(at, is) => {
                let new = is.map(|external| service(*at, external));
                let event = happened(&mut self.services, &format!("x/s{at}"), new);
                self.world.services(&Changes::One(event));
            }
            Step::Slice(at, is) => {
                let new = is.map(|(of, endpoints)| slice(*at, of, endpoints));
                let event = happened(&mut self.slices, &format!("x/e{at}"), new);
                self.world.slices(&Changes::One(event));
            }
            Step::Relist => {
                self.services.pop_first();
                self.slices.pop_first();
                self.world.services(&Changes::All(listed(&self.services)));
                self.world.slices(&Changes::All(listed(&self.slices)));
            }
            Step::Sync(done) => self.sync(*done),
        }
    }

    fn sync(&mut self, done: bool) {
        let change = self.world.change();
        if done {
            if change.whole {
                self.told.clear();
            }
            self.told.extend(change.set);
            change
                .remove
                .iter()
                .for_each(|frontend| drop(self.told.remove(frontend)));
            self.leading.turn(&self.world.done());
        }
    }

    /// What all services want, the first of those that want the same; whose cluster IP it is, has it before all.
    fn expected(&self) -> (Map, BTreeSet<Ipv4Addr>) {
        let (mut map, mut ready, mut outside) = (Map::new(), BTreeSet::new(), Vec::new());
        for (key, service) in &self.services {
            let slices = self
                .slices
                .values()
                .map(|slice| slice.view::<SliceView>().unwrap());
            let own = |slice: &Arc<SliceView>| **key == *format!("x/{}", slice.service);
            let slices: Vec<_> = slices.filter(own).collect();
            let slices: Vec<&SliceView> = slices.iter().map(|slice| &**slice).collect();
            let view: Arc<views::ServiceView> = service.view().unwrap();
            let is_own = |frontend: &Frontend| matches!(frontend, Frontend::Address { ip, .. } if view.ips.contains(&IpAddr::V4(*ip)));
            let (own, others): (Map, Map) = plan(&view, &slices, "n")
                .into_iter()
                .partition(|(frontend, _)| is_own(frontend));
            map.extend(own);
            outside.extend(others);
            let endpoints = slices.iter().flat_map(|slice| &*slice.endpoints);
            ready.extend(endpoints.filter(|endpoint| endpoint.ready).map(
                |endpoint| match endpoint.addresses[0] {
                    IpAddr::V4(address) => address,
                    IpAddr::V6(address) => panic!("{address}"),
                },
            ));
        }
        for (frontend, balanced) in outside {
            map.entry(frontend).or_insert(balanced);
        }
        (map, ready)
    }
}

fn happened(all: &mut BTreeMap<Box<str>, Arc<Obj>>, key: &str, new: Option<Arc<Obj>>) -> Event {
    let previous = match &new {
        Some(new) => all.insert(key.into(), new.clone()),
        None => all.remove(key),
    };
    Event {
        object: new,
        previous,
    }
}

fn listed(all: &BTreeMap<Box<str>, Arc<Obj>>) -> apiserver::cache::Snapshot {
    let mut snapshot = apiserver::cache::Snapshot::default();
    all.values()
        .for_each(|object| drop(snapshot.insert(object.clone())));
    snapshot
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_datapath_ends_as_a_plan_from_scratch_has_it(steps in proptest::collection::vec(step(), 0..60)) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.step(step));
        model.sync(true);
        let (map, ready) = model.expected();
        prop_assert_eq!(&model.told, &map);
        let led: BTreeSet<_> = (0..8).map(|at| Ipv4Addr::new(10, 42, 0, at)).filter(|at| model.leading.leads_to(*at).is_some()).collect();
        prop_assert_eq!(led, ready);
        prop_assert!(model.world.change().is_empty());
    }
}

#[test]
fn nobody_takes_a_cluster_ip_by_naming_it_as_external() {
    let mut model = Model::new();
    let claimed = Frontend::Address {
        ip: Ipv4Addr::new(10, 43, 0, 3),
        protocol: views::Protocol::Tcp,
        port: 80,
    };
    let backends = |model: &mut Model| {
        model.step(&Step::Sync(true));
        model.told[&claimed]
            .backends
            .iter()
            .map(|to| to.ip().octets()[3])
            .collect::<Vec<_>>()
    };
    model.step(&Step::Slice(0, Some((0, 1 << 4))));
    model.step(&Step::Slice(3, Some((3, 1 << 5))));
    model.step(&Step::Service(0, Some(true)));
    assert_eq!(backends(&mut model), [4], "nobody has been given it");
    model.step(&Step::Service(3, Some(false)));
    assert_eq!(backends(&mut model), [5]);
    model.step(&Step::Service(0, None));
    model.step(&Step::Service(0, Some(true)));
    assert_eq!(backends(&mut model), [5]);
}

#[test]
fn who_waits_hears_when_the_last_service_lets_go() {
    let leading = Leading::default();
    let address = Ipv4Addr::new(10, 42, 0, 1);
    let turn = |ready| Turn { address, ready };
    assert!(leading.leads_to(address).is_none());
    leading.turn(&[turn(true), turn(true)]);
    let closes = leading.leads_to(address).unwrap();
    leading.turn(&[turn(false)]);
    assert!(!closes.is_closed(), "the other service leads there still");
    leading.turn(&[turn(false), turn(true)]);
    assert!(!closes.is_closed(), "handed from one to another");
    leading.turn(&[turn(false)]);
    assert!(closes.is_closed() && leading.leads_to(address).is_none());
    leading.turn(&[turn(true)]);
    let closes = leading.leads_to(address).unwrap();
    leading.end();
    assert!(closes.is_closed());
}
