//! A container's use of the machine, as `docker stats` shows it.
//!
//! [`Stats::read`] reads; everything else is arithmetic. One sample holds what the Engine API's
//! statistics object needs of either version of cgroups; a door computes percentages from two.

use std::collections::BTreeMap;
use std::{fs, io};

use jiff::Timestamp;
use runtime::cgroup::{Cgroup, Stats as Usage};

/// Clock ticks a second: `/proc/stat` counts in hundredths on every machine Linux runs on.
const NANOS_PER_TICK: u64 = 10_000_000;

/// Counters of one network interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Errors of reception.
    pub rx_errors: u64,
    /// Packets received and thrown away.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Errors of sending.
    pub tx_errors: u64,
    /// Packets not sent.
    pub tx_dropped: u64,
}

/// Counters of one block device, for one direction or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// `read` or `write`.
    pub operation: &'static str,
    /// Bytes or operations.
    pub value: u64,
}

/// One sample of a container that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// When it was taken; absent for a container that does not run.
    pub read: Option<Timestamp>,
    /// Tasks.
    pub pids: u64,
    /// The most tasks; absent for no limit.
    pub pids_limit: Option<u64>,
    /// Processor.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Bytes by block device and direction.
    pub block_bytes: Vec<BlockEntry>,
    /// Operations by block device and direction.
    pub block_operations: Vec<BlockEntry>,
    /// By interface name.
    pub networks: BTreeMap<String, NetworkCounters>,
}

/// Processor time, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// All of it.
    pub total: u64,
    /// In user mode.
    pub user: u64,
    /// In kernel mode.
    pub kernel: u64,
    /// Of the whole machine, all processors together.
    pub machine: u64,
    /// Processors.
    pub online: u32,
    /// Bandwidth periods that have passed.
    pub periods: u64,
    /// Periods in which it was throttled.
    pub throttled_periods: u64,
    /// For how long.
    pub throttled_time: u64,
}

/// Memory, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// In use, page cache included.
    pub usage: u64,
    /// The most there was; absent where the kernel does not say (cgroup v2 before 5.19).
    pub peak: Option<u64>,
    /// The limit: the container's, or all memory of the machine.
    pub limit: u64,
    /// How often the kernel killed a task for want of memory.
    pub failures: u64,
    /// `memory.stat` with the names of the kernel's version.
    pub detail: BTreeMap<String, u64>,
    /// Whether `detail` is cgroup v2's, which the client subtracts the cache by.
    pub v2: bool,
}

/// What the machine as a whole has done, and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Processor time of all processors, nanoseconds.
    pub cpu: u64,
    /// Processors that run.
    pub online: u32,
    /// Bytes of memory.
    pub memory: u64,
}

impl Machine {
    /// Reads the machine's numbers.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn read() -> io::Result<Self> {
        let (stat, meminfo) = (
            fs::read_to_string("/proc/stat")?,
            fs::read_to_string("/proc/meminfo")?,
        );
        Ok(Self::parse(&stat, &meminfo))
    }

    fn parse(stat: &str, meminfo: &str) -> Self {
        let cpus = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
        let (all, each): (Vec<&str>, Vec<&str>) = cpus.partition(|line| line.starts_with(' '));
        // user nice system idle iowait irq softirq; what follows is counted in these already.
        let ticks = all.first().map_or(0, |line| {
            line.split_whitespace()
                .take(7)
                .filter_map(|field| field.parse::<u64>().ok())
                .sum::<u64>()
        });
        let memory = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kilobytes = memory.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            cpu: ticks * NANOS_PER_TICK,
            online: u32::try_from(each.len()).unwrap_or(u32::MAX),
            memory: kilobytes.unwrap_or(0) * 1024,
        }
    }
}

impl Stats {
    /// Reads a running container's numbers; `networks` are those of its interfaces.
    ///
    /// # Errors
    /// The group or `/proc` cannot be read.
    pub fn read(
        group: &Cgroup,
        networks: BTreeMap<String, NetworkCounters>,
        now: Timestamp,
    ) -> io::Result<Self> {
        let v2 = group.v1.is_empty();
        Ok(Self::of(group.stats()?, Machine::read()?, v2, networks, now))
    }

