//! OCI runtime-spec 1.3 §config-linux, but for resources and seccomp.

use std::collections::BTreeMap;

use super::{LinuxResources, LinuxSeccomp};

object! {
    /// The `linux` object.
    #[derive(Default)]
    pub struct Linux {
        required {}
        optional {
            /// User ids of the user namespace.
            #[serde(rename = "uidMappings")]
            uid_mappings: Vec<LinuxIdMapping>,
            /// Group ids of the user namespace.
            #[serde(rename = "gidMappings")]
            gid_mappings: Vec<LinuxIdMapping>,
            /// Kernel parameters, `net.ipv4.ip_forward` → value.
            sysctl: BTreeMap<String, String>,
            /// Limits, enforced by cgroups.
            resources: Option<LinuxResources>,
            /// The cgroup: absolute from the hierarchy's root, or relative to where the runtime chooses.
            cgroups_path: String,
            /// Namespaces to create or to join; a type that is not named is inherited.
            namespaces: Vec<LinuxNamespace>,
            /// Device nodes to make available.
            devices: Vec<LinuxDevice>,
            /// Network devices moved in, by their name on the host.
            net_devices: BTreeMap<String, LinuxNetDevice>,
            /// System call filter.
            seccomp: Option<LinuxSeccomp>,
            /// Propagation of the root mount.
            rootfs_propagation: Option<RootfsPropagation>,
            /// Paths made unreadable.
            masked_paths: Vec<String>,
            /// Paths made read-only.
            readonly_paths: Vec<String>,
            /// SELinux label of the mounts.
            mount_label: String,
            /// Intel Resource Director Technology.
            intel_rdt: Option<LinuxIntelRdt>,
            /// NUMA memory policy: set_mempolicy(2).
            memory_policy: Option<LinuxMemoryPolicy>,
            /// Execution domain: personality(2).
            personality: Option<LinuxPersonality>,
            /// Clock offsets of the time namespace.
            time_offsets: BTreeMap<TimeClock, LinuxTimeOffset>,
        }
    }

    /// One range of a user namespace's mapping.
    #[derive(Default, Copy)]
    pub struct LinuxIdMapping {
        required {
            /// First id inside the container.
            #[serde(rename = "containerID")]
            container_id: u32,
            /// First id on the host.
            #[serde(rename = "hostID")]
            host_id: u32,
            /// How many ids.
            size: u32,
        }
        optional {}
    }

    /// One namespace.
    pub struct LinuxNamespace {
        required {
            /// Its type; each at most once.
            #[serde(rename = "type")]
            kind: NamespaceType,
        }
        optional {
            /// A namespace file to join; empty creates a new one.
            path: String,
        }
    }

    /// §config-linux "Devices".
    pub struct LinuxDevice {
        required {
            /// Full path inside the container.
            path: String,
            /// Its type.
            #[serde(rename = "type")]
            kind: DeviceType,
        }
        optional {
            /// Major number; not for a FIFO.
            major: i64,
            /// Minor number; not for a FIFO.
            minor: i64,
            /// Permission bits.
            file_mode: Option<u32>,
            /// Owner inside the container.
            uid: Option<u32>,
            /// Group inside the container.
            gid: Option<u32>,
        }
    }

    /// A network device that is moved in.
    #[derive(Default)]
    pub struct LinuxNetDevice {
        required {}
        optional {
            /// Its name inside; empty keeps the host's.
            name: String,
        }
    }

    /// §config-linux "IntelRdt".
    #[derive(Default)]
    pub struct LinuxIntelRdt {
        required {}
        optional {
            /// Class of service.
            #[serde(rename = "closID")]
            clos_id: String,
            /// Lines written to the schemata file as they are.
            schemata: Vec<String>,
            /// `L3:<id>=<mask>;...`
            l3_cache_schema: String,
            /// `MB:<id>=<bandwidth>;...`
            mem_bw_schema: String,
            /// Whether a monitoring group of its own is made.
            enable_monitoring: bool,
        }
    }

    /// §config-linux "Memory policy".
    pub struct LinuxMemoryPolicy {
        required {
            /// The mode.
            mode: MemoryPolicyMode,
        }
        optional {
            /// Node list, `0-1,3`.
            nodes: String,
            /// Mode flags.
            flags: Vec<MemoryPolicyFlag>,
        }
    }

    /// §config-linux "Personality". The specification defines no flags yet.
    pub struct LinuxPersonality {
        required {
            /// The domain.
            domain: PersonalityDomain,
        }
        optional {
            /// Reserved.
            flags: Vec<String>,
        }
    }

    /// One clock's offset from the host's.
    #[derive(Default, Copy)]
    pub struct LinuxTimeOffset {
        required {}
        optional {
            /// Seconds.
            secs: i64,
            /// Nanoseconds in addition.
            nanosecs: u32,
        }
    }

    /// I/O priority: ioprio_set(2).
    pub struct LinuxIoPriority {
        required {
            /// The class.
            class: IoPriorityClass,
        }
        optional {
            /// 0 (highest) to 7 within the class.
            priority: i32,
        }
    }
}

words! {
    /// Namespace types.
    pub enum NamespaceType {
        Pid = "pid",
        Network = "network",
        Mount = "mount",
        Ipc = "ipc",
        Uts = "uts",
        User = "user",
        Cgroup = "cgroup",
        Time = "time",
    }

    /// Types of device nodes; `u` is an unbuffered character device.
    pub enum DeviceType {
        Char = "c",
        Block = "b",
        Unbuffered = "u",
        Fifo = "p",
    }

    /// Propagation of the root mount, each word with its recursive form as runc has it.
    pub enum RootfsPropagation {
        Shared = "shared",
        Slave = "slave",
        Private = "private",
        Unbindable = "unbindable",
        Rshared = "rshared",
        Rslave = "rslave",
        Rprivate = "rprivate",
        Runbindable = "runbindable",
    }

    /// set_mempolicy(2) modes.
    pub enum MemoryPolicyMode {
        Default = "MPOL_DEFAULT",
        Bind = "MPOL_BIND",
        Interleave = "MPOL_INTERLEAVE",
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        Preferred = "MPOL_PREFERRED",
        PreferredMany = "MPOL_PREFERRED_MANY",
        Local = "MPOL_LOCAL",
    }

    /// set_mempolicy(2) flags.
    pub enum MemoryPolicyFlag {
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        StaticNodes = "MPOL_F_STATIC_NODES",
    }

    /// Execution domains.
    pub enum PersonalityDomain {
        Linux = "LINUX",
        Linux32 = "LINUX32",
    }

    /// Clocks of a time namespace.
    pub enum TimeClock {
        Monotonic = "monotonic",
        Boottime = "boottime",
    }

    /// I/O scheduling classes.
    pub enum IoPriorityClass {
        RealTime = "IOPRIO_CLASS_RT",
        BestEffort = "IOPRIO_CLASS_BE",
        Idle = "IOPRIO_CLASS_IDLE",
    }
}
