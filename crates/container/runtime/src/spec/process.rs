//! OCI runtime-spec 1.3 §config "Process".

use super::LinuxIoPriority;

object! {
    /// The program a container runs, or `exec` adds to it.
    #[derive(Default)]
    pub struct Process {
        required {
            /// The working directory; absolute inside the container.
            cwd: String,
        }
        optional {
            /// Whether a pseudo-terminal is attached.
            terminal: bool,
            /// The size of that terminal.
            console_size: Option<ConsoleSize>,
            /// Who the process runs as. The specification requires it; like runc we read its
            /// absence as root.
            user: User,
            /// The argument vector; required by the time `start` is called.
            args: Vec<String>,
            /// The environment, `NAME=value` each.
            env: Vec<String>,
            /// The capability sets.
            capabilities: Option<LinuxCapabilities>,
            /// Resource limits; each type at most once.
            rlimits: Vec<PosixRlimit>,
            /// Sets `no_new_privs` before exec.
            no_new_privileges: bool,
            /// AppArmor profile name.
            apparmor_profile: String,
            /// Adjustment of the out-of-memory score, -1000..=1000.
            oom_score_adj: Option<i32>,
            /// Scheduling attributes: sched_setattr(2).
            scheduler: Option<Scheduler>,
            /// SELinux label of the process.
            selinux_label: String,
            /// I/O scheduling class and priority: ioprio_set(2).
            io_priority: Option<LinuxIoPriority>,
            /// CPU affinity of `exec` processes.
            #[serde(rename = "execCPUAffinity")]
            exec_cpu_affinity: Option<CpuAffinity>,
        }
    }

    /// Size of a terminal in characters.
    #[derive(Default)]
    pub struct ConsoleSize {
        required {
            /// Rows.
            height: u32,
            /// Columns.
            width: u32,
        }
        optional {}
    }

    /// §config "POSIX-platform User".
    #[derive(Default)]
    pub struct User {
        required {}
        optional {
            /// User id inside the container.
            uid: u32,
            /// Group id inside the container.
            gid: u32,
            /// The file mode creation mask; the runtime's own when absent.
            umask: Option<u32>,
            /// Supplementary group ids.
            additional_gids: Vec<u32>,
        }
    }

    /// Capability names for each of the five sets. Names stay text: the specification wants a
    /// name this kernel does not know to be a warning, not an error.
    #[derive(Default)]
    pub struct LinuxCapabilities {
        required {}
        optional {
            /// The bounding set.
            bounding: Vec<String>,
            /// The effective set.
            effective: Vec<String>,
            /// The inheritable set.
            inheritable: Vec<String>,
            /// The permitted set.
            permitted: Vec<String>,
            /// The ambient set.
            ambient: Vec<String>,
        }
    }

    /// One resource limit: setrlimit(2); `u64::MAX` is no limit.
    pub struct PosixRlimit {
        required {
            /// Which resource.
            #[serde(rename = "type")]
            kind: RlimitType,
            /// The ceiling of the soft limit.
            hard: u64,
            /// The limit the kernel enforces.
            soft: u64,
        }
        optional {}
    }

    /// §config "Scheduler": the fields of `struct sched_attr`.
    pub struct Scheduler {
        required {
            /// The policy.
            policy: SchedulerPolicy,
        }
        optional {
            /// Nice value for SCHED_OTHER and SCHED_BATCH.
            nice: i32,
            /// Static priority for SCHED_FIFO and SCHED_RR.
            priority: i32,
            /// Flags.
            flags: Vec<SchedulerFlag>,
            /// SCHED_DEADLINE: nanoseconds of running time in each period.
            runtime: u64,
            /// SCHED_DEADLINE: nanoseconds to the deadline.
            deadline: u64,
            /// SCHED_DEADLINE: nanoseconds of the period.
            period: u64,
        }
    }

    /// CPU lists (`0-3,7`) for `exec`: at first, and after the move into the container's cgroup.
    #[derive(Default)]
    pub struct CpuAffinity {
        required {}
        optional {
            /// Before the process is in the container's cgroup.
            initial: String,
            /// Afterwards.
            #[serde(rename = "final")]
            last: String,
        }
    }
}

words! {
    /// The resources of setrlimit(2) on Linux.
    pub enum RlimitType {
        As = "RLIMIT_AS",
        Core = "RLIMIT_CORE",
        Cpu = "RLIMIT_CPU",
        Data = "RLIMIT_DATA",
        Fsize = "RLIMIT_FSIZE",
        Locks = "RLIMIT_LOCKS",
        Memlock = "RLIMIT_MEMLOCK",
        Msgqueue = "RLIMIT_MSGQUEUE",
        Nice = "RLIMIT_NICE",
        Nofile = "RLIMIT_NOFILE",
        Nproc = "RLIMIT_NPROC",
        Rss = "RLIMIT_RSS",
        Rtprio = "RLIMIT_RTPRIO",
        Rttime = "RLIMIT_RTTIME",
        Sigpending = "RLIMIT_SIGPENDING",
        Stack = "RLIMIT_STACK",
    }

    /// Scheduling policies.
    pub enum SchedulerPolicy {
        Other = "SCHED_OTHER",
        Fifo = "SCHED_FIFO",
        Rr = "SCHED_RR",
        Batch = "SCHED_BATCH",
        Iso = "SCHED_ISO",
        Idle = "SCHED_IDLE",
        Deadline = "SCHED_DEADLINE",
    }

    /// Scheduling flags.
    pub enum SchedulerFlag {
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK",
        Reclaim = "SCHED_FLAG_RECLAIM",
        DlOverrun = "SCHED_FLAG_DL_OVERRUN",
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}
