use super::super::facts::tests::facts;
use super::*;
use crate::spec::{BlockIoLimit, DeviceMapping, MountSpec, PublishedPort, Ulimit, WeightDevice};

const MIB: i64 = 1 << 20;

type Set = fn(&mut ContainerSpec);

pub(crate) fn checked(set: Set, facts: &Facts) -> (ContainerSpec, Result<Vec<String>, String>) {
    let mut spec = ContainerSpec::default();
    set(&mut spec);
    let result = check(&mut spec, facts, &Owner::Docker).map_err(|error| error.to_string());
    (spec, result)
}

#[test]
fn what_makes_no_sense_is_refused_in_upstream_s_words() {
    let cases: &[(Set, &str)] = &[
        (
            |s| s.cwd = "tmp".into(),
            "the working directory 'tmp' is invalid, it needs to be an absolute path",
        ),
        (|s| s.env = vec!["=x".into()], "invalid environment variable: =x"),
        (
            |s| s.isolation.capabilities.add = vec!["fly".into()],
            r#"invalid CapAdd: unknown capability: "CAP_FLY""#,
        ),
        (
            |s| s.isolation.capabilities.drop = vec!["cap_fly".into()],
            r#"invalid CapDrop: unknown capability: "CAP_FLY""#,
        ),
        (
            |s| s.resources.memory = 6 * MIB - 1,
            "Minimum memory limit allowed is 6MB",
        ),
        (|s| s.resources.memory = -5, "Minimum memory limit allowed is 6MB"),
        (
            |s| (s.resources.memory, s.resources.memory_swap) = (64 * MIB, 32 * MIB),
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            |s| s.resources.memory_swap = 32 * MIB,
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            |s| s.resources.memory_swappiness = Some(101),
            "Invalid value: 101, valid memory swappiness range is 0-100",
        ),
        (
            |s| s.resources.memory_reservation = MIB,
            "Minimum memory reservation allowed is 6MB",
        ),
        (
            |s| (s.resources.memory, s.resources.memory_reservation) = (8 * MIB, 16 * MIB),
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (
            |s| (s.resources.nano_cpus, s.resources.cpu_period) = (1, 5000),
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            |s| (s.resources.nano_cpus, s.resources.cpu_quota) = (1, 5000),
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            |s| s.resources.nano_cpus = 2_000_000_001,
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        (
            |s| s.resources.nano_cpus = -1,
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        (
            |s| s.resources.cpu_period = 999,
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (
            |s| s.resources.cpu_quota = 999,
            "CPU cfs quota can not be less than 1ms (i.e. 1000)",
        ),
        (
            |s| s.resources.cpuset_cpus = "0-2".into(),
            "Requested CPUs are not available - requested 0-2, available: 0-1",
        ),
        (
            |s| s.resources.cpuset_cpus = "x".into(),
            "Invalid value x for cpuset cpus: invalid format: x",
        ),
        (
            |s| s.resources.cpuset_mems = "1".into(),
            "Requested memory nodes are not available - requested 1, available: 0",
        ),
        (
            |s| s.resources.blkio_weight = 9,
            "Range of blkio weight is from 10 to 1000",
        ),
        (
            |s| s.resources.blkio_weight = 1001,
            "Range of blkio weight is from 10 to 1000",
        ),
        (
            |s| s.resources.oom_score_adj = 1001,
            "Invalid value 1001, range for oom score adj is [-1000, 1000]",
        ),
        (
            |s| s.resources.device_cgroup_rules = vec!["x".into()],
            "invalid device cgroup rule format: 'x'",
        ),
        (
            |s| {
                s.resources.devices = vec![DeviceMapping {
                    source: "/dev/a".into(),
                    target: "/dev/a".into(),
                    permissions: "rwx".into(),
                }];
            },
            r#"invalid device permissions "rwx" of /dev/a"#,
        ),
        (
            |s| {
                s.resources.ulimits = vec![Ulimit {
                    name: "files".into(),
                    soft: 1,
                    hard: 1,
                }];
            },
            "invalid ulimit type: files",
        ),
        (
            |s| {
                s.resources.ulimits = vec![Ulimit {
                    name: "nofile".into(),
                    soft: 2,
                    hard: 1,
                }];
            },
            "ulimit soft limit must be less than or equal to hard limit: 2 > 1",
        ),
        (
            |s| s.mounts = vec![memory_at("x", &[])],
            "invalid mount path: 'x' mount path must be absolute",
        ),
        (
            |s| s.mounts = vec![memory_at("/", &[])],
            "invalid specification: destination can't be '/'",
        ),
        (
            |s| s.mounts = vec![memory_at("/a", &[]), memory_at("/a", &[])],
            "Duplicate mount point: /a",
        ),
        (
            |s| s.mounts = vec![memory_at("/a", &["wibble"])],
            r#"invalid tmpfs option ["wibble"]"#,
        ),
    ];
    for (set, text) in cases {
        assert_eq!(checked(*set, &facts()).1, Err((*text).to_owned()));
    }
}

fn memory_at(target: &str, options: &[&str]) -> MountSpec {
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    MountSpec {
        target: target.into(),
        read_only: false,
        kind: MountKind::Tmpfs {
            size: 0,
            mode: None,
            options,
        },
    }
}

#[test]
fn the_borders_are_allowed() {
    let cases: &[Set] = &[
        |_| {},
        |s| s.resources.memory = 6 * MIB,
        |s| (s.resources.memory, s.resources.memory_swap) = (8 * MIB, 8 * MIB),
        |s| (s.resources.memory, s.resources.memory_swap) = (8 * MIB, -1),
        |s| s.resources.memory_swappiness = Some(-1),
        |s| s.resources.memory_swappiness = Some(0),
        |s| s.resources.nano_cpus = 2_000_000_000,
        |s| s.resources.cpu_period = 1_000_000,
        |s| s.resources.cpu_quota = -1,
        |s| s.resources.cpuset_cpus = "0,1".into(),
        |s| s.resources.blkio_weight = 10,
        |s| s.resources.oom_score_adj = -1000,
        |s| s.isolation.capabilities.add = vec!["all".into(), "Net_Admin".into()],
        |s| {
            s.resources.ulimits = vec![Ulimit {
                name: "nofile".into(),
                soft: -1,
                hard: -1,
            }];
        },
        |s| s.env = vec!["A".into(), "B=".into()],
    ];
    for (number, set) in cases.iter().enumerate() {
        assert_eq!(checked(*set, &facts()).1, Ok(vec![]), "case {number}");
    }
}

#[test]
fn what_the_host_cannot_do_is_taken_out_and_said() {
    let mut facts = facts();
    facts.available = crate::oci::Available {
        memory: false,
        swap: false,
        memory_reservation: false,
        memory_swappiness: false,
        oom_kill_disable: false,
        pids: false,
        cpu_shares: false,
        cpu_quota: false,
        cpuset: false,
        blkio_weight: false,
        blkio_throttle: false,
        cgroup_namespaces: false,
    };
    let limit = || {
        vec![BlockIoLimit {
            path: "/dev/sda".into(),
            rate: 1,
        }]
    };
    let mut spec = ContainerSpec::default();
    let r = &mut spec.resources;
    (r.memory, r.memory_reservation, r.memory_swappiness) = (64 * MIB, 32 * MIB, Some(10));
    (r.oom_kill_disable, r.pids_limit, r.cpu_shares, r.cpu_quota) = (true, Some(5), 512, 5000);
    (r.cpuset_cpus, r.blkio_weight) = ("0".into(), 100);
    r.blkio_weight_device = vec![WeightDevice {
        path: "/dev/sda".into(),
        weight: 10,
    }];
    (r.blkio_read_bps, r.blkio_write_bps) = (limit(), limit());
    (r.blkio_read_iops, r.blkio_write_iops) = (limit(), limit());
    spec.isolation.cgroup = CgroupNamespace::Private;
    let warnings = check(&mut spec, &facts, &Owner::Docker).unwrap();
    assert_eq!(warnings.len(), 15, "{warnings:#?}");
    assert!(
        warnings
            .iter()
            .all(|text| text.starts_with("Your kernel does not support ")),
        "{warnings:#?}"
    );
    assert_eq!(
        spec.resources,
        Resources {
            memory_swap: -1,
            ..Resources::default()
        }
    );
    assert_eq!(spec.isolation.cgroup, CgroupNamespace::Host);
}

#[test]
fn warnings_about_what_is_done_anyway() {
    let mut without = facts();
    without.ipv4_forwarding = false;
    let text = |set: Set, facts: &Facts| checked(set, facts).1.unwrap();
    assert_eq!(
        text(|_| {}, &without),
        ["IPv4 forwarding is disabled. Networking will not work."]
    );
    assert!(text(|s| s.network.mode = NetworkMode::None, &without).is_empty());
    let published: Set = |s| {
        s.network.mode = NetworkMode::Host;
        s.network.ports = vec![PublishedPort {
            container_port: 80,
            protocol: crate::spec::PortProtocol::Tcp,
            host_ip: None,
            host_ports: None,
        }];
    };
    assert_eq!(
        text(published, &facts()),
        ["Published ports are discarded when using host network mode"]
    );
    let killer = text(|s| s.resources.oom_kill_disable = true, &facts());
    assert!(
        killer[0].starts_with("OOM killer is disabled for the container"),
        "{killer:?}"
    );
}

#[test]
fn an_update_changes_what_it_names_and_respects_what_stays() {
    let current = Resources {
        memory: 64 * MIB,
        cpu_shares: 512,
        ..Resources::default()
    };
    let update = |change| {
        updated(&current, change, &facts(), &Owner::Docker)
            .map(|(next, _)| next)
            .map_err(|e| e.to_string())
    };
    let next = update(Resources {
        cpu_shares: 256,
        pids_limit: Some(0),
        ..Resources::default()
    })
    .unwrap();
    let expected = Resources {
        cpu_shares: 256,
        pids_limit: Some(0),
        ..current.clone()
    };
    assert_eq!(next, expected);
    let error = update(Resources {
        memory: 256 * MIB,
        ..Resources::default()
    })
    .unwrap_err();
    assert!(
        error.starts_with("Memory limit should be smaller than already set memoryswap limit"),
        "{error}"
    );
    let both = Resources {
        memory: 256 * MIB,
        memory_swap: -1,
        ..Resources::default()
    };
    assert_eq!(update(both).unwrap().memory, 256 * MIB);
    assert_eq!(
        update(Resources {
            memory: 1,
            ..Resources::default()
        })
        .unwrap_err(),
        "Minimum memory limit allowed is 6MB"
    );
}

#[test]
fn an_update_cannot_mix_two_ways_to_limit_processors() {
    let check = |current: Resources, change: Resources, part: &str| {
        let error = updated(&current, change, &facts(), &Owner::Docker).unwrap_err();
        assert!(
            matches!(&error, UpdateError::Conflict(text) if text.contains(part)),
            "{error}"
        );
    };
    let nano = || Resources {
        nano_cpus: 500_000_000,
        ..Resources::default()
    };
    let period = || Resources {
        cpu_period: 5000,
        ..Resources::default()
    };
    let quota = || Resources {
        cpu_quota: 5000,
        ..Resources::default()
    };
    check(period(), nano(), "as CPU Period has already been set");
    check(quota(), nano(), "as CPU Quota has already been set");
    check(nano(), period(), "CPU Period cannot be updated");
    check(nano(), quota(), "CPU Quota cannot be updated");
}

#[test]
fn a_pod_s_memory_is_the_kernel_s_affair() {
    let owner = Owner::Pod {
        namespace: "n".into(),
        name: "p".into(),
        uid: "u".into(),
    };
    let mut spec = ContainerSpec::default();
    spec.resources.memory = MIB;
    assert!(check(&mut spec, &facts(), &owner).is_ok());
    spec.resources.memory = -1;
    assert!(check(&mut spec, &facts(), &owner).is_err());
}
