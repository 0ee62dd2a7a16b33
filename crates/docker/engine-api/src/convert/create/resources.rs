//! Limits and devices, for create and for update.

use engine::spec::{BlockIoLimit, DeviceMapping, Resources, Ulimit, WeightDevice};

use crate::error::ApiError;
use crate::wire::host_config::{HostConfig, ThrottleDevice};

/// The limits a `HostConfig` asks for. What upstream takes for "no limit" is no limit here.
pub(crate) fn resources(host: &HostConfig) -> Resources {
    Resources {
        memory: host.memory,
        memory_swap: host.memory_swap,
        memory_reservation: host.memory_reservation,
        memory_swappiness: host.memory_swappiness.filter(|swappiness| *swappiness >= 0),
        oom_kill_disable: host.oom_kill_disable.unwrap_or(false),
        // docker ends one process, as it always did.
        oom_group: false,
        oom_score_adj: i32::try_from(host.oom_score_adj).unwrap_or(0),
        nano_cpus: host.nano_cpus,
        cpu_shares: host.cpu_shares,
        cpu_period: host.cpu_period,
        cpu_quota: host.cpu_quota,
        cpu_realtime_period: host.cpu_realtime_period,
        cpu_realtime_runtime: host.cpu_realtime_runtime,
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        pids_limit: host.pids_limit.filter(|limit| *limit > 0),
        blkio_weight: host.blkio_weight,
        blkio_weight_device: host.blkio_weight_device.iter().flatten().map(weight).collect(),
        blkio_read_bps: throttles(&host.blkio_device_read_bps),
        blkio_write_bps: throttles(&host.blkio_device_write_bps),
        blkio_read_iops: throttles(&host.blkio_device_read_iops),
        blkio_write_iops: throttles(&host.blkio_device_write_iops),
        devices: host.devices.iter().flatten().map(device).collect(),
        device_cgroup_rules: host.device_cgroup_rules.clone().unwrap_or_default(),
        ulimits: host.ulimits.iter().flatten().map(ulimit).collect(),
        cgroup_parent: host.cgroup_parent.clone(),
    }
}

fn weight(device: &crate::wire::host_config::WeightDevice) -> WeightDevice {
    WeightDevice {
        path: device.path.clone(),
        weight: device.weight,
    }
}

fn throttles(devices: &Option<Vec<ThrottleDevice>>) -> Vec<BlockIoLimit> {
    let limit = |device: &ThrottleDevice| BlockIoLimit {
        path: device.path.clone(),
        rate: device.rate,
    };
    devices.iter().flatten().map(limit).collect()
}

/// A target that is not named is the source's path; permissions that are not named are all.
fn device(device: &crate::wire::host_config::DeviceMapping) -> DeviceMapping {
    let or = |text: &str, default: &str| {
        if text.is_empty() {
            default.to_owned()
        } else {
            text.to_owned()
        }
    };
    DeviceMapping {
        source: device.path_on_host.clone(),
        target: or(&device.path_in_container, &device.path_on_host),
        permissions: or(&device.cgroup_permissions, "rwm"),
    }
}

fn ulimit(limit: &crate::wire::host_config::Ulimit) -> Ulimit {
    Ulimit {
        name: limit.name.to_lowercase(),
        soft: limit.soft,
        hard: limit.hard,
    }
}

/// Refuses a list of processors or memory nodes that is none: `0-3,7`.
pub(crate) fn cpuset(list: &str, what: &str) -> Result<(), ApiError> {
    let sound = |part: &str| super::ports::range(part).is_some();
    if list.is_empty() || list.split(',').all(sound) {
        return Ok(());
    }
    Err(ApiError::bad(format!(
        "Invalid value {list} for cpuset {what}: invalid format: {list}"
    )))
}

/// Makes the limits of `current` what an update asks for; 0 and empty leave them as they are.
pub(crate) fn update(current: &mut HostConfig, update: &HostConfig) {
    macro_rules! overlay {
        ($($number:ident),*; $($text:ident),*; $($optional:ident),*) => {
            $(if update.$number != 0 { current.$number = update.$number; })*
            $(if !update.$text.is_empty() { current.$text.clone_from(&update.$text); })*
            $(if update.$optional.is_some() { current.$optional.clone_from(&update.$optional); })*
        };
    }
    overlay!(
        blkio_weight, cpu_shares, nano_cpus, cpu_period, cpu_quota, cpu_realtime_period,
        cpu_realtime_runtime, memory, memory_reservation, memory_swap;
        cpuset_cpus, cpuset_mems;
        pids_limit
    );
    if !update.restart_policy.name.is_empty() {
        current.restart_policy.clone_from(&update.restart_policy);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host(value: serde_json::Value) -> HostConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn no_limit_is_said_in_many_ways() {
        let limits = resources(&host(json!({"MemorySwappiness": -1, "PidsLimit": -1})));
        assert_eq!((limits.memory_swappiness, limits.pids_limit), (None, None));
        assert_eq!(resources(&host(json!({"PidsLimit": 0}))).pids_limit, None);
        assert_eq!(resources(&host(json!({"PidsLimit": 5}))).pids_limit, Some(5));
    }

    #[test]
    fn devices_have_defaults() {
        let limits = resources(&host(json!({"Devices": [{"PathOnHost": "/dev/a"}]})));
        let device = &limits.devices[0];
        assert_eq!(
            (device.target.as_str(), device.permissions.as_str()),
            ("/dev/a", "rwm")
        );
    }

    #[test]
    fn cpusets_are_lists() {
        for (list, sound) in [
            ("", true),
            ("0", true),
            ("0-3,7", true),
            ("a", false),
            ("3-1", false),
            ("0,,1", false),
        ] {
            assert_eq!(cpuset(list, "cpus").is_ok(), sound, "{list}");
        }
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let mut current = host(json!({"Memory": 10, "CpusetCpus": "0", "RestartPolicy": {"Name": "no"}}));
        let asked = json!({"CpuQuota": 2000, "Memory": 20, "RestartPolicy": {"Name": "always"}});
        update(&mut current, &host(asked));
        assert_eq!((current.memory, current.cpu_quota), (20, 2000));
        assert_eq!(
            (current.cpuset_cpus.as_str(), current.restart_policy.name.as_str()),
            ("0", "always")
        );
    }
}
