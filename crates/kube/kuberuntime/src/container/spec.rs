//! From a container of a pod to what the engine runs. Pure: everything it needs of the node is in its [`Place`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::ContainerId;
use engine::spec::{
    ContainerSpec, IpcNamespace, Isolation, LogDriver, MountKind, MountSpec, NetworkMode, Networking,
    PidNamespace, RestartPolicy, Seccomp, UtsNamespace,
};
use image::RunConfig;
use kubelet::Pod;
use kubelet::container::Attempt;
use kubelet::env::{Room, TooLong, expand};
use kubelet::pod::Container;

use super::{names, security};
use crate::resources;

/// Bytes after which a log is rotated, and files that are kept of it (the kubelet's defaults).
const LOG_SIZE: u64 = 10 << 20;
const LOG_FILES: u16 = 5;

/// Where a container runs: what is there of its pod, and what the node says.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The pod's network namespace; none for the node's.
    pub(crate) network: Option<PathBuf>,
    /// The pod's IPC namespace and shared memory; none for the node's.
    pub(crate) ipc: Option<(PathBuf, PathBuf)>,
    /// The pod's name for itself; empty with the node's network.
    pub(crate) hostname: String,
    /// Files that every container of the pod has: path inside, path on the node.
    pub(crate) files: Vec<(&'static str, PathBuf)>,
    /// Its volumes.
    pub(crate) mounts: Vec<MountSpec>,
    /// Where its last words are left, on the node.
    pub(crate) message: PathBuf,
    /// Its log.
    pub(crate) log: PathBuf,
    /// The group of its pod.
    pub(crate) cgroup_parent: String,
    /// The node's memory, in bytes.
    pub(crate) memory: i64,
    /// The filter of system calls.
    pub(crate) seccomp: Seccomp,
    /// The container whose processes it sees (ephemeral containers).
    pub(crate) target: Option<ContainerId>,
}

/// What a container is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) attempt: Attempt,
    pub(crate) image: &'a RunConfig,
    /// The kubelet's variables.
    pub(crate) environment: &'a [(String, String)],
}

/// The specification of a container.
///
/// # Errors
/// What it asks for cannot be given: the message of `CreateContainerConfigError`.
pub(crate) fn of(wanted: Wanted<'_>, place: Place) -> Result<ContainerSpec, String> {
    let Wanted {
        pod,
        container,
        attempt,
        image,
        environment,
    } = wanted;
    let who = security::run_as(pod, container, &image.user)?;
    let log = place.log.to_string_lossy().into_owned();
    Ok(ContainerSpec {
        args: arguments(container, image, environment).map_err(|error| error.to_string())?,
        env: variables(image, environment),
        cwd: or(&container.working_dir, &image.working_dir),
        user: who.user,
        groups: who.groups,
        listed_groups: who.listed,
        tty: container.tty,
        open_stdin: container.stdin,
        stdin_once: container.stdin_once,
        hostname: place.hostname.clone(),
        labels: names::labels(pod, container, attempt, &log),
        isolation: isolation(pod, container, &place),
        resources: engine::spec::Resources {
            cgroup_parent: place.cgroup_parent.clone(),
            ..resources::of_container(pod, container, place.memory)
        },
        network: Networking {
            mode: network(place.network.as_deref()),
            ..Networking::default()
        },
        mounts: mounts(container, place),
        read_only_rootfs: container.security_context.read_only_root_filesystem,
        restart: RestartPolicy::No,
        stop_signal: or(
            container.lifecycle.stop_signal.as_deref().unwrap_or_default(),
            &image.stop_signal,
        ),
        stop_timeout: Some(names::pod_grace(pod)),
        log: LogDriver::Cri {
            path: log,
            max_size: LOG_SIZE,
            max_files: LOG_FILES,
        },
        ..ContainerSpec::default()
    })
}

fn or(own: &str, other: &str) -> String {
    if own.is_empty() { other } else { own }.to_owned()
}

