//! `GET /info`.

use engine::Status;
use serde_json::{Value, json};

use crate::Api;
use crate::convert::time::rfc3339;
use crate::error::ApiError;
use crate::host::HostInfo;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::server::version::ApiVersion;

/// `GET /info`.
pub(crate) async fn info(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = &call.state;
    let mut shown = document(api);
    adapt(&mut shown, call.version);
    Reply::json(&shown)
}

fn document(api: &Api) -> Value {
    let host = &api.host;
    let limits = limits(host).map(|(name, value)| (name.to_owned(), json!(value)));
    let mut members = serde_json::Map::from_iter(limits);
    for section in [contents(api), machine(host), daemon(api), components(host)] {
        if let Value::Object(section) = section {
            members.extend(section);
        }
    }
    if !host.address_pools.is_empty() {
        let pools = host
            .address_pools
            .iter()
            .map(|(base, size)| json!({ "Base": base, "Size": size }));
        members.insert("DefaultAddressPools".into(), pools.collect());
    }
    Value::Object(members)
}

/// What there is of containers and images, and where.
fn contents(api: &Api) -> Value {
    let containers = api.containers();
    let count = |wanted: fn(Status) -> bool| containers.iter().filter(|c| wanted(c.state.status)).count();
    json!({
        "ID": api.host.id,
        "Containers": containers.len(),
        "ContainersRunning": count(|status| matches!(status, Status::Running | Status::Restarting)),
        "ContainersPaused": count(|status| status == Status::Paused),
        "ContainersStopped": count(|status| !status.is_running()),
        "Images": api.images().list().len(),
        "Driver": "overlay2",
        "DriverStatus": [
            // By this clients know that an image may be of several platforms here: `buildx build --load` asks for it.
            ["driver-type", "io.containerd.snapshotter.v1"],
            ["Supports d_type", "true"],
            ["Using metacopy", "false"],
            ["Native Overlay Diff", "true"],
            ["userxattr", "false"],
        ],
        "DockerRootDir": api.host.root_dir,
    })
}

fn machine(host: &HostInfo) -> Value {
    json!({
        "IPv4Forwarding": host.ipv4_forwarding,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": host.cgroup_version.to_string(),
        "KernelVersion": host.kernel_version,
        "OperatingSystem": host.operating_system,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": host.machine,
        "NCPU": host.cpus,
        "MemTotal": host.memory,
        "GenericResources": null,
        "Name": host.name,
        "SecurityOptions": security_options(host),
        "Warnings": Some(warnings(host)).filter(|warnings| !warnings.is_empty()),
    })
}

fn daemon(api: &Api) -> Value {
    json!({
        "Debug": false,
        "NFd": 0,
        "NGoroutines": 0,
        "NEventsListener": api.engine.events().listeners(),
        "SystemTime": rfc3339(Some(api.now())),
        "LoggingDriver": "json-file",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "IndexConfigs": {
                "docker.io": { "Name": "docker.io", "Mirrors": [], "Secure": true, "Official": true },
            },
            "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
            "Mirrors": null,
        },
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": false,
        "ServerVersion": api.host.version,
        "LiveRestoreEnabled": true,
    })
}

/// What upstream has separate programs for is one here.
fn components(host: &HostInfo) -> Value {
    let commit = json!({ "ID": host.git_commit });
    json!({
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": null,
            "Log": ["json-file", "none"],
        },
        "Runtimes": {
            "io.containerd.runc.v2": { "path": "gantry" },
            "runc": { "path": "gantry" },
        },
        "DefaultRuntime": "runc",
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
            "RemoteManagers": null,
        },
        "Isolation": "",
        "InitBinary": "gantry",
        "ContainerdCommit": commit,
        "RuncCommit": commit,
        "InitCommit": commit,
        "FirewallBackend": { "Driver": "nftables" },
        "CDISpecDirs": [],
        "DiscoveredDevices": [],
    })
}

