//! Whole translations as snapshots: what the runtime is given for a container.

use std::path::Path;

use super::devices::tests::host;
use super::facts::tests::facts;
use super::*;
use crate::spec::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn files() -> Files<'static> {
    Files {
        resolv_conf: Some(Path::new("/run/g/c/resolv.conf")),
        hostname: Some(Path::new("/run/g/c/hostname")),
        hosts: Some(Path::new("/run/g/c/hosts")),
        shm: None,
    }
}

fn users() -> UserFiles {
    UserFiles {
        passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\n".into(),
        group: "root:x:0:\naudio:x:29:web\nvideo:x:44:\n".into(),
    }
}

pub(super) fn translated_with(
    spec: &ContainerSpec,
    change: impl FnOnce(&mut Inputs<'_>),
) -> Result<Translated, TranslateError> {
    let (facts, devices, users) = (facts(), host(), users());
    let mounts: Vec<UserMount> = effective_mounts(spec, &[])
        .iter()
        .map(|mount| UserMount::of(mount, format!("/host{}", mount.target).into()))
        .collect();
    let mut inputs = Inputs {
        id: ID,
        facts: &facts,
        devices: &devices,
        users: &users,
        root: "/run/g/root",
        cgroups_path: "/gantry/0123",
        mounts: &mounts,
        mountinfo: "22 1 8:1 / / rw shared:1 - ext4 /dev/sda rw\n",
        files: files(),
        joined: Joined {
            network: Some(Path::new("/run/g/netns/1")),
            ..Joined::default()
        },
    };
    change(&mut inputs);
    translate(spec, &inputs)
}

fn translated(spec: &ContainerSpec) -> Spec {
    translated_with(spec, |_| {}).unwrap().spec
}

pub(super) fn plain(args: &[&str]) -> ContainerSpec {
    let mut spec = ContainerSpec {
        args: defaults::owned(args),
        ..ContainerSpec::default()
    };
    spec.isolation.seccomp = Seccomp::Unconfined;
    spec
}

fn json(spec: &Spec) -> String {
    serde_json::to_string_pretty(spec).unwrap()
}

#[test]
fn a_plain_container() {
    insta::assert_snapshot!(json(&translated(&plain(&["sh", "-c", "true"]))));
}

#[test]
fn a_container_with_everything() {
    let mut spec = plain(&["/bin/app", "--serve"]);
    spec.env = defaults::owned(&["PATH=/app/bin:/bin", "MODE=x=y", "HOSTNAME"]);
    (spec.cwd, spec.user) = ("/srv".into(), "web:audio".into());
    spec.groups = defaults::owned(&["video", "1234"]);
    (spec.tty, spec.terminal_size, spec.open_stdin) = (true, Some((24, 80)), true);
    (spec.hostname, spec.domainname) = ("front".into(), "example.test".into());
    spec.annotations = [("org.example".to_owned(), "1".to_owned())].into();
    let isolation = &mut spec.isolation;
    isolation.capabilities.add = defaults::owned(&["NET_ADMIN"]);
    isolation.capabilities.drop = defaults::owned(&["ALL"]);
    isolation.no_new_privileges = true;
    isolation.sysctls = [("net.core.somaxconn".to_owned(), "64".to_owned())].into();
    (isolation.masked_paths, isolation.readonly_paths) = (Some(vec![]), Some(vec![]));
    (isolation.ipc, isolation.cgroup) = (IpcNamespace::None, CgroupNamespace::Private);
    let resources = &mut spec.resources;
    (resources.memory, resources.nano_cpus, resources.pids_limit) = (64 << 20, 500_000_000, Some(20));
    (resources.oom_score_adj, resources.cpuset_cpus) = (100, "0".into());
    resources.ulimits = vec![Ulimit {
        name: "nofile".into(),
        soft: 1024,
        hard: -1,
    }];
    resources.devices = vec![DeviceMapping {
        source: "/dev/sda".into(),
        target: "/dev/xvda".into(),
        permissions: "r".into(),
    }];
    resources.device_cgroup_rules = defaults::owned(&["c 42:* rmw"]);
    spec.read_only_rootfs = true;
    spec.mounts = vec![
        bind("/srv/data/inner", true, None),
        bind("/srv/data", false, Some(Propagation::Rshared)),
        MountSpec {
            target: "/tmp".into(),
            read_only: false,
            kind: MountKind::Tmpfs {
                size: 1 << 20,
                mode: Some(0o1777),
                options: defaults::owned(&["exec"]),
            },
        },
        volume("/etc/hosts"),
    ];
    insta::assert_snapshot!(json(&translated(&spec)));
}

#[test]
fn a_privileged_container() {
    let mut spec = plain(&["sh"]);
    spec.isolation.privileged = true;
    spec.isolation.capabilities.drop = defaults::owned(&["ALL"]);
    insta::assert_snapshot!(json(&translated(&spec)));
}

fn bind(target: &str, read_only: bool, propagation: Option<Propagation>) -> MountSpec {
    MountSpec {
        target: target.into(),
        read_only,
        kind: MountKind::Bind {
            source: "/unused".into(),
            propagation,
            non_recursive: false,
            read_only_non_recursive: false,
            create_source: false,
        },
    }
}

fn volume(target: &str) -> MountSpec {
    let source = VolumeSource::anonymous();
    MountSpec {
        target: target.into(),
        read_only: false,
        kind: MountKind::Volume {
            source,
            no_copy: false,
            subpath: String::new(),
            propagation: None,
        },
    }
}

fn mount<'a>(spec: &'a Spec, target: &str) -> Option<&'a runtime::spec::Mount> {
    spec.mounts.iter().find(|mount| mount.destination == target)
}