/// `command` stands for the image's entrypoint, and then its command does not count; `args` for its command.
fn arguments(
    container: &Container,
    image: &RunConfig,
    environment: &[(String, String)],
) -> Result<Vec<String>, TooLong> {
    // Of two with one name the later is the one.
    let known: BTreeMap<&str, &str> = environment
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let mut room = Room::default();
    let mut expanded = |words: &[String]| {
        let each = words
            .iter()
            .map(|word| expand(word, &mut room, |name| known.get(name).copied()));
        each.collect::<Result<Vec<_>, _>>()
    };
    let own = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let (command, args) = (expanded(&container.command)?, expanded(&container.args)?);
    Ok(match (command.is_empty(), args.is_empty()) {
        (true, true) => [own(&image.entrypoint), own(&image.cmd)].concat(),
        (true, false) => [own(&image.entrypoint), args].concat(),
        (false, _) => [command, args].concat(),
    })
}

/// The image's variables, then the kubelet's; of two with one name the later is the one.
fn variables(image: &RunConfig, environment: &[(String, String)]) -> Vec<String> {
    let own = environment.iter().map(|(name, value)| format!("{name}={value}"));
    engine::oci::merge_environment(image.env.clone(), &own.collect::<Vec<_>>())
}

fn network(namespace: Option<&Path>) -> NetworkMode {
    namespace.map_or(NetworkMode::Host, |path| {
        NetworkMode::Path(path.to_string_lossy().into_owned())
    })
}

fn isolation(pod: &Pod, container: &Container, place: &Place) -> Isolation {
    let security = &container.security_context;
    Isolation {
        privileged: security.privileged,
        capabilities: security::capabilities(container),
        seccomp: place.seccomp.clone(),
        no_new_privileges: security.allow_privilege_escalation == Some(false),
        apparmor: security::apparmor(pod, container),
        ipc: match &place.ipc {
            Some((namespace, _)) => IpcNamespace::Path(namespace.to_string_lossy().into_owned()),
            None => IpcNamespace::Host,
        },
        pid: match &place.target {
            Some(target) => PidNamespace::Container(target.to_string()),
            None if pod.spec.host_pid => PidNamespace::Host,
            None => PidNamespace::Private,
        },
        uts: if place.network.is_some() {
            UtsNamespace::Private
        } else {
            UtsNamespace::Host
        },
        ..Isolation::default()
    }
}

/// Its volumes, and the node's files where no volume is mounted in their place.
fn mounts(container: &Container, place: Place) -> Vec<MountSpec> {
    let read_only = container.security_context.read_only_root_filesystem;
    let files = place
        .files
        .into_iter()
        .map(|(target, source)| bind(target, &source, read_only));
    let shm = place.ipc.map(|(_, shm)| bind("/dev/shm", &shm, false));
    let message = bind(names::message_path(container), &place.message, false);
    let mut mounts = place.mounts;
    for mount in files.chain(shm).chain([message]) {
        if mounts.iter().all(|each| each.target != mount.target) {
            mounts.push(mount);
        }
    }
    mounts
}

