//! `POST /containers/create`: from the request to a complete specification.
//!
//! The steps are upstream's, in upstream's order, because a client sees which complaint comes
//! first: what older versions mean by the same words, checks, the image's configuration, defaults,
//! and then the translation property by property.

pub(crate) mod checks;
mod isolation;
mod legacy;
mod merge;
mod mounts;
pub(crate) mod networking;
pub(crate) mod policy;
pub(crate) mod ports;
pub(crate) mod resources;
#[cfg(test)]
mod tests;

pub(crate) use isolation::go_bool;
pub(crate) use merge::merge_into_image;

use engine::spec::{ContainerSpec, ListedGroups};
use image::RunConfig;
use runtime::example::{MASKED_PATHS, READONLY_PATHS};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::host::HostInfo;
use crate::server::version::ApiVersion;
use crate::wire::config::Config;
use crate::wire::host_config::HostConfig;
use crate::wire::network::NetworkingConfig;

/// Size of `/dev/shm` in bytes when a request names none.
const SHM_SIZE: i64 = 64 << 20;

/// The body: `Config` with two more members.
#[derive(Clone, Debug)]
pub(crate) struct CreateRequest {
    pub config: Config,
    pub host: HostConfig,
    pub networking: NetworkingConfig,
}

/// What is kept beside a container to answer `inspect` and `list`: both halves as they were asked
/// for, with the image's configuration and the defaults filled in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Door {
    pub config: Config,
    pub host: HostConfig,
}

/// Looks containers up by name.
pub(crate) trait Lookup {
    /// The id of the container a user calls so.
    fn container(&self, name: &str) -> Result<String, ApiError>;
}

