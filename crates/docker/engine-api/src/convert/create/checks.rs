//! What makes a request impossible whatever image it names: upstream's checks with its sentences,
//! as tables of (condition, sentence). They run in upstream's order, because a request that is wrong
//! twice is answered with the first.

use runtime::capability::Capability;

use crate::error::ApiError;
use crate::host::HostInfo;
use crate::wire::config::{Config, Healthcheck};
use crate::wire::host_config::{HostConfig, RestartPolicy};

/// Docker's smallest memory limit: below it no program starts.
const MIN_MEMORY: i64 = 6 << 20;
/// Smallest duration of a healthcheck, in nanoseconds: one millisecond.
const MIN_DURATION: i64 = 1_000_000;

/// The first sentence whose condition holds, as a 400.
pub(crate) fn refuse<T: Into<String>>(table: impl IntoIterator<Item = (bool, T)>) -> Result<(), ApiError> {
    match table.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, sentence)) => Err(ApiError::bad(sentence)),
        None => Ok(()),
    }
}

fn any(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

/// Checks of the two halves against each other (upstream's decoder).
pub(crate) fn modes(config: &Config, host: &HostConfig, info: &HostInfo) -> Result<(), ApiError> {
    if host.network_mode == "container" || host.network_mode.starts_with("container:") {
        container_network(config, host)?;
    }
    let realtime = host.cpu_realtime_period != 0 || host.cpu_realtime_runtime != 0;
    refuse([
        (host.uts_mode == "host" && !config.hostname.is_empty(), "conflicting options: hostname and the UTS mode".to_owned()),
        (
            host.network_mode == "host" && any(&host.links),
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior".into(),
        ),
        (
            !matches!(host.isolation.to_lowercase().as_str(), "" | "default"),
            format!("invalid isolation ({}): linux only supports 'default'", host.isolation),
        ),
        (
            host.io_maximum_bandwidth != 0,
            "invalid option: QoS maximum bandwidth configuration is not supported on linux".into(),
        ),
        (host.io_maximum_iops != 0, "invalid option: QoS maximum IOPs configuration is not supported on linux".into()),
        (realtime && info.cgroup_version == 2, "kernel does not support CPU real-time scheduler".into()),
        (
            host.cpu_realtime_period != 0 && host.cpu_realtime_runtime > host.cpu_realtime_period,
            "cpu real-time runtime cannot be higher than cpu real-time period".into(),
        ),
        (
            host.cpu_shares < 0,
            format!("invalid CPU shares ({}): value must be a positive integer", host.cpu_shares),
        ),
    ])
}

fn container_network(config: &Config, host: &HostConfig) -> Result<(), ApiError> {
    let target = host.network_mode.strip_prefix("container:").unwrap_or("");
    let published = host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty());
    refuse([
        (
            target.is_empty(),
            "invalid network mode: invalid container format container:<name|id>",
        ),
        (
            !config.hostname.is_empty(),
            "conflicting options: hostname and the network mode",
        ),
        (
            any(&host.links),
            "conflicting options: container type network can't be used with links. This would result in undefined behavior",
        ),
        (any(&host.dns), "conflicting options: dns and the network mode"),
        (
            any(&host.extra_hosts),
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (
            published || host.publish_all_ports,
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            !config.exposed_ports.is_empty(),
            "conflicting options: port exposing and the container type network mode",
        ),
    ])
}

/// Checks of `Config` alone.
pub(crate) fn config(config: &Config) -> Result<(), ApiError> {
    refuse([(
        !config.working_dir.is_empty() && !config.working_dir.starts_with('/'),
        format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            config.working_dir
        ),
    )])?;
    if !config.stop_signal.is_empty() {
        crate::convert::signal::parse(&config.stop_signal)?;
    }
    let env = config.env.iter().flatten();
    refuse(env.map(|entry| {
        (
            entry.is_empty() || entry.starts_with('='),
            format!("invalid environment variable: {entry}"),
        )
    }))?;
    config.healthcheck.as_ref().map_or(Ok(()), healthcheck)
}

