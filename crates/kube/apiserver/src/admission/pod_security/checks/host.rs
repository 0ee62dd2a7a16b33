//! What of the host a pod may see: namespaces, ports, probes of other hosts, `/proc`, sysctls.

use std::collections::BTreeSet;

use schema::cursor::Ref;

use super::{Found, Pod, containers, found, plural, quoted};

pub(super) fn namespaces(pod: &Pod<'_>) -> Found {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter();
    let shared = shared.filter(|name| pod.spec.at(name).bool());
    let shared: Vec<String> = shared.map(|name| format!("{name}=true")).collect();
    if shared.is_empty() {
        return None;
    }
    found("host namespaces", shared.join(", "))
}

pub(super) fn ports(pod: &Pod<'_>) -> Found {
    let of = |container: Ref<'_>| {
        let ports = container
            .at("ports")
            .items()
            .map(|port| port.at("hostPort").int());
        ports.filter(|port| *port != 0).collect::<Vec<_>>()
    };
    let names = pod.which(|container| !of(container).is_empty());
    if names.is_empty() {
        return None;
    }
    // As texts, in the order of texts.
    let ports: BTreeSet<String> = pod
        .containers()
        .flat_map(of)
        .map(|port| port.to_string())
        .collect();
    let listed: Vec<&str> = ports.iter().map(String::as_str).collect();
    found(
        "hostPort",
        format!(
            "{} {} {} {}",
            containers(&names),
            plural(names.len(), "uses", "use"),
            plural(ports.len(), "hostPort", "hostPorts"),
            listed.join(", ")
        ),
    )
}

/// Who asks, from the node, whether a container lives.
const ASKING: [&str; 5] = [
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle.postStart",
    "lifecycle.preStop",
];

pub(super) fn probes(pod: &Pod<'_>) -> Found {
    let hosts = |container: Ref<'_>| {
        let asking = ASKING.into_iter().map(|path| container.path(path));
        let hosts =
            asking.flat_map(|asking| ["httpGet.host", "tcpSocket.host"].map(|path| asking.path(path)));
        let hosts = hosts.map(|host| host.str().to_owned());
        hosts.filter(|host| !host.is_empty()).collect::<Vec<_>>()
    };
    let names: BTreeSet<&str> = pod
        .which(|container| !hosts(container).is_empty())
        .into_iter()
        .collect();
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let asked: BTreeSet<String> = pod.containers().flat_map(hosts).collect();
    found(
        "probe or lifecycle host",
        format!(
            "{} {} {} {}",
            containers(&names),
            plural(names.len(), "uses", "use"),
            plural(asked.len(), "probe or lifecycle host", "probe or lifecycle hosts"),
            quoted(&asked)
        ),
    )
}

pub(super) fn proc_mount(pod: &Pod<'_>) -> Found {
    let kind = |container: Ref<'_>| {
        let kind = container.path("securityContext.procMount").text();
        kind.filter(|kind| *kind != "Default").map(str::to_owned)
    };
    let names = pod.which(|container| kind(container).is_some());
    if names.is_empty() {
        return None;
    }
    let kinds: BTreeSet<String> = pod.containers().filter_map(kind).collect();
    let detail = format!(
        "{} must not set securityContext.procMount to {}",
        containers(&names),
        quoted(&kinds)
    );
    found("procMount", detail)
}

pub(super) fn proc_mount_of_own_users(pod: &Pod<'_>) -> Found {
    if pod.has_own_users() {
        None
    } else {
        proc_mount(pod)
    }
}

/// Sysctls that are safe, and since which minor version they are known to be.
const SAFE_SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

fn sysctls_of(pod: &Pod<'_>, minor: u32) -> Found {
    let safe = |name: &str| {
        SAFE_SYSCTLS
            .iter()
            .any(|(safe, since)| *safe == name && *since <= minor)
    };
    let set = pod
        .context()
        .at("sysctls")
        .items()
        .map(|sysctl| sysctl.at("name").str());
    let unsafe_ones: Vec<&str> = set.filter(|name| !safe(name)).collect();
    if unsafe_ones.is_empty() {
        return None;
    }
    found("forbidden sysctls", unsafe_ones.join(", "))
}

pub(super) fn sysctls(pod: &Pod<'_>) -> Found {
    sysctls_of(pod, 0)
}

pub(super) fn sysctls_1_27(pod: &Pod<'_>) -> Found {
    sysctls_of(pod, 27)
}

pub(super) fn sysctls_1_29(pod: &Pod<'_>) -> Found {
    sysctls_of(pod, 29)
}

pub(super) fn sysctls_1_32(pod: &Pod<'_>) -> Found {
    sysctls_of(pod, 32)
}