fn namespaces_of(spec: &Spec) -> Vec<String> {
    let namespaces = &spec.linux.as_ref().unwrap().namespaces;
    namespaces
        .iter()
        .map(|namespace| format!("{}{}", namespace.kind, namespace.path))
        .collect()
}

#[test]
fn namespaces_are_new_joined_or_the_host_s() {
    let check = |set: fn(&mut ContainerSpec), expected: &[&str]| {
        let mut spec = plain(&["sh"]);
        set(&mut spec);
        let joined = Joined {
            network: (spec.network.mode != NetworkMode::None).then_some(Path::new("/n")),
            ipc: Some(Path::new("/i")),
            pid: Some(Path::new("/p")),
            ..Joined::default()
        };
        let found = translated_with(&spec, |inputs| inputs.joined = joined)
            .unwrap()
            .spec;
        assert_eq!(namespaces_of(&found), expected);
    };
    check(|_| {}, &["mount", "network/n", "uts", "pid", "ipc"]);
    check(
        |s| s.network.mode = NetworkMode::None,
        &["mount", "network", "uts", "pid", "ipc"],
    );
    check(
        |s| s.network.mode = NetworkMode::Host,
        &["mount", "uts", "pid", "ipc"],
    );
    check(
        |s| s.isolation.cgroup = CgroupNamespace::Private,
        &["mount", "network/n", "uts", "pid", "ipc", "cgroup"],
    );
    check(
        |s| {
            s.isolation.pid = PidNamespace::Container("x".into());
            s.isolation.ipc = IpcNamespace::Container("x".into());
        },
        &["mount", "network/n", "uts", "pid/p", "ipc/i"],
    );
    check(
        |s| {
            (s.isolation.pid, s.isolation.uts) = (PidNamespace::Host, UtsNamespace::Host);
            (s.isolation.ipc, s.network.mode) = (IpcNamespace::Host, NetworkMode::Host);
        },
        &["mount"],
    );
}

#[test]
fn a_namespace_of_a_container_that_does_not_run_cannot_be_joined() {
    let check = |set: fn(&mut ContainerSpec), kind: &str| {
        let mut spec = plain(&["sh"]);
        set(&mut spec);
        let error = translated_with(&spec, |inputs| inputs.joined = Joined::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot join the {kind} namespace of a container that is not running")
        );
    };
    check(|s| s.network.mode = NetworkMode::Container("x".into()), "network");
    check(|s| s.isolation.pid = PidNamespace::Container("x".into()), "PID");
    check(|s| s.isolation.ipc = IpcNamespace::Container("x".into()), "IPC");
}

/// As on a host with cgroup v2 alone.
fn on_v2(spec: &ContainerSpec) -> Spec {
    let mut facts = facts();
    facts.cgroup2 = true;
    let found = translated_with(spec, |inputs| {
        // The inputs borrow for the call only.
        let facts: &'static Facts = Box::leak(Box::new(facts));
        inputs.facts = facts;
    });
    found.unwrap().spec
}