/// A request that passed every check which needs no image.
pub(crate) fn check(
    request: &mut CreateRequest,
    version: ApiVersion,
    info: &HostInfo,
) -> Result<Vec<String>, ApiError> {
    if request.host.network_mode.is_empty() || request.host.network_mode == "default" {
        request.host.network_mode = "bridge".into();
        if let Some(settings) = request.networking.endpoints_config.remove("default") {
            request
                .networking
                .endpoints_config
                .insert("bridge".into(), settings);
        }
    }
    checks::modes(&request.config, &request.host, info)?;
    let mut warnings = legacy::adapt(request, version)?;
    if request.host.memory_swappiness == Some(-1) {
        request.host.memory_swappiness = None;
    }
    if request.host.restart_policy.name.is_empty() {
        request.host.restart_policy.name = "no".into();
    }
    checks::config(&request.config)?;
    if request.host.auto_remove && request.host.restart_policy.name != "no" {
        return Err(ApiError::bad(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    checks::host_config(&request.host, info)?;
    warnings.extend(soft_warnings(&request.host, info));
    Ok(warnings)
}

/// What upstream accepts with a warning, because it has no effect on this host.
fn soft_warnings(host: &HostConfig, info: &HostInfo) -> Vec<String> {
    let published = host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty());
    let oom = host.oom_kill_disable == Some(true);
    [
        (
            oom && info.cgroup_version == 2,
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
        ),
        (
            oom && info.cgroup_version != 2 && host.memory == 0,
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
        ),
        (host.cpu_percent > 0, "linux does not support CPU percent. Percent discarded."),
        (host.network_mode == "host" && published, "Published ports are discarded when using host network mode"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, warning)| warning.to_owned())
    .collect()
}

/// The specification, and what is kept beside it. `request` has passed [`check`].
pub(crate) fn specify(
    mut request: CreateRequest,
    image: Option<&RunConfig>,
    version: ApiVersion,
    info: &HostInfo,
    lookup: &dyn Lookup,
) -> Result<(ContainerSpec, Door), ApiError> {
    let (config, host) = (&mut request.config, &mut request.host);
    merge::merge(config, image.unwrap_or(&RunConfig::default()));
    let args = merge::arguments(config);
    if args.is_empty() || args[0].is_empty() {
        return Err(ApiError::bad("no command specified"));
    }
    defaults(config, host, info);
    ports::normal_names(config)?;
    let log = policy::log(&host.log_config, config)?;
    if host.log_config.kind.is_empty() {
        host.log_config.kind = "json-file".into();
    }
    let spec = ContainerSpec {
        args,
        env: config.env.clone().unwrap_or_default(),
        cwd: config.working_dir.clone(),
        user: config.user.clone(),
        groups: host.group_add.clone().unwrap_or_default(),
        listed_groups: ListedGroups::WithoutGroup,
        tty: config.tty,
        terminal_size: terminal_size(host.console_size),
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        init: host.init.unwrap_or(false),
        hostname: config.hostname.clone(),
        domainname: config.domainname.clone(),
        labels: config.labels.clone().unwrap_or_default(),
        annotations: host.annotations.clone().unwrap_or_default(),
        isolation: isolation::isolation(host, lookup)?,
        resources: resources::resources(host),
        mounts: mounts::mounts(config, host, version.since(44))?,
        volumes_from: volumes_from(host, lookup)?,
        shm_size: u64::try_from(host.shm_size).unwrap_or(0),
        read_only_rootfs: host.readonly_rootfs,
        network: networking::networking(config, host, &request.networking, lookup)?,
        restart: policy::restart(&host.restart_policy),
        auto_remove: host.auto_remove,
        stop_signal: config.stop_signal.clone(),
        stop_timeout: config.stop_timeout,
        healthcheck: policy::healthcheck(config)?,
        log,
    };
    Ok((
        spec,
        Door {
            config: request.config,
            host: request.host,
        },
    ))
}

fn terminal_size([height, width]: [u64; 2]) -> Option<(u16, u16)> {
    let side = |length: u64| u16::try_from(length).ok().filter(|length| *length > 0);
    side(height).zip(side(width))
}

fn volumes_from(host: &HostConfig, lookup: &dyn Lookup) -> Result<Vec<(String, bool)>, ApiError> {
    let find = |text: &String| {
        let (name, read_only) = mounts::volumes_from(text)?;
        let id = lookup
            .container(&name)
            .map_err(|error| ApiError::bad(error.message))?;
        Ok((id, read_only))
    };
    host.volumes_from.iter().flatten().map(find).collect()
}

/// Upstream's defaults, which `inspect` shows as if they had been asked for.
fn defaults(config: &mut Config, host: &mut HostConfig, info: &HostInfo) {
    let unset = |text: &mut String, value: &str| {
        if text.is_empty() {
            text.push_str(value);
        }
    };
    if !config.working_dir.is_empty() {
        config.working_dir = crate::convert::path::clean(&config.working_dir);
    }
    if host.memory > 0 && host.memory_swap == 0 {
        host.memory_swap = host.memory.saturating_mul(2);
    }
    if host.shm_size == 0 {
        host.shm_size = SHM_SIZE;
    }
    unset(&mut host.ipc_mode, "private");
    unset(
        &mut host.cgroupns_mode,
        if info.cgroup_version == 2 {
            "private"
        } else {
            "host"
        },
    );
    unset(&mut host.runtime, "runc");
    if host.privileged || shares_with_host(host) {
        let labelled = host
            .security_opt
            .iter()
            .flatten()
            .any(|option| option.starts_with("label"));
        if !labelled {
            host.security_opt
                .get_or_insert_default()
                .push("label=disable".into());
        }
    }
    host.oom_kill_disable = host
        .oom_kill_disable
        .filter(|_| info.cgroup_version != 2)
        .or(Some(false));
    host.pids_limit = host.pids_limit.filter(|limit| *limit > 0);
    default_paths(host);
}

/// SELinux labels mean nothing where processes or IPC are the host's; upstream says so itself.
fn shares_with_host(host: &HostConfig) -> bool {
    host.ipc_mode == "host" || host.pid_mode == "host"
}

/// What is masked and read-only in a container that is not privileged is shown by `inspect`.
fn default_paths(host: &mut HostConfig) {
    if host.privileged {
        return;
    }
    let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    host.masked_paths.get_or_insert_with(|| list(MASKED_PATHS));
    host.readonly_paths.get_or_insert_with(|| list(READONLY_PATHS));
}