fn healthcheck(check: &Healthcheck) -> Result<(), ApiError> {
    let short = |duration: i64| duration != 0 && duration < MIN_DURATION;
    refuse([
        (
            short(check.interval),
            "Interval in Healthcheck cannot be less than 1ms",
        ),
        (
            short(check.timeout),
            "Timeout in Healthcheck cannot be less than 1ms",
        ),
        (check.retries < 0, "Retries in Healthcheck cannot be negative"),
        (
            short(check.start_period),
            "StartPeriod in Healthcheck cannot be less than 1ms",
        ),
        (
            short(check.start_interval),
            "StartInterval in Healthcheck cannot be less than 1ms",
        ),
    ])
}

/// The sentence for a restart policy that makes no sense.
pub(crate) fn restart_policy(policy: &RestartPolicy) -> Result<(), ApiError> {
    let negative = policy.maximum_retry_count < 0;
    match policy.name.as_str() {
        "" => Ok(()),
        "on-failure" => refuse([(
            negative,
            "invalid restart policy: maximum retry count cannot be negative",
        )]),
        "no" | "always" | "unless-stopped" => refuse([
            (
                negative,
                "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
            ),
            (
                policy.maximum_retry_count != 0,
                "invalid restart policy: maximum retry count can only be used with 'on-failure'",
            ),
        ]),
        unknown => Err(ApiError::bad(format!(
            "invalid restart policy: unknown policy '{unknown}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        ))),
    }
}

/// Checks of `HostConfig` that need nothing of the host but its size.
pub(crate) fn host_config(host: &HostConfig, info: &HostInfo) -> Result<(), ApiError> {
    let extra_hosts = host.extra_hosts.iter().flatten();
    refuse(extra_hosts.filter_map(|entry| extra_host(entry).map(|sentence| (true, sentence))))?;
    super::ports::check(host)?;
    restart_policy(&host.restart_policy)?;
    capabilities("CapAdd", &host.cap_add)?;
    capabilities("CapDrop", &host.cap_drop)?;
    let annotations = host.annotations.iter().flatten();
    refuse(annotations.map(|(key, _)| {
        (
            key.is_empty(),
            "invalid Annotations: the empty string is not permitted as an annotation key",
        )
    }))?;
    resources(host, info, false)?;
    namespaces(host)
}

/// `NAME:ADDRESS`, where the address may contain colons.
fn extra_host(entry: &str) -> Option<String> {
    match entry.split_once(':') {
        Some((name, address)) if !name.is_empty() => {
            let known = address == "host-gateway" || address.trim().parse::<std::net::IpAddr>().is_ok();
            (!known).then(|| format!("invalid IP address in add-host: {address:?}"))
        }
        _ => Some(format!("bad format for add-host: {entry:?}")),
    }
}

fn capabilities(property: &str, names: &Option<Vec<String>>) -> Result<(), ApiError> {
    let names = names.iter().flatten().map(|name| normal_capability(name));
    refuse(names.map(|name| {
        let known = name == "ALL" || Capability::parse(&name).is_some();
        (
            !known,
            format!("invalid {property}: unknown capability: {name:?}"),
        )
    }))
}

/// `net_admin` is `CAP_NET_ADMIN`; `all` stays `ALL`.
pub(crate) fn normal_capability(name: &str) -> String {
    let upper = name.to_uppercase();
    if upper == "ALL" || upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    }
}

/// Checks of limits; an update may set the swap limit of a container whose memory is limited already.
pub(crate) fn resources(host: &HostConfig, info: &HostInfo, update: bool) -> Result<(), ApiError> {
    let cpus = i64::try_from(info.cpus).unwrap_or(i64::MAX);
    let swappiness = host.memory_swappiness.unwrap_or(-1);
    refuse([
        (
            host.memory != 0 && host.memory < MIN_MEMORY,
            "Minimum memory limit allowed is 6MB".to_owned(),
        ),
        (
            host.memory > 0 && host.memory_swap > 0 && host.memory_swap < host.memory,
            "Minimum memoryswap limit should be larger than memory limit, see usage".into(),
        ),
        (
            host.memory == 0 && host.memory_swap > 0 && !update,
            "You should always set the Memory limit when using Memoryswap limit, see usage".into(),
        ),
        (
            swappiness != -1 && !(0..=100).contains(&swappiness),
            format!("Invalid value: {swappiness}, valid memory swappiness range is 0-100"),
        ),
        (
            host.memory_reservation > 0 && host.memory_reservation < MIN_MEMORY,
            "Minimum memory reservation allowed is 6MB".into(),
        ),
        (
            host.memory > 0 && host.memory < host.memory_reservation,
            "Minimum memory limit can not be less than memory reservation limit, see usage".into(),
        ),
        (
            host.nano_cpus > 0 && host.cpu_period > 0,
            "Conflicting options: Nano CPUs and CPU Period cannot both be set".into(),
        ),
        (
            host.nano_cpus > 0 && host.cpu_quota > 0,
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set".into(),
        ),
        (
            host.nano_cpus < 0 || host.nano_cpus > cpus.saturating_mul(1_000_000_000),
            format!("range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"),
        ),
        (
            host.cpu_period != 0 && !(1000..=1_000_000).contains(&host.cpu_period),
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)".into(),
        ),
        (
            host.cpu_quota > 0 && host.cpu_quota < 1000,
            "CPU cfs quota can not be less than 1ms (i.e. 1000)".into(),
        ),
    ])?;
    super::resources::cpuset(&host.cpuset_cpus, "cpus")?;
    // The weight of block I/O counts only where the host has one: the engine knows.
    super::resources::cpuset(&host.cpuset_mems, "mems")
}

fn namespaces(host: &HostConfig) -> Result<(), ApiError> {
    let of_container = |mode: &str| {
        mode.strip_prefix("container:")
            .is_some_and(|name| !name.is_empty())
    };
    let ipc = &host.ipc_mode;
    refuse([
        (
            !matches!(ipc.as_str(), "" | "none" | "private" | "shareable" | "host") && !of_container(ipc),
            format!("invalid IPC mode: {ipc}"),
        ),
        (
            !matches!(host.pid_mode.as_str(), "" | "host") && !of_container(&host.pid_mode),
            format!("invalid PID mode: {}", host.pid_mode),
        ),
        (host.shm_size < 0, "SHM size can not be less than 0".into()),
        (
            !matches!(host.uts_mode.as_str(), "" | "host"),
            format!("invalid UTS mode: {}", host.uts_mode),
        ),
        (
            !(-1000..=1000).contains(&host.oom_score_adj),
            format!(
                "Invalid value {}, range for oom score adj is [-1000, 1000]",
                host.oom_score_adj
            ),
        ),
        (
            !matches!(host.runtime.as_str(), "" | "runc" | "io.containerd.runc.v2"),
            format!("unknown or invalid runtime name: {}", host.runtime),
        ),
        (
            !matches!(host.cgroupns_mode.as_str(), "" | "private" | "host"),
            format!("invalid cgroup namespace mode: {}", host.cgroupns_mode),
        ),
        (
            !matches!(host.userns_mode.as_str(), "" | "host"),
            format!("invalid USER mode: {}", host.userns_mode),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn info() -> HostInfo {
        HostInfo {
            cpus: 2,
            cgroup_version: 1,
            ..HostInfo::default()
        }
    }

    fn refusal(own: Value, host: Value) -> Option<String> {
        let (own, host): (Config, HostConfig) = (
            serde_json::from_value(own).unwrap(),
            serde_json::from_value(host).unwrap(),
        );
        let checked = modes(&own, &host, &info())
            .and_then(|()| config(&own))
            .and_then(|()| host_config(&host, &info()));
        checked.err().map(|error| error.message)
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_upstreams_words() {
        for (own, host, sentence) in [
            (
                json!({"WorkingDir": "rel"}),
                json!({}),
                "the working directory 'rel' is invalid, it needs to be an absolute path",
            ),
            (
                json!({"Env": ["=x"]}),
                json!({}),
                "invalid environment variable: =x",
            ),
            (json!({"StopSignal": "NOPE"}), json!({}), "invalid signal: NOPE"),
            (
                json!({"Healthcheck": {"Interval": 5}}),
                json!({}),
                "Interval in Healthcheck cannot be less than 1ms",
            ),
            (
                json!({"Healthcheck": {"Retries": -1}}),
                json!({}),
                "Retries in Healthcheck cannot be negative",
            ),
            (
                json!({}),
                json!({"Memory": 1}),
                "Minimum memory limit allowed is 6MB",
            ),
            (
                json!({}),
                json!({"MemorySwap": 100_000_000}),
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ),
            (
                json!({}),
                json!({"NanoCpus": 10_000_000_000_000_i64}),
                "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
            ),
            (
                json!({}),
                json!({"CapAdd": ["NOPE"]}),
                "invalid CapAdd: unknown capability: \"CAP_NOPE\"",
            ),
            (
                json!({}),
                json!({"CapDrop": ["cap_nope"]}),
                "invalid CapDrop: unknown capability: \"CAP_NOPE\"",
            ),
            (json!({}), json!({"PidMode": "zz"}), "invalid PID mode: zz"),
            (
                json!({}),
                json!({"PidMode": "container:"}),
                "invalid PID mode: container:",
            ),
            (json!({}), json!({"IpcMode": "zz"}), "invalid IPC mode: zz"),
            (json!({}), json!({"UTSMode": "zz"}), "invalid UTS mode: zz"),
            (
                json!({}),
                json!({"CgroupnsMode": "zz"}),
                "invalid cgroup namespace mode: zz",
            ),
            (
                json!({}),
                json!({"Runtime": "zz"}),
                "unknown or invalid runtime name: zz",
            ),
            (
                json!({}),
                json!({"Isolation": "hyperv"}),
                "invalid isolation (hyperv): linux only supports 'default'",
            ),
            (
                json!({}),
                json!({"OomScoreAdj": 1001}),
                "Invalid value 1001, range for oom score adj is [-1000, 1000]",
            ),
            (
                json!({}),
                json!({"ShmSize": -1}),
                "SHM size can not be less than 0",
            ),
            (
                json!({}),
                json!({"ExtraHosts": ["x"]}),
                "bad format for add-host: \"x\"",
            ),
            (
                json!({}),
                json!({"ExtraHosts": ["x:y"]}),
                "invalid IP address in add-host: \"y\"",
            ),
            (
                json!({}),
                json!({"RestartPolicy": {"Name": "zz"}}),
                "invalid restart policy: unknown policy 'zz'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
            ),
            (
                json!({}),
                json!({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 1}}),
                "invalid restart policy: maximum retry count can only be used with 'on-failure'",
            ),
            (
                json!({"Hostname": "a"}),
                json!({"NetworkMode": "container:b"}),
                "conflicting options: hostname and the network mode",
            ),
            (
                json!({}),
                json!({"NetworkMode": "container:"}),
                "invalid network mode: invalid container format container:<name|id>",
            ),
            (
                json!({"Hostname": "a"}),
                json!({"UTSMode": "host"}),
                "conflicting options: hostname and the UTS mode",
            ),
            (
                json!({}),
                json!({"CpuShares": -1}),
                "invalid CPU shares (-1): value must be a positive integer",
            ),
            (
                json!({}),
                json!({"CpuPeriod": 1}),
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            ),
            (
                json!({}),
                json!({"PortBindings": {"x/tcp": []}}),
                "invalid port specification: \"x\"",
            ),
        ] {
            assert_eq!(refusal(own, host).as_deref(), Some(sentence));
        }
    }

    #[test]
    fn what_clients_send_by_default_passes() {
        let host = json!({"MemorySwappiness": -1, "IpcMode": "container:a", "CapAdd": ["all", "net_admin"],
            "ExtraHosts": ["a:host-gateway", "b:::1"], "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}});
        assert_eq!(
            refusal(json!({"StopSignal": "RTMIN+3", "Env": ["A"]}), host),
            None
        );
    }
}