#[test]
fn cgroup_v2_gives_every_container_its_own_view() {
    assert!(namespaces_of(&on_v2(&plain(&["sh"]))).contains(&"cgroup".to_owned()));
}

#[test]
fn the_processes_of_a_container_die_together_where_the_kernel_can() {
    let mut spec = plain(&["sh"]);
    spec.resources.oom_group = true;
    let unified = |spec: Spec| spec.linux.unwrap().resources.unwrap().unified;
    assert_eq!(unified(on_v2(&spec))["memory.oom.group"], "1");
    assert!(unified(translated(&spec)).is_empty());
}

#[test]
fn shared_memory_is_private_shared_or_not_there() {
    let mut spec = plain(&["sh"]);
    spec.shm_size = 1 << 20;
    let own = translated(&spec);
    assert!(
        mount(&own, "/dev/shm")
            .unwrap()
            .options
            .contains(&"size=1048576".to_owned())
    );
    let shared = translated_with(&spec, |inputs| inputs.files.shm = Some(Path::new("/run/g/shm")))
        .unwrap()
        .spec;
    assert_eq!(mount(&shared, "/dev/shm").unwrap().options, ["rbind", "rprivate"]);
    spec.isolation.ipc = IpcNamespace::None;
    assert!(mount(&translated(&spec), "/dev/shm").is_none());
    spec.mounts = vec![bind("/dev/shm", false, None)];
    let hidden = translated_with(&spec, |inputs| inputs.files.shm = Some(Path::new("/run/g/shm")))
        .unwrap()
        .spec;
    assert_eq!(
        hidden
            .mounts
            .iter()
            .filter(|mount| mount.destination == "/dev/shm")
            .count(),
        1
    );
    assert_eq!(mount(&hidden, "/dev/shm").unwrap().source, "/host/dev/shm");
}

#[test]
fn a_user_s_dev_replaces_everything_below_it() {
    let mut spec = plain(&["sh"]);
    spec.mounts = vec![bind("/dev", false, None)];
    let found = translated(&spec);
    let below = found
        .mounts
        .iter()
        .filter(|mount| mount.destination.starts_with("/dev"))
        .count();
    assert_eq!((below, mount(&found, "/dev").unwrap().kind.as_str()), (1, "bind"));
}

#[test]
fn read_only_mounts_are_recursive_unless_told_otherwise() {
    let mut spec = plain(&["sh"]);
    let options = |spec: &ContainerSpec| mount(&translated(spec), "/m").unwrap().options.join(",");
    spec.mounts = vec![bind("/m", true, None)];
    assert_eq!(options(&spec), "rbind,rro,rprivate");
    let set = |spec: &mut ContainerSpec, plain_bind, top| {
        if let MountKind::Bind {
            non_recursive,
            read_only_non_recursive,
            ..
        } = &mut spec.mounts[0].kind
        {
            (*non_recursive, *read_only_non_recursive) = (plain_bind, top);
        }
    };
    set(&mut spec, false, true);
    assert_eq!(options(&spec), "rbind,ro,rprivate");
    set(&mut spec, true, false);
    assert_eq!(options(&spec), "bind,rro,rprivate");
}

#[test]
fn init_stays_only_in_a_pid_namespace_of_its_own() {
    let mut spec = plain(&["sh"]);
    assert!(!stays_as_init(&spec));
    spec.init = true;
    assert!(stays_as_init(&spec));
    spec.isolation.pid = PidNamespace::Host;
    assert!(!stays_as_init(&spec));
}

#[test]
fn every_translation_is_one_that_the_runtime_plans() {
    let mut spec = plain(&["/bin/app"]);
    spec.isolation.seccomp = Seccomp::Default;
    spec.mounts = vec![bind("/data", true, Some(Propagation::Rslave)), volume("/v")];
    let found = translated(&spec);
    let mut context = runtime::plan::Context::new(ID, Path::new("/"));
    context.capabilities = facts().runtime.capabilities;
    let plan = runtime::plan::create(&found, &context).unwrap();
    assert_eq!(plan.warnings, Vec::<String>::new());
}
