//! Limits and devices. Zero or absent means not limited, as in `HostConfig.Resources`.

use serde::{Deserialize, Serialize};

/// Limits and devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: i64,
    /// Bytes of memory and swap together; -1 for no limit of swap, 0 for twice the memory.
    pub memory_swap: i64,
    /// Bytes of memory left to it under pressure.
    pub memory_reservation: i64,
    /// 0 to 100; absent or -1 for the host's.
    pub memory_swappiness: Option<i64>,
    /// Whether the OOM killer leaves it alone.
    pub oom_kill_disable: bool,
    /// Whether the OOM killer takes all of its processes when it takes one; on cgroup v2 alone, elsewhere it takes one.
    pub oom_group: bool,
    /// -1000 to 1000.
    pub oom_score_adj: i32,

    /// Billionths of a processor (`--cpus`).
    pub nano_cpus: i64,
    /// Relative weight, 2 to 262144; 1024 is a container's usual share.
    pub cpu_shares: i64,
    /// Microseconds.
    pub cpu_period: i64,
    /// Microseconds of running in each period.
    pub cpu_quota: i64,
    /// Microseconds.
    pub cpu_realtime_period: i64,
    /// Microseconds.
    pub cpu_realtime_runtime: i64,
    /// Processors, `0-3,7`.
    pub cpuset_cpus: String,
    /// Memory nodes, `0-3,7`.
    pub cpuset_mems: String,

    /// Processes; 0 or -1 for no limit, absent where nothing was said.
    pub pids_limit: Option<i64>,

    /// Relative weight, 10 to 1000.
    pub blkio_weight: u16,
    /// The same by device.
    pub blkio_weight_device: Vec<WeightDevice>,
    /// Bytes a second.
    pub blkio_read_bps: Vec<BlockIoLimit>,
    /// Bytes a second.
    pub blkio_write_bps: Vec<BlockIoLimit>,
    /// Operations a second.
    pub blkio_read_iops: Vec<BlockIoLimit>,
    /// Operations a second.
    pub blkio_write_iops: Vec<BlockIoLimit>,

    /// Host devices made available.
    pub devices: Vec<DeviceMapping>,
    /// Rules of the device cgroup, `c 42:* rmw` each.
    pub device_cgroup_rules: Vec<String>,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,
    /// The cgroup below which the container's is made; empty for the node's own.
    pub cgroup_parent: String,
}

/// A weight for one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightDevice {
    /// Path of the device on the host.
    pub path: String,
    /// 10 to 1000.
    pub weight: u16,
}

/// A rate for one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockIoLimit {
    /// Path of the device on the host.
    pub path: String,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// A host device (or a directory of them) made available.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMapping {
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Some of `r`, `w`, `m`.
    pub permissions: String,
}

/// A resource limit: setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Lower-case name without `RLIMIT_`, such as `nofile`.
    pub name: String,
    /// What is enforced; -1 for no limit.
    pub soft: i64,
    /// Its ceiling; -1 for no limit.
    pub hard: i64,
}
