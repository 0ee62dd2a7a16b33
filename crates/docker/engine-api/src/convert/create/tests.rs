//! A request with everything in it, and what the specification has of each property.

use std::collections::BTreeMap;

use engine::spec::{
    CgroupNamespace, NetworkMode, PortProtocol, RestartPolicy, Ulimit, UserNamespace, UtsNamespace,
};
use serde_json::{Value, json};

use super::*;
use crate::NEWEST;

struct Nobody;

impl Lookup for Nobody {
    fn container(&self, name: &str) -> Result<String, ApiError> {
        Err(ApiError::not_found(format!("No such container: {name}")))
    }
}

fn info() -> HostInfo {
    HostInfo {
        cpus: 4,
        cgroup_version: 1,
        ..HostInfo::default()
    }
}

fn made(config: Value, host: Value) -> Result<(ContainerSpec, Door), String> {
    let mut request = CreateRequest {
        config: crate::go_json::decode(config).unwrap(),
        host: crate::go_json::decode(host).unwrap(),
        networking: NetworkingConfig::default(),
    };
    check(&mut request, NEWEST, &info())
        .and_then(|_| specify(request, None, NEWEST, &info(), &Nobody))
        .map_err(|error| error.message)
}

#[test]
fn every_property_reaches_the_specification() {
    let config = json!({
        "Hostname": "h", "Domainname": "d", "Tty": true, "OpenStdin": true, "StdinOnce": true, "Cmd": ["/x"],
        "Image": "i", "StopSignal": "SIGINT",
    });
    let host = serde_json::from_str(
        r#"{
        "CpuShares": 3, "Memory": 100000000, "CgroupParent": "/p", "BlkioWeight": 20,
        "BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 30}],
        "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 7}],
        "BlkioDeviceWriteBps": [{"Path": "/dev/sda", "Rate": 7}],
        "BlkioDeviceReadIOps": [{"Path": "/dev/sda", "Rate": 7}],
        "BlkioDeviceWriteIOps": [{"Path": "/dev/sda", "Rate": 7}],
        "CpuPeriod": 100000, "CpuQuota": 50000, "CpuRealtimePeriod": 9, "CpuRealtimeRuntime": 8,
        "CpusetCpus": "0-1", "CpusetMems": "0", "DeviceCgroupRules": ["c 1:1 r"],
        "MemoryReservation": 50000000, "MemorySwap": 200000000, "OomKillDisable": true, "Init": true,
        "Ulimits": [{"Name": "NOFILE", "Soft": 1, "Hard": 2}],
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
        "ConsoleSize": [24, 80], "Annotations": {"a": "b"}, "CapAdd": ["net_admin"], "CapDrop": ["ALL"],
        "CgroupnsMode": "private", "Dns": ["1.1.1.1"], "DnsOptions": ["o"], "DnsSearch": ["s"],
        "ExtraHosts": ["x:1.2.3.4"], "GroupAdd": ["g"], "OomScoreAdj": 5, "Privileged": true,
        "PublishAllPorts": true, "ReadonlyRootfs": true, "UsernsMode": "host", "ShmSize": 4096,
        "Sysctls": {"net.core.somaxconn": "9"}, "MaskedPaths": ["/m"], "ReadonlyPaths": ["/r"]
        }"#,
    )
    .unwrap();
    let (spec, door) = made(config, host).unwrap();
    assert_eq!(
        (spec.hostname.as_str(), spec.domainname.as_str(), spec.args),
        ("h", "d", vec!["/x".to_owned()])
    );
    assert_eq!(
        (spec.tty, spec.open_stdin, spec.stdin_once, spec.init),
        (true, true, true, true)
    );
    assert_eq!(
        (spec.terminal_size, spec.stop_signal.as_str()),
        (Some((24, 80)), "SIGINT")
    );
    assert_eq!(spec.annotations, BTreeMap::from([("a".into(), "b".into())]));
    assert_eq!(
        (spec.groups, spec.shm_size, spec.read_only_rootfs),
        (vec!["g".to_owned()], 4096, true)
    );
    assert_eq!(spec.restart, RestartPolicy::OnFailure { maximum: 4 });
    assert_eq!(door.config.image, "i");

    let limits = &spec.resources;
    assert_eq!(
        (limits.cpu_shares, limits.memory, limits.memory_swap),
        (3, 100_000_000, 200_000_000)
    );
    assert_eq!(
        (
            limits.memory_reservation,
            limits.oom_kill_disable,
            limits.oom_score_adj
        ),
        (50_000_000, true, 5)
    );
    assert_eq!((limits.cpu_period, limits.cpu_quota), (100_000, 50_000));
    assert_eq!((limits.cpu_realtime_period, limits.cpu_realtime_runtime), (9, 8));
    assert_eq!(
        (limits.cpuset_cpus.as_str(), limits.cpuset_mems.as_str()),
        ("0-1", "0")
    );
    assert_eq!(
        (limits.blkio_weight, limits.blkio_weight_device[0].weight),
        (20, 30)
    );
    for list in [
        &limits.blkio_read_bps,
        &limits.blkio_write_bps,
        &limits.blkio_read_iops,
        &limits.blkio_write_iops,
    ] {
        assert_eq!((list[0].path.as_str(), list[0].rate), ("/dev/sda", 7));
    }
    assert_eq!(
        (
            limits.device_cgroup_rules[0].as_str(),
            limits.cgroup_parent.as_str()
        ),
        ("c 1:1 r", "/p")
    );
    assert_eq!(
        limits.ulimits,
        [Ulimit {
            name: "nofile".into(),
            soft: 1,
            hard: 2
        }]
    );

    let isolation = &spec.isolation;
    assert!(isolation.privileged);
    assert_eq!(
        (
            isolation.capabilities.add[0].as_str(),
            isolation.capabilities.drop[0].as_str()
        ),
        ("CAP_NET_ADMIN", "ALL")
    );
    assert_eq!(
        (isolation.cgroup, isolation.user),
        (CgroupNamespace::Private, UserNamespace::Host)
    );
    assert_eq!(isolation.sysctls["net.core.somaxconn"], "9");
    assert_eq!(
        (
            isolation.masked_paths.as_deref(),
            isolation.readonly_paths.as_deref()
        ),
        (Some(&["/m".to_owned()][..]), Some(&["/r".to_owned()][..]))
    );

    let network = &spec.network;
    assert_eq!(
        (
            network.dns[0].to_string().as_str(),
            network.dns_options[0].as_str()
        ),
        ("1.1.1.1", "o")
    );
    assert_eq!(
        (network.dns_search[0].as_str(), network.extra_hosts[0].as_str()),
        ("s", "x:1.2.3.4")
    );
    assert!(network.publish_all);
}

