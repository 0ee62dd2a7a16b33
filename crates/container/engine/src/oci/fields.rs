//! Every property of a [`ContainerSpec`] is read by something, or inert by upstream's own
//! definition: this table says by what, and the tests hold it to that. A property that is added
//! without a line here fails; so does a line whose reader has stopped reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::tests::{plain, translated_with};
use super::validate::tests::checked;
use crate::spec::*;

/// Who reads a property.
enum Reader {
    /// The translation: this change of it changes what the runtime is given.
    Translation(fn(&mut ContainerSpec)),
    /// The check at create, which refuses this.
    Check(fn(&mut ContainerSpec)),
    /// This file of the engine's, in these words.
    Source(&'static str, &'static str),
    /// Nobody, as with dockerd on a host like those Gantry runs on.
    Inert(&'static str),
}

use Reader::{Check, Inert, Source, Translation};

const NETWORKING: &str = "lifecycle/networking.rs";
const MOUNTS: &str = "lifecycle/mounts.rs";
const PREPARE: &str = "lifecycle/prepare.rs";
const HEALTH: &str = "lifecycle/health.rs";

const TABLE: &[(&str, Reader)] = &[
    (
        "annotations",
        Translation(|s| drop(s.annotations.insert("a".into(), "b".into()))),
    ),
    ("args[]", Translation(|s| s.args.push("more".into()))),
    ("auto_remove", Source("lifecycle/end.rs", "spec.auto_remove")),
    ("cwd", Translation(|s| s.cwd = "/srv".into())),
    ("domainname", Translation(|s| s.domainname = "example".into())),
    ("env[]", Translation(|s| s.env.push("A=1".into()))),
    ("groups[]", Translation(|s| s.groups.push("44".into()))),
    (
        "healthcheck.interval.nanos",
        Source("health.rs", "check.interval"),
    ),
    ("healthcheck.interval.secs", Source("health.rs", "check.interval")),
    (
        "healthcheck.probe.exec[]",
        Source("health.rs", "Self::Exec(arguments)"),
    ),
    ("healthcheck.retries", Source("health.rs", "check.retries")),
    (
        "healthcheck.start_interval.nanos",
        Source("health.rs", "check.start_interval"),
    ),
    (
        "healthcheck.start_interval.secs",
        Source("health.rs", "check.start_interval"),
    ),
    (
        "healthcheck.start_period.nanos",
        Source("health.rs", "check.start_period"),
    ),
    (
        "healthcheck.start_period.secs",
        Source("health.rs", "check.start_period"),
    ),
    ("healthcheck.timeout.nanos", Source(HEALTH, "check.timeout")),
    ("healthcheck.timeout.secs", Source(HEALTH, "check.timeout")),
    ("hostname", Translation(|s| s.hostname = "web".into())),
    ("init", Source(PREPARE, "oci::stays_as_init")),
    (
        "isolation.apparmor",
        Inert("this host runs without AppArmor; the process tests cover one with it"),
    ),
    (
        "isolation.capabilities.add[]",
        Translation(|s| s.isolation.capabilities.add.push("NET_ADMIN".into())),
    ),
    (
        "isolation.capabilities.drop[]",
        Translation(|s| s.isolation.capabilities.drop.push("CHOWN".into())),
    ),
    (
        "isolation.cgroup",
        Translation(|s| s.isolation.cgroup = CgroupNamespace::Private),
    ),
    (
        "isolation.ipc",
        Translation(|s| s.isolation.ipc = IpcNamespace::Host),
    ),
    (
        "isolation.masked_paths",
        Translation(|s| s.isolation.masked_paths = Some(vec![])),
    ),
    (
        "isolation.no_new_privileges",
        Translation(|s| s.isolation.no_new_privileges = true),
    ),
    (
        "isolation.pid",
        Translation(|s| s.isolation.pid = PidNamespace::Host),
    ),
    (
        "isolation.privileged",
        Translation(|s| s.isolation.privileged = true),
    ),
    (
        "isolation.readonly_paths",
        Translation(|s| s.isolation.readonly_paths = Some(vec![])),
    ),
    (
        "isolation.seccomp",
        Translation(|s| s.isolation.seccomp = Seccomp::Default),
    ),
    (
        "isolation.selinux[]",
        Inert("label options mean nothing without SELinux, as in dockerd"),
    ),
    (
        "isolation.sysctls",
        Translation(|s| {
            s.isolation
                .sysctls
                .insert("net.core.somaxconn".into(), "9".into());
        }),
    ),
    (
        "isolation.user",
        Inert("without remapping the node's default is the host's"),
    ),
    (
        "isolation.uts",
        Translation(|s| s.isolation.uts = UtsNamespace::Host),
    ),
    ("labels", Source("engine.rs", "spec.labels")),
    ("listed_groups", Source("exec/start.rs", "own.listed_groups")),
    ("log.json_file.attributes", Source(PREPARE, "encode(attributes)")),
    (
        "log.json_file.max_files",
        Source(PREPARE, "max_files: *max_files"),
    ),
    ("log.json_file.max_size", Source(PREPARE, "max_size: *max_size")),
    (
        "mounts[].kind.bind.create_source",
        Source(MOUNTS, "create_source"),
    ),
    (
        "mounts[].kind.bind.non_recursive",
        Translation(|s| s.mounts = vec![bind(|b| b.0 = true)]),
    ),
    (
        "mounts[].kind.bind.propagation",
        Translation(|s| s.mounts = vec![bind(|b| b.2 = Some(Propagation::Shared))]),
    ),
    (
        "mounts[].kind.bind.read_only_non_recursive",
        Translation(|s| s.mounts = vec![bind(|b| b.1 = true)]),
    ),
    ("mounts[].kind.bind.source", Source(MOUNTS, "source.into()")),
    (
        "mounts[].kind.tmpfs.mode",
        Translation(|s| s.mounts = vec![memory(0, Some(0o700), &[])]),
    ),
    (
        "mounts[].kind.tmpfs.options[]",
        Translation(|s| s.mounts = vec![memory(0, None, &["exec"])]),
    ),
    (
        "mounts[].kind.tmpfs.size",
        Translation(|s| s.mounts = vec![memory(4096, None, &[])]),
    ),
    ("mounts[].kind.volume.no_copy", Source(MOUNTS, "no_copy: false")),
    (
        "mounts[].kind.volume.propagation",
        Source("oci/mounts.rs", "MountKind::Volume { propagation"),
    ),
    (
        "mounts[].kind.volume.source.anonymous.driver",
        Source(MOUNTS, "driver,"),
    ),
    (
        "mounts[].kind.volume.source.anonymous.labels",
        Source(MOUNTS, "labels,"),
    ),
    (
        "mounts[].kind.volume.source.anonymous.options",
        Source(MOUNTS, "options,"),
    ),
    (
        "mounts[].kind.volume.source.named.driver",
        Source(MOUNTS, "driver,"),
    ),
    (
        "mounts[].kind.volume.source.named.labels",
        Source(MOUNTS, "labels,"),
    ),
    (
        "mounts[].kind.volume.source.named.name",
        Source(MOUNTS, "volumes.mount(name"),
    ),
    (
        "mounts[].kind.volume.source.named.options",
        Source(MOUNTS, "options,"),
    ),
    (
        "mounts[].kind.volume.subpath",
        Source(MOUNTS, "&container.id, subpath"),
    ),
    (
        "mounts[].read_only",
        Translation(|s| {
            s.mounts = vec![MountSpec {
                read_only: true,
                ..bind(|_| {})
            }];
        }),
    ),
    (
        "mounts[].target",
        Translation(|s| {
            s.mounts = vec![MountSpec {
                target: "/n".into(),
                ..bind(|_| {})
            }];
        }),
    ),
    ("network.dns[]", Source(NETWORKING, "network.dns.clone()")),
    ("network.dns_options[]", Source(NETWORKING, "network.dns_options")),
    ("network.dns_search[]", Source(NETWORKING, "network.dns_search")),
    (
        "network.endpoints[][]",
        Source(NETWORKING, "network.endpoints.iter()"),
    ),
    (
        "network.endpoints[][].aliases[]",
        Source(NETWORKING, "aliases: settings.aliases"),
    ),
    (
        "network.endpoints[][].driver_options",
        Source(NETWORKING, "settings.driver_options"),
    ),
    (
        "network.endpoints[][].gateway_priority",
        Source(NETWORKING, "settings.gateway_priority"),
    ),
    ("network.endpoints[][].ipv4", Source(NETWORKING, "settings.ipv4")),
    ("network.endpoints[][].ipv6", Source(NETWORKING, "settings.ipv6")),
    (
        "network.endpoints[][].link_local[]",
        Check(|s| {
            let settings = EndpointSettings {
                link_local: vec!["169.254.0.9".parse().unwrap()],
                ..Default::default()
            };
            s.network.endpoints.push(("n".into(), settings));
        }),
    ),
    (
        "network.endpoints[][].links[]",
        Source(NETWORKING, "settings.links"),
    ),
    ("network.endpoints[][].mac", Source(NETWORKING, "settings.mac")),
    ("network.exposed[][]", Source(NETWORKING, "network.exposed")),
    ("network.extra_hosts[]", Source(NETWORKING, "network.extra_hosts")),
    ("network.links[][]", Source(NETWORKING, "network.links")),
    (
        "network.mode",
        Translation(|s| s.network.mode = NetworkMode::Host),
    ),
    (
        "network.ports[].container_port",
        Source(NETWORKING, "container_port"),
    ),
    ("network.ports[].host_ip", Source(NETWORKING, "host_ip")),
    ("network.ports[].host_ports", Source(NETWORKING, "host_ports")),
    ("network.ports[].protocol", Source(NETWORKING, "protocol(")),
    ("network.publish_all", Source(NETWORKING, "network.publish_all")),
    ("open_stdin", Source(PREPARE, "stdin: spec.open_stdin")),
    ("read_only_rootfs", Translation(|s| s.read_only_rootfs = true)),
    (
        "resources.blkio_read_bps[].path",
        Translation(|s| s.resources.blkio_read_bps = io("/dev/fuse", 1)),
    ),
    (
        "resources.blkio_read_bps[].rate",
        Translation(|s| s.resources.blkio_read_bps = io("/dev/sda", 2)),
    ),
    (
        "resources.blkio_read_iops[].path",
        Translation(|s| s.resources.blkio_read_iops = io("/dev/fuse", 1)),
    ),
    (
        "resources.blkio_read_iops[].rate",
        Translation(|s| s.resources.blkio_read_iops = io("/dev/sda", 2)),
    ),
    (
        "resources.blkio_weight",
        Translation(|s| s.resources.blkio_weight = 20),
    ),
    (
        "resources.blkio_weight_device[].path",
        Translation(|s| s.resources.blkio_weight_device = weight("/dev/fuse", 10)),
    ),
    (
        "resources.blkio_weight_device[].weight",
        Translation(|s| s.resources.blkio_weight_device = weight("/dev/sda", 20)),
    ),
    (
        "resources.blkio_write_bps[].path",
        Translation(|s| s.resources.blkio_write_bps = io("/dev/fuse", 1)),
    ),
    (
        "resources.blkio_write_bps[].rate",
        Translation(|s| s.resources.blkio_write_bps = io("/dev/sda", 2)),
    ),
    (
        "resources.blkio_write_iops[].path",
        Translation(|s| s.resources.blkio_write_iops = io("/dev/fuse", 1)),
    ),
    (
        "resources.blkio_write_iops[].rate",
        Translation(|s| s.resources.blkio_write_iops = io("/dev/sda", 2)),
    ),
    (
        "resources.cgroup_parent",
        Source(PREPARE, "resources.cgroup_parent"),
    ),
    (
        "resources.cpu_period",
        Translation(|s| s.resources.cpu_period = 5000),
    ),
    (
        "resources.cpu_quota",
        Translation(|s| s.resources.cpu_quota = 5000),
    ),
    (
        "resources.cpu_realtime_period",
        Translation(|s| s.resources.cpu_realtime_period = 5000),
    ),
    (
        "resources.cpu_realtime_runtime",
        Translation(|s| s.resources.cpu_realtime_runtime = 5000),
    ),
    (
        "resources.cpu_shares",
        Translation(|s| s.resources.cpu_shares = 5),
    ),
    (
        "resources.cpuset_cpus",
        Translation(|s| s.resources.cpuset_cpus = "0".into()),
    ),
    (
        "resources.cpuset_mems",
        Translation(|s| s.resources.cpuset_mems = "0".into()),
    ),
    (
        "resources.device_cgroup_rules[]",
        Translation(|s| s.resources.device_cgroup_rules.push("c 1:1 r".into())),
    ),
    (
        "resources.devices[].permissions",
        Translation(|s| s.resources.devices = device("/dev/sda", "/dev/a", "m")),
    ),
    (
        "resources.devices[].source",
        Translation(|s| s.resources.devices = device("/dev/fuse", "/dev/a", "r")),
    ),
    (
        "resources.devices[].target",
        Translation(|s| s.resources.devices = device("/dev/sda", "/dev/b", "r")),
    ),
    ("resources.memory", Translation(|s| s.resources.memory = 64 << 20)),
    (
        "resources.memory_reservation",
        Translation(|s| s.resources.memory_reservation = 64 << 20),
    ),
    (
        "resources.memory_swap",
        Translation(|s| s.resources.memory_swap = 64 << 20),
    ),
    (
        "resources.memory_swappiness",
        Translation(|s| s.resources.memory_swappiness = Some(3)),
    ),
    (
        "resources.nano_cpus",
        Translation(|s| s.resources.nano_cpus = 5_000_000),
    ),
    (
        "resources.oom_group",
        Source("oci/mod.rs", "spec.resources.oom_group"),
    ),
    (
        "resources.oom_kill_disable",
        Translation(|s| s.resources.oom_kill_disable = true),
    ),
    (
        "resources.oom_score_adj",
        Translation(|s| s.resources.oom_score_adj = 5),
    ),
    (
        "resources.pids_limit",
        Translation(|s| s.resources.pids_limit = Some(5)),
    ),
    (
        "resources.ulimits[].hard",
        Translation(|s| s.resources.ulimits = ulimit("core", 1, 3)),
    ),
    (
        "resources.ulimits[].name",
        Translation(|s| s.resources.ulimits = ulimit("nproc", 1, 2)),
    ),
    (
        "resources.ulimits[].soft",
        Translation(|s| s.resources.ulimits = ulimit("core", 2, 2)),
    ),
    ("restart", Source("lifecycle/end.rs", "spec.restart")),
    ("shm_size", Translation(|s| s.shm_size = 4096)),
    ("stdin_once", Source("attach/container.rs", "spec.stdin_once")),
    ("stop_signal", Source("lifecycle/stop.rs", "spec.stop_signal")),
    ("stop_timeout", Source("lifecycle/stop.rs", "spec.stop_timeout")),
    (
        "terminal_size",
        Translation(|s| (s.tty, s.terminal_size) = (true, Some((24, 80)))),
    ),
    ("tty", Translation(|s| s.tty = true)),
    ("user", Translation(|s| s.user = "web".into())),
    ("volumes_from[][]", Source(MOUNTS, ".volumes_from")),
];

/// A bind mount: without what is below, read-only without what is below, propagation.
fn bind(set: fn(&mut (bool, bool, Option<Propagation>))) -> MountSpec {
    let mut options = (false, false, None);
    set(&mut options);
    MountSpec {
        target: "/m".into(),
        read_only: options.1,
        kind: MountKind::Bind {
            source: "/source".into(),
            propagation: options.2,
            non_recursive: options.0,
            read_only_non_recursive: options.1,
            create_source: false,
        },
    }
}

fn memory(size: u64, mode: Option<u32>, options: &[&str]) -> MountSpec {
    let options = super::defaults::owned(options);
    MountSpec {
        target: "/t".into(),
        read_only: false,
        kind: MountKind::Tmpfs { size, mode, options },
    }
}

fn volume(source: VolumeSource) -> MountSpec {
    MountSpec {
        target: "/v".into(),
        read_only: false,
        kind: MountKind::Volume {
            source,
            no_copy: false,
            subpath: String::new(),
            propagation: None,
        },
    }
}

fn io(path: &str, rate: u64) -> Vec<BlockIoLimit> {
    vec![BlockIoLimit {
        path: path.into(),
        rate,
    }]
}

fn weight(path: &str, weight: u16) -> Vec<WeightDevice> {
    vec![WeightDevice {
        path: path.into(),
        weight,
    }]
}

fn device(source: &str, target: &str, permissions: &str) -> Vec<DeviceMapping> {
    vec![DeviceMapping {
        source: source.into(),
        target: target.into(),
        permissions: permissions.into(),
    }]
}

fn ulimit(name: &str, soft: i64, hard: i64) -> Vec<Ulimit> {
    vec![Ulimit {
        name: name.into(),
        soft,
        hard,
    }]
}

/// A specification in which everything that can be is there, so that serde shows every property.
fn full() -> ContainerSpec {
    let mut spec = plain(&["sh"]);
    let one = || vec!["x".to_owned()];
    (spec.env, spec.groups) = (one(), one());
    spec.healthcheck = Some(Healthcheck {
        probe: Probe::Exec(one()),
        interval: Default::default(),
        timeout: Default::default(),
        start_period: Default::default(),
        start_interval: Default::default(),
        retries: 1,
    });
    let isolation = &mut spec.isolation;
    (
        isolation.capabilities.add,
        isolation.capabilities.drop,
        isolation.selinux,
    ) = (one(), one(), one());
    let resources = &mut spec.resources;
    (resources.blkio_read_bps, resources.blkio_write_bps) = (io("x", 1), io("x", 1));
    (resources.blkio_read_iops, resources.blkio_write_iops) = (io("x", 1), io("x", 1));
    resources.blkio_weight_device = weight("x", 1);
    (resources.devices, resources.ulimits) = (device("x", "x", "r"), ulimit("core", 1, 1));
    resources.device_cgroup_rules = one();
    let named = VolumeSource::Named {
        name: "v".into(),
        driver: String::new(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    let anonymous = VolumeSource::anonymous();
    spec.mounts = vec![
        bind(|_| {}),
        memory(0, None, &["x"]),
        volume(named),
        volume(anonymous),
    ];
    spec.volumes_from = vec![("x".into(), false)];
    let network = &mut spec.network;
    let address: std::net::IpAddr = "10.0.0.1".parse().unwrap();
    let settings = EndpointSettings {
        link_local: vec![address],
        aliases: one(),
        links: one(),
        ..EndpointSettings::default()
    };
    network.endpoints = vec![("x".into(), settings)];
    network.ports = vec![PublishedPort {
        container_port: 1,
        protocol: PortProtocol::Tcp,
        host_ip: None,
        host_ports: None,
    }];
    network.exposed = vec![(1, PortProtocol::Tcp)];
    (network.dns, network.dns_search, network.dns_options) = (vec![address], one(), one());
    (network.extra_hosts, network.links) = (one(), vec![("x".into(), "x".into())]);
    spec
}

/// The paths of all leaves of a value: `a.b[].c`.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let dot = if path.is_empty() { "" } else { "." };
            members
                .iter()
                .for_each(|(name, value)| leaves(value, &format!("{path}{dot}{name}"), found));
        }
        Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .for_each(|item| leaves(item, &format!("{path}[]"), found));
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn the_table_has_every_property_once() {
    let mut found = BTreeSet::new();
    leaves(&serde_json::to_value(full()).unwrap(), "", &mut found);
    let listed: Vec<&str> = TABLE.iter().map(|(path, _)| *path).collect();
    assert!(listed.is_sorted_by(|a, b| a < b), "sorted, none twice");
    let listed: BTreeSet<String> = listed.into_iter().map(str::to_owned).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&found).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "missing {missing:#?}, stale {stale:#?}"
    );
}

