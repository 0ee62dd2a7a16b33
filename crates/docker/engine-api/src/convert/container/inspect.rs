//! `GET /containers/ID/json`.

use engine::{Health, State, Status};
use serde_json::{Value, json};

use super::summary::Size;
use super::{View, mounts, networks, status};
use crate::convert::time::rfc3339;

/// What the document says that the table does not know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Directories of the root file system.
    pub graph_driver: Value,
    /// `resolv.conf`, `hostname` and `hosts` of the container on the host, and its log.
    pub files: [String; 4],
    /// Further processes that are known.
    pub exec_ids: Vec<String>,
    /// Bytes on disk, when asked for.
    pub size: Option<Size>,
}

/// The document.
pub(crate) fn inspect(view: &View, beside: &Beside) -> Value {
    let container = &view.container;
    let [resolv_conf, hostname, hosts, log] = &beside.files;
    let mut document = json!({
        "Id": container.id.as_str(),
        "Created": rfc3339(Some(container.created)),
        "Path": container.spec.args.first().map_or("", String::as_str),
        "Args": container.spec.args.get(1..).unwrap_or(&[]),
        "State": state(&container.state),
        "Image": container.image.as_ref().map_or("", |image| image.id.as_str()),
        "ResolvConfPath": resolv_conf,
        "HostnamePath": hostname,
        "HostsPath": hosts,
        "LogPath": log,
        "Name": format!("/{}", container.name),
        "RestartCount": container.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": container.spec.isolation.apparmor,
        "ExecIDs": Some(&beside.exec_ids).filter(|ids| !ids.is_empty()),
        "HostConfig": view.door.host,
        "GraphDriver": { "Data": beside.graph_driver, "Name": "overlay2" },
        "Mounts": mounts(view),
        "Config": config(view),
        "NetworkSettings": network_settings(view),
    });
    if let Some(size) = beside.size {
        document["SizeRw"] = json!(size.written);
        document["SizeRootFs"] = json!(size.total);
    }
    document
}

/// The host name that was made up from the id is shown as if it had been asked for.
fn config(view: &View) -> Value {
    let mut config = view.door.config.clone();
    let own_uts =
        view.door.host.uts_mode.is_empty() && !view.door.host.network_mode.starts_with("container:");
    if config.hostname.is_empty() && own_uts && view.door.host.network_mode != "host" {
        view.container.id.short().clone_into(&mut config.hostname);
    }
    config.labels.get_or_insert_default();
    json!(config)
}

fn state(state: &State) -> Value {
    let is = |status: Status| state.status == status;
    let mut shown = json!({
        "Status": state.status.as_str(),
        "Running": state.status.is_running(),
        "Paused": is(Status::Paused),
        "Restarting": is(Status::Restarting),
        "OOMKilled": state.oom_killed,
        "Dead": is(Status::Dead),
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started_at),
        "FinishedAt": rfc3339(state.finished_at),
    });
    if let Some(of) = &state.health {
        shown["Health"] = health(of, state);
    }
    shown
}

fn health(health: &Health, state: &State) -> Value {
    let log = health.log.iter().map(|probe| {
        json!({
            "Start": rfc3339(Some(probe.start)),
            "End": rfc3339(Some(probe.end)),
            "ExitCode": probe.exit_code,
            "Output": probe.output,
        })
    });
    json!({
        "Status": status::health_word(state),
        "FailingStreak": health.failing_streak,
        "Log": log.collect::<Vec<_>>(),
    })
}

/// The networks, and those of the default bridge once more at the top, where old clients look.
fn network_settings(view: &View) -> Value {
    let endpoints = networks::endpoints(view);
    let bridge = endpoints.get("bridge").cloned().unwrap_or_default();
    let (id, key) = view
        .sandbox
        .as_ref()
        .map_or((String::new(), String::new()), |sandbox| {
            let key = sandbox.key.as_ref().map(|path| path.display().to_string());
            (
                sandbox.id.clone(),
                key.unwrap_or_else(|| "/var/run/docker/netns/default".into()),
            )
        });
    json!({
        "Bridge": "",
        "SandboxID": id,
        "SandboxKey": key,
        "Ports": networks::ports(view),
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": bridge.endpoint_id,
        "Gateway": bridge.gateway,
        "GlobalIPv6Address": bridge.global_ipv6_address,
        "GlobalIPv6PrefixLen": bridge.global_ipv6_prefix_len,
        "IPAddress": bridge.ip_address,
        "IPPrefixLen": bridge.ip_prefix_len,
        "IPv6Gateway": bridge.ipv6_gateway,
        "MacAddress": bridge.mac_address,
        "Networks": endpoints,
    })
}
