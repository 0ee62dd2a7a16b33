use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::node::{Image, Pressure};

const START: SystemTime = SystemTime::UNIX_EPOCH;

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

fn machine() -> Machine {
    Machine {
        cpus: 2,
        memory: 8 << 30,
        disk: 100 << 30,
        huge_pages: BTreeMap::from([(2 << 20, 0)]),
        boot_id: "b1".to_owned(),
        kernel_version: "5.15".to_owned(),
        images: vec![Image {
            names: vec!["docker.io/library/web:1".to_owned()],
            size: 5,
        }],
        ..Machine::default()
    }
}

/// The node as the server has it after the patch: lists by type, `null` removes.
fn applied(node: &Value, patch: &Patch) -> Value {
    let mut node = node.clone();
    let mut status = patch.body["status"].clone();
    let addresses = status["addresses"].as_array_mut().unwrap();
    assert_eq!(addresses.pop(), Some(json!({"$patch": "replace"})));
    for list in ["capacity", "allocatable"] {
        status[list]
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
    }
    node["status"] = status;
    node
}

fn reasons(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| &*told.reason).collect()
}

#[test]
fn a_node_registers_with_all_that_it_is() {
    let (node, told) = registration(&config(), &machine(), START);
    let labels = &node["metadata"]["labels"];
    for (key, value) in [
        ("kubernetes.io/hostname", "n"),
        ("beta.kubernetes.io/os", "linux"),
        ("node.kubernetes.io/instance-type", "gantry"),
    ] {
        assert_eq!(labels[key], value);
    }
    assert_eq!(
        node["spec"],
        json!({"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24"]})
    );
    let status = &node["status"];
    let capacity = json!({
        "cpu": "2", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110", "hugepages-2Mi": "0",
    });
    assert_eq!(status["capacity"], capacity);
    assert_eq!(
        status["allocatable"]["memory"], "8092Mi",
        "the threshold of pressure is kept back"
    );
    assert_eq!(status["allocatable"]["ephemeral-storage"], "90Gi");
    let said = |each: &Value| {
        [&each["type"], &each["status"], &each["reason"]].map(|text| text.as_str().unwrap().to_owned())
    };
    let conditions: Vec<_> = conditions(status).iter().map(said).collect();
    let expected = [
        ["MemoryPressure", "False", "KubeletHasSufficientMemory"],
        ["DiskPressure", "False", "KubeletHasNoDiskPressure"],
        ["PIDPressure", "False", "KubeletHasSufficientPID"],
        ["Ready", "True", "KubeletReady"],
    ];
    assert_eq!(conditions, expected);
    assert_eq!(
        reasons(&told),
        [
            "NodeHasSufficientMemory",
            "NodeHasNoDiskPressure",
            "NodeHasSufficientPID",
            "NodeReady"
        ]
    );
    assert_eq!(told[3].message, "Node n status is now: NodeReady");
}

#[test]
fn nothing_new_is_posted_every_five_minutes_for_its_heartbeat() {
    let (node, _) = registration(&config(), &machine(), START);
    let after = |seconds: u64| patch(&config(), &machine(), &node, START + Duration::from_secs(seconds));
    assert_eq!(after(299), None);
    let patch = after(300).unwrap();
    assert_eq!(patch.told, []);
    let ready = &conditions(&patch.body["status"])[3];
    assert_eq!(
        (&ready["lastHeartbeatTime"], &ready["lastTransitionTime"]),
        (&json!("1970-01-01T00:05:00Z"), &json!("1970-01-01T00:00:00Z"))
    );
}

