//! OCI runtime-spec 1.3 §config-linux "Control groups": the `resources` object.
//!
//! Values are as written; what `-1` means and how a value becomes a kernel file is the business of
//! [`crate::cgroup`].

use std::collections::BTreeMap;

object! {
    /// Limits of a container.
    #[derive(Default)]
    pub struct LinuxResources {
        required {}
        optional {
            /// Device access rules, applied in order.
            devices: Vec<LinuxDeviceCgroup>,
            /// Memory.
            memory: Option<LinuxMemory>,
            /// CPU time and placement.
            cpu: Option<LinuxCpu>,
            /// Number of tasks.
            pids: Option<LinuxPids>,
            /// Block I/O.
            #[serde(rename = "blockIO")]
            block_io: Option<LinuxBlockIo>,
            /// Huge pages.
            hugepage_limits: Vec<LinuxHugepageLimit>,
            /// Network class and priorities (cgroup v1 only).
            network: Option<LinuxNetwork>,
            /// RDMA, by device name.
            rdma: BTreeMap<String, LinuxRdma>,
            /// cgroup v2 files as they are, by file name.
            unified: BTreeMap<String, String>,
        }
    }

    /// One device rule.
    #[derive(Default)]
    pub struct LinuxDeviceCgroup {
        required {
            /// Allowed or denied.
            allow: bool,
        }
        optional {
            /// Device type; all types when absent.
            #[serde(rename = "type")]
            kind: Option<DeviceRuleType>,
            /// Major number; absent or -1 is all.
            major: Option<i64>,
            /// Minor number; absent or -1 is all.
            minor: Option<i64>,
            /// Any of `r`, `w`, `m`; all when empty.
            access: String,
        }
    }

    /// Memory limits in bytes; -1 is no limit.
    #[derive(Default)]
    pub struct LinuxMemory {
        required {}
        optional {
            /// Memory.
            limit: Option<i64>,
            /// Soft limit.
            reservation: Option<i64>,
            /// Memory and swap together.
            swap: Option<i64>,
            /// Kernel memory: deprecated by the specification.
            kernel: Option<i64>,
            /// Kernel memory of TCP buffers.
            #[serde(rename = "kernelTCP")]
            kernel_tcp: Option<i64>,
            /// 0 to 100.
            swappiness: Option<u64>,
            /// Pauses tasks at the limit instead of killing one.
            #[serde(rename = "disableOOMKiller")]
            disable_oom_killer: Option<bool>,
            /// Hierarchical accounting.
            use_hierarchy: Option<bool>,
            /// On update, refuse a limit below the current usage.
            check_before_update: Option<bool>,
        }
    }

    /// CPU; times in microseconds.
    #[derive(Default)]
    pub struct LinuxCpu {
        required {}
        optional {
            /// Relative weight, 2 to 262144.
            shares: Option<u64>,
            /// Time allowed in each period; not positive is no limit.
            quota: Option<i64>,
            /// Unused time that may be saved up beyond the quota.
            burst: Option<u64>,
            /// The period.
            period: Option<u64>,
            /// Time for real-time tasks in each real-time period.
            realtime_runtime: Option<i64>,
            /// The real-time period.
            realtime_period: Option<u64>,
            /// CPU list, `0-3,7`.
            cpus: String,
            /// Memory node list.
            mems: String,
            /// 1 makes the group SCHED_IDLE.
            idle: Option<i64>,
        }
    }

    /// Number of tasks.
    #[derive(Default)]
    pub struct LinuxPids {
        required {}
        optional {
            /// The most tasks; see [`crate::cgroup`] for 0 and -1.
            limit: Option<i64>,
        }
    }

    /// Block I/O.
    #[derive(Default)]
    pub struct LinuxBlockIo {
        required {}
        optional {
            /// Relative weight, 10 to 1000.
            weight: Option<u16>,
            /// Weight against the group's own children (CFQ only).
            leaf_weight: Option<u16>,
            /// Weights by device.
            weight_device: Vec<LinuxWeightDevice>,
            /// Bytes read a second.
            throttle_read_bps_device: Vec<LinuxThrottleDevice>,
            /// Bytes written a second.
            throttle_write_bps_device: Vec<LinuxThrottleDevice>,
            /// Reads a second.
            #[serde(rename = "throttleReadIOPSDevice")]
            throttle_read_iops_device: Vec<LinuxThrottleDevice>,
            /// Writes a second.
            #[serde(rename = "throttleWriteIOPSDevice")]
            throttle_write_iops_device: Vec<LinuxThrottleDevice>,
        }
    }

    /// Weight of one device.
    #[derive(Default)]
    pub struct LinuxWeightDevice {
        required {
            /// Major number.
            major: i64,
            /// Minor number.
            minor: i64,
        }
        optional {
            /// Relative weight.
            weight: Option<u16>,
            /// Weight against the group's own children.
            leaf_weight: Option<u16>,
        }
    }

    /// Rate of one device.
    #[derive(Default)]
    pub struct LinuxThrottleDevice {
        required {
            /// Major number.
            major: i64,
            /// Minor number.
            minor: i64,
            /// Bytes or operations a second.
            rate: u64,
        }
        optional {}
    }

    /// Limit of one size of huge pages.
    #[derive(Default)]
    pub struct LinuxHugepageLimit {
        required {
            /// `<size><prefix>B`, e.g. `2MB`.
            page_size: String,
            /// Bytes.
            limit: u64,
        }
        optional {}
    }

    /// Network class and priorities.
    #[derive(Default)]
    pub struct LinuxNetwork {
        required {}
        optional {
            /// Class of the group's packets.
            #[serde(rename = "classID")]
            class_id: Option<u32>,
            /// Priorities by interface.
            priorities: Vec<LinuxInterfacePriority>,
        }
    }

    /// Priority of one interface.
    #[derive(Default)]
    pub struct LinuxInterfacePriority {
        required {
            /// Interface name.
            name: String,
            /// Its priority.
            priority: u32,
        }
        optional {}
    }

    /// Limits of one RDMA device.
    #[derive(Default)]
    pub struct LinuxRdma {
        required {}
        optional {
            /// Most handles.
            hca_handles: Option<u32>,
            /// Most objects.
            hca_objects: Option<u32>,
        }
    }
}

words! {
    /// Types of device rules; `a` is every type.
    pub enum DeviceRuleType {
        All = "a",
        Char = "c",
        Block = "b",
    }
}