#[test]
fn modes_and_lifetimes_reach_the_specification() {
    let (spec, _) = made(
        json!({"Cmd": ["x"], "NetworkDisabled": true}),
        json!({"NanoCpus": 1_500_000_000, "UTSMode": "host", "AutoRemove": true}),
    )
    .unwrap();
    assert_eq!(
        (spec.resources.nano_cpus, spec.isolation.uts),
        (1_500_000_000, UtsNamespace::Host)
    );
    assert_eq!((spec.network.mode, spec.auto_remove), (NetworkMode::None, true));
}

#[test]
fn defaults_are_shown_as_if_asked_for() {
    let (spec, door) = made(
        json!({"Cmd": ["x"], "ExposedPorts": {"80": {}}}),
        json!({"Memory": 10_000_000}),
    )
    .unwrap();
    let host = &door.host;
    assert_eq!(
        (
            host.network_mode.as_str(),
            host.ipc_mode.as_str(),
            host.cgroupns_mode.as_str()
        ),
        ("bridge", "private", "host")
    );
    assert_eq!(
        (host.memory_swap, host.shm_size, host.runtime.as_str()),
        (20_000_000, 67_108_864, "runc")
    );
    assert_eq!(
        (host.log_config.kind.as_str(), host.restart_policy.name.as_str()),
        ("json-file", "no")
    );
    assert_eq!(
        (host.oom_kill_disable, host.masked_paths.as_ref().map(Vec::len)),
        (Some(false), Some(12))
    );
    assert_eq!(door.config.exposed_ports.keys().collect::<Vec<_>>(), ["80/tcp"]);
    assert_eq!(spec.network.exposed, [(80, PortProtocol::Tcp)]);
}

#[test]
fn a_container_runs_something_and_a_removed_one_does_not_come_back() {
    assert_eq!(made(json!({}), json!({})).unwrap_err(), "no command specified");
    let both = json!({"AutoRemove": true, "RestartPolicy": {"Name": "always"}});
    assert_eq!(
        made(json!({"Cmd": ["x"]}), both).unwrap_err(),
        "can't create 'AutoRemove' container with restart policy"
    );
}
