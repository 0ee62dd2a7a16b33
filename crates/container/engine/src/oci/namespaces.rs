//! Namespaces, the names seen in them, and the kernel parameters that belong to them.

use std::collections::BTreeMap;
use std::path::Path;

use runtime::spec::{LinuxNamespace, NamespaceType};

use super::{Inputs, TranslateError};
use crate::spec::{
    CgroupNamespace, ContainerSpec, IpcNamespace, Isolation, NetworkMode, PidNamespace, UtsNamespace,
};

/// Namespaces that exist before the container starts, as files to join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joined<'a> {
    /// The network namespace: of the container's sandbox, of another container, of a pod. Absent,
    /// a container with networks gets an empty one.
    pub network: Option<&'a Path>,
    /// The IPC namespace of `--ipc container:ID`.
    pub ipc: Option<&'a Path>,
    /// The PID namespace of `--pid container:ID`.
    pub pid: Option<&'a Path>,
    /// The host name of the container whose network is shared.
    pub hostname: Option<&'a str>,
    /// Variables that tell of the containers it is linked to.
    pub links: &'a [String],
}

/// One namespace of the container.
enum Wanted<'a> {
    New,
    Host,
    Path(&'a Path),
}

/// The host name a container has: its own, that of the host or of the container whose network it
/// shares, or the first 12 digits of its id.
#[must_use]
pub fn hostname(spec: &ContainerSpec, id: &str, host: &str, joined: Option<&str>) -> String {
    let shares_host = spec.isolation.uts == UtsNamespace::Host || spec.network.mode == NetworkMode::Host;
    match (&spec.network.mode, joined) {
        (NetworkMode::Container(_), Some(joined)) => joined.to_owned(),
        _ if !spec.hostname.is_empty() => spec.hostname.clone(),
        _ if shares_host => host.to_owned(),
        _ => id.get(..12).unwrap_or(id).to_owned(),
    }
}

pub(super) fn seen_hostname(spec: &ContainerSpec, inputs: &Inputs<'_>) -> String {
    hostname(spec, inputs.id, &inputs.facts.hostname, inputs.joined.hostname)
}

/// The name that is set, which takes a UTS namespace of the container's own.
pub(super) fn own_hostname(spec: &ContainerSpec, inputs: &Inputs<'_>) -> String {
    match spec.isolation.uts {
        UtsNamespace::Private => seen_hostname(spec, inputs),
        UtsNamespace::Host => String::new(),
    }
}

pub(super) fn translate(
    spec: &ContainerSpec,
    inputs: &Inputs<'_>,
) -> Result<Vec<LinuxNamespace>, TranslateError> {
    let (isolation, joined) = (&spec.isolation, &inputs.joined);
    let wanted = [
        (NamespaceType::Mount, Wanted::New),
        (NamespaceType::Network, network(spec, joined)?),
        (NamespaceType::Uts, uts(isolation)),
        (NamespaceType::Pid, pid(isolation, joined)?),
        (NamespaceType::Ipc, ipc(isolation, joined)?),
        (NamespaceType::Cgroup, cgroup(isolation, inputs.facts.cgroup2)),
    ];
    let namespaces = wanted.into_iter().filter_map(|(kind, wanted)| match wanted {
        Wanted::Host => None,
        Wanted::New => Some(LinuxNamespace {
            kind,
            path: String::new(),
        }),
        Wanted::Path(path) => Some(LinuxNamespace {
            kind,
            path: path.to_string_lossy().into_owned(),
        }),
    });
    Ok(namespaces.collect())
}

fn network<'a>(spec: &'a ContainerSpec, joined: &Joined<'a>) -> Result<Wanted<'a>, TranslateError> {
    Ok(match (&spec.network.mode, joined.network) {
        (NetworkMode::Host, _) => Wanted::Host,
        (_, Some(path)) => Wanted::Path(path),
        (NetworkMode::Path(path), None) => Wanted::Path(Path::new(path)),
        (NetworkMode::Container(_), None) => return Err(TranslateError::NotRunning("network")),
        (NetworkMode::Networks | NetworkMode::None, None) => Wanted::New,
    })
}

fn uts(isolation: &Isolation) -> Wanted<'static> {
    match isolation.uts {
        UtsNamespace::Private => Wanted::New,
        UtsNamespace::Host => Wanted::Host,
    }
}

fn pid<'a>(isolation: &Isolation, joined: &Joined<'a>) -> Result<Wanted<'a>, TranslateError> {
    match isolation.pid {
        PidNamespace::Private => Ok(Wanted::New),
        PidNamespace::Host => Ok(Wanted::Host),
        PidNamespace::Container(_) => joined
            .pid
            .map(Wanted::Path)
            .ok_or(TranslateError::NotRunning("PID")),
    }
}

fn ipc<'a>(isolation: &'a Isolation, joined: &Joined<'a>) -> Result<Wanted<'a>, TranslateError> {
    match &isolation.ipc {
        IpcNamespace::None | IpcNamespace::Private | IpcNamespace::Shareable => Ok(Wanted::New),
        IpcNamespace::Host => Ok(Wanted::Host),
        IpcNamespace::Path(path) => Ok(Wanted::Path(Path::new(path))),
        IpcNamespace::Container(_) => joined
            .ipc
            .map(Wanted::Path)
            .ok_or(TranslateError::NotRunning("IPC")),
    }
}

