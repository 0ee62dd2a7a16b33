//! From a pod that is ready to the map of its node and its name, and back: endpoints controllers, proxy and zone beside a
//! real API server.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::Informers;
use dns::{Found, Kind, RecordData, Zone};
use driver::Env;
use driver::env::Doing;
use proxy::{Balanced, Change, Datapath, Frontend, Proxy, Unanswered};
use serde_json::json;

use crate::endpoints::{cluster, kill, pod, service, status};
use crate::node::Node;

/// A datapath that remembers, and refuses as often as it is told to.
#[derive(Default)]
struct Recorded(Mutex<State>);

#[derive(Default)]
struct State {
    map: BTreeMap<Frontend, Balanced>,
    changes: usize,
    refuse: usize,
    open: usize,
}

impl Datapath for Recorded {
    fn change(&self, change: Change) -> Doing<Result<(), String>> {
        let mut state = self.0.lock().unwrap();
        state.changes += 1;
        let done = if state.refuse > 0 {
            state.refuse -= 1;
            Err("the kernel is busy".to_owned())
        } else {
            if change.whole {
                state.map.clear();
            }
            state.map.extend(change.set);
            change
                .remove
                .iter()
                .for_each(|frontend| drop(state.map.remove(frontend)));
            Ok(())
        };
        Box::pin(std::future::ready(done))
    }

    fn connections(&self, _: IpAddr) -> Doing<usize> {
        Box::pin(std::future::ready(self.0.lock().unwrap().open))
    }
}

impl Recorded {
    /// What a node port leads to.
    fn behind(&self, port: u16) -> Option<Vec<String>> {
        let state = self.0.lock().unwrap();
        let protocol = views::Protocol::Tcp;
        let balanced = state.map.get(&Frontend::NodePort { protocol, port })?;
        assert_eq!(balanced.none, Unanswered::Reject);
        Some(balanced.backends.iter().map(SocketAddrV4::to_string).collect())
    }

    fn changes(&self) -> usize {
        self.0.lock().unwrap().changes
    }
}

struct Rig {
    node: Node,
    env: Arc<dyn Env>,
    datapath: Arc<Recorded>,
    proxy: Arc<Proxy>,
    zone: Arc<Zone>,
}

impl Rig {
    fn start(seed: u64) -> Self {
        let node = cluster(seed);
        let env: Arc<dyn Env> = Arc::new(node.sim());
        let informers = Informers::in_process(node.server.clone());
        let datapath = Arc::new(Recorded::default());
        let proxy = Arc::new(Proxy::start(&informers, "n", datapath.clone(), &env));
        let zone = Zone::start(&informers, "cluster.local", &env);
        let rig = Self {
            node,
            env,
            datapath,
            proxy,
            zone,
        };
        let (proxy, zone) = (rig.proxy.clone(), rig.zone.clone());
        rig.node.run(async move {
            proxy.synced().await;
            zone.synced().await;
        });
        rig
    }

