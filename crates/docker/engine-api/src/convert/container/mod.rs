//! A container as `list` and `inspect` show it. Both start from the same [`View`], and what they
//! share (networks, ports, mounts, state in words) is made in one place each.

pub(crate) mod inspect;
pub(crate) mod networks;
pub(crate) mod status;
pub(crate) mod summary;

use std::sync::Arc;

use engine::spec::{LogDriver, Propagation};
use engine::{Container, MountPoint, MountPointKind};
use network::Sandbox;
use serde_json::{Value, json};

use super::create::Door;
use crate::wire::config::Config;
use crate::wire::host_config::{HostConfig, LogConfig};

/// A container with what belongs to it.
pub(crate) struct View {
    /// The container.
    pub container: Arc<Container>,
    /// What its door kept; made from the specification for a container of another door.
    pub door: Door,
    /// Its networks, while it has any.
    pub sandbox: Option<Arc<Sandbox>>,
}

impl View {
    /// Reads what the container's door kept beside it.
    pub(crate) fn new(container: Arc<Container>, sandbox: Option<Arc<Sandbox>>) -> Self {
        let kept = serde_json::from_value::<Door>((*container.door).clone()).ok();
        let door = kept
            .filter(|door| !door.host.network_mode.is_empty())
            .unwrap_or_else(|| foreign(&container));
        Self {
            container,
            door,
            sandbox,
        }
    }
}

/// A container made behind another door: its specification in docker's words.
fn foreign(container: &Container) -> Door {
    let spec = &container.spec;
    let config = Config {
        hostname: spec.hostname.clone(),
        user: spec.user.clone(),
        tty: spec.tty,
        open_stdin: spec.open_stdin,
        stdin_once: spec.stdin_once,
        env: Some(spec.env.clone()),
        cmd: Some(spec.args.clone()),
        image: container
            .image
            .as_ref()
            .map(|image| image.reference.clone())
            .unwrap_or_default(),
        working_dir: spec.cwd.clone(),
        labels: Some(spec.labels.clone()),
        ..Config::default()
    };
    let host = HostConfig {
        network_mode: networks::mode(&spec.network).to_owned(),
        memory: spec.resources.memory,
        cpu_shares: spec.resources.cpu_shares,
        cpu_period: spec.resources.cpu_period,
        cpu_quota: spec.resources.cpu_quota,
        privileged: spec.isolation.privileged,
        readonly_rootfs: spec.read_only_rootfs,
        log_config: LogConfig {
            kind: match spec.log {
                LogDriver::None => "none".to_owned(),
                _ => String::new(),
            },
            ..LogConfig::default()
        },
        ..HostConfig::default()
    };
    Door { config, host }
}

/// The mounts of a container; tmpfs mounts of `--tmpfs` are not among them upstream, those of
/// `--mount` are.
pub(crate) fn mounts(view: &View) -> Vec<Value> {
    let tmpfs = view.door.host.tmpfs.as_ref();
    let flagged = |mount: &MountPoint| tmpfs.is_some_and(|all| all.contains_key(&mount.destination));
    let shown = view
        .container
        .mounts
        .iter()
        .filter(|mount| mount.kind != MountPointKind::Tmpfs || !flagged(mount));
    shown.map(|mount| mount_point(mount, &view.door.host)).collect()
}

fn mount_point(mount: &MountPoint, host: &HostConfig) -> Value {
    let kind = match mount.kind {
        MountPointKind::Bind => "bind",
        MountPointKind::Volume => "volume",
        MountPointKind::Tmpfs => "tmpfs",
    };
    let mut shown = serde_json::Map::new();
    shown.insert("Type".into(), kind.into());
    for (name, value) in [("Name", &mount.name)] {
        if !value.is_empty() {
            shown.insert(name.into(), value.as_str().into());
        }
    }
    shown.insert("Source".into(), mount.source.as_str().into());
    shown.insert("Destination".into(), mount.destination.as_str().into());
    if !mount.driver.is_empty() {
        shown.insert("Driver".into(), mount.driver.as_str().into());
    }
    shown.insert("Mode".into(), mode(mount, host).into());
    shown.insert("RW".into(), json!(!mount.read_only));
    shown.insert("Propagation".into(), propagation(mount).into());
    Value::Object(shown)
}

/// The mode as written in `-v`; `z` for a volume for which nothing was.
fn mode(mount: &MountPoint, host: &HostConfig) -> String {
    let of_bind = |bind: &String| {
        let mut parts = bind.splitn(3, ':').skip(1);
        let target = parts.next()?;
        (super::path::clean(target) == mount.destination).then(|| parts.next().unwrap_or("").to_owned())
    };
    let written = host.binds.iter().flatten().find_map(of_bind);
    match (written, mount.kind) {
        (Some(mode), MountPointKind::Volume) if mode.is_empty() => "z".into(),
        (Some(mode), _) => mode,
        (None, MountPointKind::Volume) if !mount.anonymous => "z".into(),
        (None, _) => String::new(),
    }
}

fn propagation(mount: &MountPoint) -> &'static str {
    match (mount.kind, mount.propagation) {
        (_, Some(propagation)) => propagation.as_str(),
        (MountPointKind::Bind, None) => Propagation::Rprivate.as_str(),
        (_, None) => "",
    }
}