/// Which limits this kernel can set.
fn limits(host: &HostInfo) -> [(&'static str, bool); 10] {
    let v1 = host.cgroup_version == 1;
    let (memory, cpu) = (host.has("memory"), host.has("cpu"));
    [
        ("MemoryLimit", memory),
        ("SwapLimit", host.swap_limit),
        ("KernelMemory", false),
        ("KernelMemoryTCP", false),
        ("OomKillDisable", memory && v1),
        ("CpuCfsPeriod", cpu),
        ("CpuCfsQuota", cpu),
        ("CPUShares", cpu),
        ("CPUSet", host.has("cpuset")),
        ("PidsLimit", host.has("pids")),
    ]
}

/// What is missing, in upstream's words.
fn warnings(host: &HostInfo) -> Vec<String> {
    let texts = [
        ("MemoryLimit", "WARNING: No memory limit support"),
        ("SwapLimit", "WARNING: No swap limit support"),
        ("CpuCfsQuota", "WARNING: No cpu cfs quota support"),
        ("CpuCfsPeriod", "WARNING: No cpu cfs period support"),
        ("CPUShares", "WARNING: No cpu shares support"),
        ("CPUSet", "WARNING: No cpuset support"),
    ];
    let limits = limits(host);
    let missing = |name: &str| limits.iter().any(|(limit, there)| *limit == name && !there);
    let named = texts
        .into_iter()
        .filter(|(name, _)| missing(name))
        .map(|(_, text)| text.to_owned());
    let forwarding = (!host.ipv4_forwarding).then(|| "WARNING: IPv4 forwarding is disabled".to_owned());
    named.chain(forwarding).collect()
}

fn security_options(host: &HostInfo) -> Vec<&'static str> {
    let mut options = vec!["name=seccomp,profile=builtin"];
    if host.cgroup_version == 2 {
        options.push("name=cgroupns");
    }
    options
}

/// What the document looked like in older versions.
fn adapt(shown: &mut Value, version: ApiVersion) {
    let Some(members) = shown.as_object_mut() else {
        return;
    };
    if version.since(42) {
        members.remove("KernelMemory");
    }
    if !version.since(50) {
        members.remove("DiscoveredDevices");
        members.insert("BridgeNfIptables".into(), false.into());
        members.insert("BridgeNfIp6tables".into(), false.into());
    }
    if !version.since(49) {
        members.remove("FirewallBackend");
        for name in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
            members[name]["Expected"] = members[name]["ID"].clone();
        }
    }
    if !version.since(47) {
        for name in [
            "AllowNondistributableArtifactsCIDRs",
            "AllowNondistributableArtifactsHostnames",
        ] {
            members["RegistryConfig"][name] = Value::Null;
        }
    }
    if !version.since(25) {
        members.insert("SecurityOptions".into(), json!(["seccomp"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let host = HostInfo {
            cgroup_version: 1,
            controllers: vec!["cpu".into()],
            ipv4_forwarding: true,
            ..HostInfo::default()
        };
        assert_eq!(
            warnings(&host),
            [
                "WARNING: No memory limit support",
                "WARNING: No swap limit support",
                "WARNING: No cpuset support"
            ]
        );
    }

    #[test]
    fn older_versions_have_other_members() {
        let mut shown = json!({
            "KernelMemory": false, "DiscoveredDevices": [], "FirewallBackend": {}, "RegistryConfig": {},
            "ContainerdCommit": {"ID": "x"}, "RuncCommit": {"ID": "x"}, "InitCommit": {"ID": "x"},
        });
        adapt(&mut shown, ApiVersion { major: 1, minor: 41 });
        assert!(shown.get("DiscoveredDevices").is_none() && shown.get("FirewallBackend").is_none());
        assert_eq!(
            (&shown["RuncCommit"]["Expected"], &shown["KernelMemory"]),
            (&json!("x"), &json!(false))
        );
        assert_eq!(shown["BridgeNfIptables"], false);
    }
}