/// A container to change properties of: lists have one entry, so that a change in it shows.
fn base() -> ContainerSpec {
    let mut spec = plain(&["sh"]);
    spec.mounts = vec![bind(|_| {})];
    let resources = &mut spec.resources;
    (resources.blkio_read_bps, resources.blkio_write_bps) = (io("/dev/sda", 1), io("/dev/sda", 1));
    (resources.blkio_read_iops, resources.blkio_write_iops) = (io("/dev/sda", 1), io("/dev/sda", 1));
    resources.blkio_weight_device = weight("/dev/sda", 10);
    resources.devices = device("/dev/sda", "/dev/a", "r");
    resources.ulimits = ulimit("core", 1, 2);
    spec
}

#[test]
fn what_the_translation_reads_changes_its_result() {
    let before = translated_with(&base(), |_| {}).unwrap();
    for (path, reader) in TABLE {
        if let Translation(change) = reader {
            let mut spec = base();
            change(&mut spec);
            assert_ne!(spec, base(), "{path}: the change changes nothing");
            assert_ne!(
                translated_with(&spec, |_| {}).unwrap(),
                before,
                "{path} is not read"
            );
        }
    }
}

#[test]
fn what_the_check_refuses_is_refused() {
    for (path, reader) in TABLE {
        if let Check(change) = reader {
            assert!(
                checked(*change, &super::facts::tests::facts()).1.is_err(),
                "{path} is not refused"
            );
        }
    }
}

#[test]
fn what_is_read_elsewhere_is_read_there() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (path, reader) in TABLE {
        if let Source(file, words) = reader {
            let text = std::fs::read_to_string(sources.join(file)).unwrap_or_default();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            assert!(
                squeezed(text).contains(&squeezed(words)),
                "{path}: {file} does not say {words:?}"
            );
        }
    }
}

#[test]
fn what_is_inert_says_why() {
    let inert = TABLE.iter().filter_map(|(_, reader)| match reader {
        Inert(reason) => Some(*reason),
        _ => None,
    });
    assert!(inert.clone().all(|reason| reason.len() > 20) && inert.count() <= 3);
}