    fn addresses(&self, name: &str) -> Option<Vec<String>> {
        let Found::Records(records) = self.zone.resolve(name, Kind::A) else {
            return None;
        };
        let mut all: Vec<String> = records
            .iter()
            .map(|record| match &record.data {
                RecordData::A(address) => address.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        all.sort();
        Some(all)
    }

    /// Whether a pod has left, which is told when it has.
    fn leaving(&self, address: &str) -> Arc<Mutex<bool>> {
        let (left, gone) = (
            self.proxy.left(address.parse().unwrap()),
            Arc::new(Mutex::new(false)),
        );
        let told = gone.clone();
        self.env.spawn(Box::pin(async move {
            left.await;
            *told.lock().unwrap() = true;
        }));
        self.node.settle();
        gone
    }
}

#[test]
fn a_ready_pod_is_behind_its_service_and_one_that_ends_leaves() {
    for seed in 0..4 {
        let rig = Rig::start(seed);
        service(
            &rig.node,
            "web",
            &json!({"type": "NodePort", "ports": [{"port": 80, "targetPort": "web", "nodePort": 30080}]}),
        );
        service(&rig.node, "all", &json!({"clusterIP": "None"}));
        assert_eq!(rig.datapath.behind(30080), Some(vec![]));
        assert_eq!(rig.addresses("all.x.svc.cluster.local"), None);
        pod(&rig.node, "a", "10.42.0.1");
        pod(&rig.node, "b", "10.42.0.2");
        let both = vec!["10.42.0.1:8080".to_owned(), "10.42.0.2:8080".to_owned()];
        assert_eq!(rig.datapath.behind(30080), Some(both), "seed {seed}");
        let all = Some(vec!["10.42.0.1".to_owned(), "10.42.0.2".to_owned()]);
        assert_eq!(rig.addresses("all.x.svc.cluster.local"), all, "seed {seed}");
        let own = rig.addresses("web.x.svc.cluster.local").unwrap();
        assert!(own.len() == 1 && own[0].starts_with("10.43."), "{own:?}");

        let a = rig.leaving("10.42.0.1");
        assert!(!*a.lock().unwrap(), "it is still led to");
        kill(&rig.node, "a", 30);
        assert_eq!(
            rig.datapath.behind(30080),
            Some(vec!["10.42.0.2:8080".to_owned()])
        );
        assert!(*a.lock().unwrap(), "seed {seed}");
        kill(&rig.node, "a", 0);
        // The last one is led to until it is gone: but nobody waits for that.
        kill(&rig.node, "b", 30);
        assert_eq!(
            rig.datapath.behind(30080),
            Some(vec!["10.42.0.2:8080".to_owned()])
        );
        assert!(*rig.leaving("10.42.0.2").lock().unwrap());
        kill(&rig.node, "b", 0);
        assert_eq!(rig.datapath.behind(30080), Some(vec![]));
        assert_eq!(rig.addresses("all.x.svc.cluster.local"), None);
    }
}

#[test]
fn open_connections_are_waited_for() {
    let rig = Rig::start(1);
    service(
        &rig.node,
        "web",
        &json!({"type": "NodePort", "ports": [{"port": 80, "targetPort": "web", "nodePort": 30080}]}),
    );
    pod(&rig.node, "a", "10.42.0.1");
    rig.datapath.0.lock().unwrap().open = 2;
    kill(&rig.node, "a", 30);
    let never = rig.leaving("10.42.0.9");
    assert!(*never.lock().unwrap(), "no service ever led there: nobody looks");
    let gone = rig.leaving("10.42.0.1");
    rig.node.pass(Duration::from_secs(3));
    assert!(!*gone.lock().unwrap());
    rig.datapath.0.lock().unwrap().open = 0;
    rig.node.pass(Duration::from_millis(60));
    assert!(*gone.lock().unwrap());
}

#[test]
fn what_the_datapath_refuses_is_said_again() {
    let rig = Rig::start(1);
    rig.datapath.0.lock().unwrap().refuse = 2;
    service(
        &rig.node,
        "web",
        &json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}),
    );
    assert_eq!(rig.datapath.behind(30080), None);
    rig.node.pass(Duration::from_secs(2));
    assert_eq!(rig.datapath.behind(30080), Some(vec![]));
}

#[test]
fn what_changes_nothing_is_not_said() {
    let rig = Rig::start(1);
    service(
        &rig.node,
        "web",
        &json!({"type": "NodePort", "ports": [{"port": 80, "targetPort": "web", "nodePort": 30080}]}),
    );
    pod(&rig.node, "a", "10.42.0.1");
    let before = rig.datapath.changes();
    status(&rig.node, "a", "10.42.0.1", true);
    service(
        &rig.node,
        "name",
        &json!({"type": "ExternalName", "externalName": "example.com"}),
    );
    rig.node.pass(Duration::from_secs(5));
    assert_eq!(rig.datapath.changes(), before);
}

#[test]
fn a_proxy_that_starts_says_all_there_is() {
    let rig = Rig::start(1);
    service(
        &rig.node,
        "web",
        &json!({"type": "NodePort", "ports": [{"port": 80, "targetPort": "web", "nodePort": 30080}]}),
    );
    pod(&rig.node, "a", "10.42.0.1");
    let informers = Informers::in_process(rig.node.server.clone());
    let stale = Recorded::default();
    let balanced = rig
        .datapath
        .0
        .lock()
        .unwrap()
        .map
        .values()
        .next()
        .cloned()
        .unwrap();
    let port = |port| Frontend::NodePort {
        protocol: views::Protocol::Udp,
        port,
    };
    stale.0.lock().unwrap().map.insert(port(1), balanced);
    let stale = Arc::new(stale);
    let proxy = Proxy::start(&informers, "n", stale.clone(), &rig.env);
    rig.node.settle();
    assert_eq!(stale.0.lock().unwrap().map, rig.datapath.0.lock().unwrap().map);
    assert_eq!(stale.changes(), 1);
    drop(proxy);
    rig.node.settle();
    service(&rig.node, "other", &json!({}));
    assert_eq!(stale.changes(), 1, "it has ended");
}