fn bind(target: &str, source: &Path, read_only: bool) -> MountSpec {
    MountSpec {
        target: target.to_owned(),
        read_only,
        kind: MountKind::Bind {
            source: source.to_string_lossy().into_owned(),
            propagation: None,
            non_recursive: false,
            read_only_non_recursive: false,
            create_source: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &str) -> Pod {
        let json =
            format!(r#"{{"metadata":{{"name":"shop","namespace":"prod","uid":"u-1"}},"spec":{spec}}}"#);
        Pod::parse(json.as_bytes()).unwrap()
    }

    fn place() -> Place {
        Place {
            network: Some("/run/netns/1".into()),
            ipc: Some(("/run/pods/u-1/ipc".into(), "/run/pods/u-1/shm".into())),
            hostname: "shop".into(),
            files: vec![
                ("/etc/hosts", "/pods/u-1/etc-hosts".into()),
                ("/etc/resolv.conf", "/pods/u-1/resolv.conf".into()),
            ],
            mounts: vec![bind("/etc/hosts", Path::new("/own"), false)],
            message: "/pods/u-1/containers/web/00000002".into(),
            log: "/log/pods/prod_shop_u-1/web/2.log".into(),
            cgroup_parent: "g/kubepods/burstable/podu-1".into(),
            memory: 1 << 32,
            seccomp: Seccomp::Default,
            target: None,
        }
    }

    fn image() -> RunConfig {
        RunConfig {
            user: "web:us".into(),
            env: vec!["PATH=/bin".into(), "MODE=image".into()],
            entrypoint: Some(vec!["/entry".into()]),
            cmd: Some(vec!["serve".into()]),
            working_dir: "/srv".into(),
            stop_signal: "SIGQUIT".into(),
            ..RunConfig::default()
        }
    }

    fn made(spec: &str, place: Place) -> Result<ContainerSpec, String> {
        let pod = pod(spec);
        let environment = [
            ("MODE".to_owned(), "pod".to_owned()),
            ("A".to_owned(), "1".to_owned()),
        ];
        let wanted = Wanted {
            pod: &pod,
            container: &pod.spec.all[0],
            attempt: 2,
            image: &image(),
            environment: &environment,
        };
        of(wanted, place)
    }

    #[test]
    fn a_container_of_a_pod() {
        let spec = made(
            r#"{"containers":[{"name":"web","image":"web:1","args":["$(A)","$(B)","$$(A)"],
                "resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},
                "securityContext":{"runAsUser":5,"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,
                    "capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]}}}],
                "securityContext":{"fsGroup":9,"supplementalGroups":[8]},"terminationGracePeriodSeconds":3}"#,
            place(),
        );
        insta::assert_snapshot!(serde_json::to_string_pretty(&spec.unwrap()).unwrap());
    }

    #[test]
    fn a_container_that_shares_the_node() {
        let shared = Place {
            network: None,
            ipc: None,
            hostname: String::new(),
            ..place()
        };
        let spec = made(
            r#"{"containers":[{"name":"web","securityContext":{"privileged":true}}],
                "hostNetwork":true,"hostPID":true,"hostIPC":true}"#,
            shared,
        );
        let spec = spec.unwrap();
        let isolation = &spec.isolation;
        assert_eq!(
            (
                &isolation.ipc,
                &isolation.pid,
                isolation.uts,
                isolation.privileged,
                &spec.network.mode
            ),
            (
                &IpcNamespace::Host,
                &PidNamespace::Host,
                UtsNamespace::Host,
                true,
                &NetworkMode::Host
            )
        );
        assert!(
            spec.mounts.iter().all(|mount| mount.target != "/dev/shm"),
            "{:?}",
            spec.mounts
        );
    }

    #[test]
    fn command_and_arguments_stand_for_the_image_s() {
        let check = |own: &str, expected: &[&str]| {
            let spec = made(&format!(r#"{{"containers":[{{"name":"web"{own}}}]}}"#), place()).unwrap();
            assert_eq!(spec.args, expected, "{own}");
        };
        check("", &["/entry", "serve"]);
        check(r#","args":["a"]"#, &["/entry", "a"]);
        check(r#","command":["c"]"#, &["c"]);
        check(r#","command":["c","$(MODE)"],"args":["a"]"#, &["c", "pod", "a"]);
    }

    #[test]
    fn what_the_container_says_goes_before_the_image() {
        let spec = made(
            r#"{"containers":[{"name":"web","workingDir":"/w","lifecycle":{"stopSignal":"SIGUSR1"},
                "terminationMessagePath":"/words"}]}"#,
            place(),
        );
        let spec = spec.unwrap();
        assert_eq!(
            (&*spec.cwd, &*spec.stop_signal, &*spec.user),
            ("/w", "SIGUSR1", "web:us")
        );
        assert_eq!(spec.env, ["PATH=/bin", "MODE=pod", "A=1"]);
        assert!(spec.mounts.iter().any(|mount| mount.target == "/words"));
    }
}