#[test]
fn what_changed_is_posted_at_once_and_only_once() {
    let (node, _) = registration(&config(), &machine(), START);
    let later = START + Duration::from_secs(20);
    let changes: [fn(&mut Machine); 5] = [
        |machine| machine.images.clear(),
        |machine| machine.memory += 1 << 20,
        |machine| machine.kernel_version = "6.1".to_owned(),
        |machine| machine.huge_pages = BTreeMap::from([(1 << 30, 0)]),
        |machine| machine.pressure.pids = true,
    ];
    for change in changes {
        let mut machine = machine();
        change(&mut machine);
        let patch = patch(&config(), &machine, &node, later).unwrap();
        let after = applied(&node, &patch);
        assert_eq!(
            super::patch(&config(), &machine, &after, later),
            None,
            "{machine:?}"
        );
    }
}

#[test]
fn pages_of_a_size_that_is_gone_are_taken_out_and_others_resources_stay() {
    let (mut node, _) = registration(&config(), &machine(), START);
    node["status"]["capacity"]["example.com/gpu"] = json!("4");
    assert_eq!(patch(&config(), &machine(), &node, START), None);
    let mut other = machine();
    other.huge_pages.clear();
    let body = patch(&config(), &other, &node, START).unwrap().body;
    let capacity = body["status"]["capacity"].as_object().unwrap();
    assert_eq!(capacity["hugepages-2Mi"], Value::Null);
    assert!(!capacity.contains_key("example.com/gpu"));
}

#[test]
fn a_shortage_is_told_when_it_begins_and_when_it_ends() {
    let (node, _) = registration(&config(), &machine(), START);
    let mut short = machine();
    short.pressure = Pressure {
        memory: true,
        disk: true,
        pids: false,
    };
    let later = START + Duration::from_secs(10);
    let begins = patch(&config(), &short, &node, later).unwrap();
    assert_eq!(
        reasons(&begins.told),
        [
            "NodeHasInsufficientMemory",
            "EvictionThresholdMet",
            "NodeHasDiskPressure"
        ]
    );
    let node = applied(&node, &begins);
    let memory = &conditions(&node["status"])[0];
    assert_eq!(memory["message"], "kubelet has insufficient memory available");
    assert_eq!(memory["lastTransitionTime"], "1970-01-01T00:00:10Z");
    let ends = patch(&config(), &machine(), &node, later).unwrap();
    assert_eq!(
        reasons(&ends.told),
        ["NodeHasSufficientMemory", "NodeHasNoDiskPressure"]
    );
}

#[test]
fn faults_keep_it_from_being_ready() {
    let (node, _) = registration(&config(), &machine(), START);
    let mut broken = machine();
    broken.faults = vec!["the network is down".to_owned()];
    let message = |machine: &Machine| {
        let patch = patch(&config(), machine, &node, START).unwrap();
        assert_eq!(reasons(&patch.told), ["NodeNotReady"]);
        conditions(&patch.body["status"])[3]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(message(&broken), "the network is down");
    broken.faults.push("no disk".to_owned());
    assert_eq!(message(&broken), "[the network is down, no disk]");
}

#[test]
fn a_silence_that_others_noted_and_a_reboot_are_told() {
    let (mut node, _) = registration(&config(), &machine(), START);
    node["status"]["conditions"][3]["status"] = json!("Unknown");
    let mut again = machine();
    again.boot_id = "b2".to_owned();
    let told = patch(&config(), &again, &node, START).unwrap().told;
    assert_eq!(reasons(&told), ["Rebooted", "NodeReady"]);
    assert_eq!(
        (told[0].level, &*told[0].message),
        (Level::Warning, "Node n has been rebooted, boot id: b2")
    );
}

#[test]
fn labels_of_others_stay() {
    let (mut node, _) = registration(&config(), &machine(), START);
    node["metadata"]["labels"]["mine"] = json!("yes");
    assert_eq!(missing_labels(&config(), &node), None);
    node["metadata"]["labels"]["kubernetes.io/os"] = json!("plan9");
    let patch = json!({"metadata": {"labels": {"kubernetes.io/os": "linux"}}});
    assert_eq!(missing_labels(&config(), &node), Some(patch));
}
