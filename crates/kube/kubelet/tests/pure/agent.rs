//! A node that registers and stays alive, with a node's rights at a real API server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Recorder, Resource};
use kubelet::node::{Config, Host, Machine, NodeAgent};
use kubelet::traits::Doing;
use serde_json::{Value, json};

use crate::server::Server;

static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
static LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases", "Lease", true);

const SECOND: Duration = Duration::from_secs(1);

/// A machine that is as a test says.
struct Fake(Mutex<Machine>);

impl Host for Fake {
    fn machine(&self) -> Doing<Machine> {
        let machine = self.0.lock().unwrap().clone();
        Box::pin(async move { machine })
    }
}

fn config() -> Config {
    Config {
        name: "n".into(),
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
        kubelet_port: 10250,
        max_pods: 110,
        pod_cidr: Some("10.42.0.0/24".to_owned()),
        labels: BTreeMap::from([("node.kubernetes.io/instance-type".to_owned(), "gantry".to_owned())]),
        version: "v1.36.3+gantry".to_owned(),
        runtime_version: "gantry://0.1.0".to_owned(),
    }
}

fn start(server: &Server) -> (NodeAgent, Arc<Fake>) {
    let machine = Machine {
        cpus: 2,
        memory: 8 << 30,
        disk: 100 << 30,
        swap: 1 << 30,
        boot_id: "b1".to_owned(),
        ..Machine::default()
    };
    let fake = Arc::new(Fake(Mutex::new(machine)));
    let (client, env) = (server.as_node("n"), server.env());
    let recorder = Recorder::start(client.clone(), &env, "kubelet", "n");
    let agent = NodeAgent::start(config(), client, fake.clone(), recorder, &env);
    server.settle();
    (agent, fake)
}

fn node(server: &Server) -> Value {
    server.get(&NODES, "", "n").unwrap()
}

fn version(server: &Server) -> String {
    node(server)["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn renewed(server: &Server) -> Option<String> {
    let lease = server.get(&LEASES, "kube-node-lease", "n")?;
    Some(lease["spec"]["renewTime"].as_str().unwrap().to_owned())
}

#[test]
fn a_node_registers_whole_and_renews_its_lease() {
    let server = Server::open(1);
    let (_agent, _) = start(&server);
    let node = node(&server);
    assert_eq!(node["status"]["conditions"][3]["status"], "True");
    assert_eq!(node["status"]["capacity"]["memory"], "8Gi");
    assert_eq!(node["status"]["nodeInfo"]["swap"]["capacity"], 1 << 30);
    assert_eq!(node["spec"]["podCIDRs"], json!(["10.42.0.0/24"]));
    assert_eq!(
        node["metadata"]["labels"]["node.kubernetes.io/instance-type"],
        "gantry"
    );
    let lease = server.get(&LEASES, "kube-node-lease", "n").unwrap();
    assert_eq!(
        lease["metadata"]["ownerReferences"][0]["uid"],
        node["metadata"]["uid"]
    );
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 40);
    assert_eq!(renewed(&server).unwrap(), "1970-01-01T00:00:00.000000Z");
    server.pass(25 * SECOND);
    assert_eq!(renewed(&server).unwrap(), "1970-01-01T00:00:20.000000Z");
}

#[test]
fn an_idle_node_writes_its_status_every_five_minutes() {
    let server = Server::open(1);
    let (_agent, _) = start(&server);
    let first = version(&server);
    server.pass(295 * SECOND);
    assert_eq!(version(&server), first);
    server.pass(10 * SECOND);
    assert_ne!(version(&server), first);
    let ready = &node(&server)["status"]["conditions"][3];
    assert_eq!(
        (&ready["lastHeartbeatTime"], &ready["lastTransitionTime"]),
        (&json!("1970-01-01T00:05:00Z"), &json!("1970-01-01T00:00:00Z"))
    );
}

#[test]
fn what_changes_on_the_machine_is_posted_with_the_next_lease() {
    let server = Server::open(1);
    let (_agent, fake) = start(&server);
    fake.0.lock().unwrap().pressure.disk = true;
    server.pass(11 * SECOND);
    let pressure = &node(&server)["status"]["conditions"][1];
    assert_eq!(
        (&pressure["type"], &pressure["status"], &pressure["reason"]),
        (
            &json!("DiskPressure"),
            &json!("True"),
            &json!("KubeletHasDiskPressure")
        )
    );
    let posted = version(&server);
    server.pass(60 * SECOND);
    assert_eq!(version(&server), posted, "once");
}

#[test]
fn a_node_that_was_there_before_is_taken_over() {
    let server = Server::open(1);
    let before = json!({
        "metadata": {"name": "n", "labels": {"mine": "yes", "kubernetes.io/os": "plan9"}},
        "status": {"addresses": [
            {"type": "InternalIP", "address": "10.9.9.9"}, {"type": "InternalIP", "address": "10.9.9.8"},
        ]},
    });
    server.create(&NODES, "", &before);
    let (_agent, _) = start(&server);
    let node = node(&server);
    let labels = &node["metadata"]["labels"];
    assert_eq!(
        (&labels["mine"], &labels["kubernetes.io/os"]),
        (&json!("yes"), &json!("linux"))
    );
    let addresses = json!([
        {"type": "InternalIP", "address": "10.0.0.7"}, {"type": "Hostname", "address": "n"},
    ]);
    assert_eq!(node["status"]["addresses"], addresses);
    assert!(renewed(&server).is_some());
}

#[test]
fn a_node_that_somebody_deletes_stays_deleted() {
    let server = Server::open(1);
    let (agent, _) = start(&server);
    server.delete(&NODES, "", "n", None);
    server.pass(30 * SECOND);
    assert_eq!(server.get(&NODES, "", "n"), None);
    assert_eq!(renewed(&server).unwrap(), "1970-01-01T00:00:00.000000Z");
    server.env().spawn(Box::pin(agent.stop()));
    server.settle();
    let (_agent, _) = start(&server);
    assert_eq!(
        node(&server)["status"]["conditions"][3]["status"],
        "True",
        "until the next start"
    );
}