    fn of(
        usage: Usage,
        machine: Machine,
        v2: bool,
        networks: BTreeMap<String, NetworkCounters>,
        now: Timestamp,
    ) -> Self {
        let entries = |value: fn(&runtime::cgroup::BlockIo) -> [u64; 2]| {
            let devices = usage.block_io.iter();
            devices
                .flat_map(|((major, minor), io)| {
                    let (major, minor) = (*major, *minor);
                    let named = ["read", "write"].into_iter().zip(value(io));
                    named.map(move |(operation, value)| BlockEntry {
                        major,
                        minor,
                        operation,
                        value,
                    })
                })
                .collect()
        };
        Self {
            read: Some(now),
            pids: usage.pids,
            pids_limit: usage.pids_limit,
            cpu: CpuStats {
                total: usage.cpu_total,
                user: usage.cpu_user,
                kernel: usage.cpu_system,
                machine: machine.cpu,
                online: machine.online,
                periods: usage.periods,
                throttled_periods: usage.throttled_periods,
                throttled_time: usage.throttled_time,
            },
            block_bytes: entries(|io| [io.read_bytes, io.write_bytes]),
            block_operations: entries(|io| [io.reads, io.writes]),
            memory: MemoryStats {
                usage: usage.memory_usage,
                peak: usage.memory_peak,
                limit: usage
                    .memory_limit
                    .map_or(machine.memory, |limit| limit.min(machine.memory)),
                failures: usage.oom_kills,
                detail: usage.memory,
                v2,
            },
            networks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "cpu  10 1 20 100 5 2 3 99 0 0\ncpu0 5 0 10 50 3 1 2 0 0 0\ncpu1 5 1 10 50 2 1 1 0 0 0\nintr 1\n";

    #[test]
    fn the_machine_s_time_is_that_of_all_processors() {
        let machine = Machine::parse(STAT, "MemTotal:       2048 kB\nMemFree: 1 kB\n");
        assert_eq!(
            machine,
            Machine {
                cpu: 141 * NANOS_PER_TICK,
                online: 2,
                memory: 2 << 20
            }
        );
        assert_eq!(Machine::parse("", ""), Machine::default());
        let here = Machine::read().unwrap();
        assert!(here.cpu > 0 && here.online > 0 && here.memory > 0);
    }

    #[test]
    fn usage_becomes_docker_s_numbers() {
        let io = runtime::cgroup::BlockIo {
            read_bytes: 1,
            write_bytes: 2,
            reads: 3,
            writes: 4,
        };
        let usage = Usage {
            cpu_total: 30,
            cpu_user: 20,
            cpu_system: 10,
            memory_usage: 4096,
            oom_kills: 1,
            pids: 3,
            block_io: [((8, 0), io)].into(),
            ..Usage::default()
        };
        let machine = Machine {
            cpu: 1000,
            online: 2,
            memory: 1 << 20,
        };
        let now = Timestamp::UNIX_EPOCH;
        let stats = Stats::of(usage.clone(), machine, false, BTreeMap::new(), now);
        assert_eq!(
            (
                stats.cpu.total,
                stats.cpu.user,
                stats.cpu.kernel,
                stats.cpu.machine
            ),
            (30, 20, 10, 1000)
        );
        assert_eq!(
            (stats.memory.usage, stats.memory.limit, stats.memory.failures),
            (4096, 1 << 20, 1)
        );
        let values =
            |entries: &[BlockEntry]| entries.iter().map(|e| (e.operation, e.value)).collect::<Vec<_>>();
        assert_eq!(values(&stats.block_bytes), [("read", 1), ("write", 2)]);
        assert_eq!(values(&stats.block_operations), [("read", 3), ("write", 4)]);
        for (limit, expected) in [(Some(8192), 8192), (Some(1 << 40), 1 << 20)] {
            let usage = Usage {
                memory_limit: limit,
                ..usage.clone()
            };
            assert_eq!(
                Stats::of(usage, machine, true, BTreeMap::new(), now).memory.limit,
                expected
            );
        }
    }
}