fn cgroup(isolation: &Isolation, cgroup2: bool) -> Wanted<'static> {
    match isolation.cgroup {
        CgroupNamespace::Private => Wanted::New,
        CgroupNamespace::HostDefault if cgroup2 => Wanted::New,
        CgroupNamespace::HostDefault | CgroupNamespace::Host => Wanted::Host,
    }
}

/// Parameters that upstream sets in every network namespace of a container's own: any port may be
/// bound and ICMP echo sent without a capability, since the capabilities for both are given anyway.
const NETWORK_DEFAULTS: &[(&str, &str)] = &[
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    ("net.ipv4.ping_group_range", "0 2147483647"),
];

/// Parameters of the IPC namespace besides `fs.mqueue.*`.
const IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Kernel parameters, each in a namespace of the container's own.
pub(super) fn sysctls(spec: &ContainerSpec) -> Result<BTreeMap<String, String>, TranslateError> {
    let mut sysctls = BTreeMap::new();
    if matches!(spec.network.mode, NetworkMode::Networks | NetworkMode::None) {
        sysctls.extend(
            NETWORK_DEFAULTS
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
    }
    for (name, value) in &spec.isolation.sysctls {
        check_sysctl(name, spec)?;
        sysctls.insert(name.clone(), value.clone());
    }
    if !spec.domainname.is_empty() {
        // The specification has a property for it since 1.1; upstream still writes the parameter.
        check_sysctl("kernel.domainname", spec)?;
        sysctls.insert("kernel.domainname".to_owned(), spec.domainname.clone());
    }
    Ok(sysctls)
}

fn check_sysctl(name: &str, spec: &ContainerSpec) -> Result<(), TranslateError> {
    let dotted = name.replace('/', ".");
    let refuse = |namespace| {
        Err(TranslateError::Sysctl {
            name: name.to_owned(),
            namespace,
        })
    };
    if IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.") {
        return if spec.isolation.ipc == IpcNamespace::Host {
            refuse("ipc")
        } else {
            Ok(())
        };
    }
    if dotted.starts_with("net.") {
        return if spec.network.mode == NetworkMode::Host {
            refuse("network")
        } else {
            Ok(())
        };
    }
    match dotted.as_str() {
        "kernel.domainname" if spec.isolation.uts == UtsNamespace::Private => Ok(()),
        "kernel.domainname" => refuse("uts"),
        "kernel.hostname" => Err(TranslateError::HostnameSysctl),
        _ => Err(TranslateError::NotNamespaced(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(set: impl FnOnce(&mut ContainerSpec)) -> ContainerSpec {
        let mut spec = ContainerSpec::default();
        set(&mut spec);
        spec
    }

    #[test]
    fn whose_name_a_container_has() {
        let id = "0123456789abcdef";
        let name = |set: fn(&mut ContainerSpec), joined| hostname(&spec(set), id, "node", joined);
        assert_eq!(name(|_| {}, None), "0123456789ab");
        assert_eq!(name(|spec| spec.hostname = "web".into(), None), "web");
        assert_eq!(name(|spec| spec.network.mode = NetworkMode::Host, None), "node");
        assert_eq!(name(|spec| spec.isolation.uts = UtsNamespace::Host, None), "node");
        let both = |spec: &mut ContainerSpec| {
            spec.network.mode = NetworkMode::Host;
            spec.hostname = "own".into();
        };
        assert_eq!(name(both, None), "own");
        assert_eq!(
            name(
                |spec| spec.network.mode = NetworkMode::Container("x".into()),
                Some("peer")
            ),
            "peer"
        );
    }

    #[test]
    fn parameters_are_taken_in_the_container_s_own_namespaces_only() {
        let check = |name: &str, set: fn(&mut ContainerSpec), refused: Option<&str>| {
            let mut spec = spec(set);
            spec.isolation.sysctls.insert(name.into(), "1".into());
            let text = sysctls(&spec).err().map(|error| error.to_string());
            assert_eq!(text.as_deref(), refused, "{name}");
        };
        check("net.core.somaxconn", |_| {}, None);
        check("net/core/somaxconn", |_| {}, None);
        check("kernel.shmmax", |_| {}, None);
        check("fs.mqueue.msg_max", |_| {}, None);
        check("kernel.domainname", |_| {}, None);
        check(
            "net.core.somaxconn",
            |spec| spec.network.mode = NetworkMode::Host,
            Some(r#"sysctl "net.core.somaxconn" not allowed in host network namespace"#),
        );
        check(
            "kernel.shmmax",
            |spec| spec.isolation.ipc = IpcNamespace::Host,
            Some(r#"sysctl "kernel.shmmax" not allowed in host ipc namespace"#),
        );
        check(
            "kernel.hostname",
            |_| {},
            Some(r#"sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field"#),
        );
        check(
            "kernel.pid_max",
            |_| {},
            Some(r#"sysctl "kernel.pid_max" is not in a separate kernel namespace"#),
        );
    }

    #[test]
    fn network_defaults_give_way_and_are_not_for_shared_namespaces() {
        let of = |set: fn(&mut ContainerSpec)| sysctls(&spec(set)).unwrap();
        assert_eq!(of(|_| {}).len(), 2);
        assert_eq!(of(|spec| spec.network.mode = NetworkMode::Host).len(), 0);
        assert_eq!(
            of(|spec| spec.network.mode = NetworkMode::Container("x".into())).len(),
            0
        );
        let own = of(|spec| {
            let start = "net.ipv4.ip_unprivileged_port_start".to_owned();
            spec.isolation.sysctls.insert(start, "1024".into());
        });
        assert_eq!(own["net.ipv4.ip_unprivileged_port_start"], "1024");
    }
}
