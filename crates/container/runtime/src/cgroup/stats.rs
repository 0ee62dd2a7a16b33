//! A group's usage, in one form for both versions.

use std::collections::BTreeMap;
use std::path::Path;

/// Usage of a container's groups. What the host does not account is zero or absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time in nanoseconds: all, in user mode, in kernel mode.
    pub cpu_total: u64,
    /// User mode, nanoseconds.
    pub cpu_user: u64,
    /// Kernel mode, nanoseconds.
    pub cpu_system: u64,
    /// Bandwidth periods that have passed.
    pub periods: u64,
    /// Periods in which the group was throttled.
    pub throttled_periods: u64,
    /// Nanoseconds it was throttled.
    pub throttled_time: u64,
    /// Bytes in use.
    pub memory_usage: u64,
    /// The most there ever were; absent where the kernel does not say.
    pub memory_peak: Option<u64>,
    /// The limit in bytes; absent where there is none.
    pub memory_limit: Option<u64>,
    /// `memory.stat`, with the kernel's names, which differ between the versions.
    pub memory: BTreeMap<String, u64>,
    /// How often the kernel killed a task for want of memory.
    pub oom_kills: u64,
    /// Tasks.
    pub pids: u64,
    /// The most tasks; absent where there is no limit.
    pub pids_limit: Option<u64>,
    /// Block I/O by device (major, minor).
    pub block_io: BTreeMap<(u32, u32), BlockIo>,
    /// Huge pages by page size.
    pub hugepages: BTreeMap<String, HugepageUsage>,
}

/// I/O of one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockIo {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HugepageUsage {
    /// Bytes in use.
    pub usage: u64,
    /// How often the limit was met.
    pub failures: u64,
}

/// Reads one file of one group; a file that is not there is nothing.
pub(super) trait Files {
    fn text(&self, dir: &Path, file: &str) -> Option<String>;
}

impl Stats {
    /// CPU from v1's `cpuacct` and `cpu`. User and kernel time come in ticks of a hundredth second.
    pub(super) fn add_v1(&mut self, files: &dyn Files, dir: &Path) {
        let pairs = |file: &str| pairs(&files.text(dir, file).unwrap_or_default());
        let number = |file: &str| files.text(dir, file).and_then(|text| number(&text));
        let ticks = pairs("cpuacct.stat");
        self.cpu_total += number("cpuacct.usage").unwrap_or(0);
        self.cpu_user += get(&ticks, "user") * 10_000_000;
        self.cpu_system += get(&ticks, "system") * 10_000_000;
        let bandwidth = pairs("cpu.stat");
        self.add_throttling(&bandwidth, get(&bandwidth, "throttled_time"));
        self.memory_usage += number("memory.usage_in_bytes").unwrap_or(0);
        self.memory_peak = self.memory_peak.or(number("memory.max_usage_in_bytes"));
        // No limit is the largest multiple of a page.
        self.memory_limit = self
            .memory_limit
            .or(number("memory.limit_in_bytes").filter(|limit| *limit < 1 << 62));
        self.memory.extend(pairs("memory.stat"));
        self.oom_kills += get(&pairs("memory.oom_control"), "oom_kill");
        let bytes = files
            .text(dir, "blkio.throttle.io_service_bytes")
            .unwrap_or_default();
        let operations = files.text(dir, "blkio.throttle.io_serviced").unwrap_or_default();
        self.add_blkio(&bytes, |io| (&mut io.read_bytes, &mut io.write_bytes));
        self.add_blkio(&operations, |io| (&mut io.reads, &mut io.writes));
    }

    /// Everything v2 has; CPU times come in microseconds.
    pub(super) fn add_v2(&mut self, files: &dyn Files, dir: &Path) {
        let pairs = |file: &str| pairs(&files.text(dir, file).unwrap_or_default());
        let number = |file: &str| files.text(dir, file).and_then(|text| number(&text));
        let cpu = pairs("cpu.stat");
        // The root of a hybrid accounts CPU on the unified side too; v1 has counted it already.
        if self.cpu_total == 0 {
            self.cpu_total = get(&cpu, "usage_usec") * 1000;
            self.cpu_user = get(&cpu, "user_usec") * 1000;
            self.cpu_system = get(&cpu, "system_usec") * 1000;
        }
        self.add_throttling(&cpu, get(&cpu, "throttled_usec") * 1000);
        self.memory_usage += number("memory.current").unwrap_or(0);
        self.memory_peak = self.memory_peak.or(number("memory.peak"));
        self.memory_limit = self.memory_limit.or(number("memory.max"));
        self.memory.extend(pairs("memory.stat"));
        self.oom_kills += get(&pairs("memory.events"), "oom_kill");
        self.add_io(&files.text(dir, "io.stat").unwrap_or_default());
    }

    /// Files that both versions have under one name.
    pub(super) fn add_pids(&mut self, files: &dyn Files, dir: &Path) {
        let number = |file: &str| files.text(dir, file).and_then(|text| number(&text));
        self.pids += number("pids.current").unwrap_or(0);
        self.pids_limit = self.pids_limit.or(number("pids.max"));
    }

    /// Huge pages of one size; `usage` and `failures` are the texts of the version's files.
    pub(super) fn add_hugepages(&mut self, size: &str, usage: &str, failures: &str) {
        let failures = pairs(failures)
            .get("max")
            .copied()
            .or_else(|| number(failures))
            .unwrap_or(0);
        let usage = number(usage).unwrap_or(0);
        self.hugepages
            .insert(size.to_owned(), HugepageUsage { usage, failures });
    }

    fn add_throttling(&mut self, stat: &BTreeMap<String, u64>, time: u64) {
        self.periods += get(stat, "nr_periods");
        self.throttled_periods += get(stat, "nr_throttled");
        self.throttled_time += time;
    }

    /// Lines such as `8:0 Read 4096`.
    fn add_blkio(&mut self, text: &str, fields: fn(&mut BlockIo) -> (&mut u64, &mut u64)) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let device = words.next().and_then(device);
            let (Some(device), Some(operation), Some(value)) =
                (device, words.next(), words.next().and_then(number))
            else {
                continue;
            };
            let (read, write) = fields(self.block_io.entry(device).or_default());
            match operation {
                "Read" => *read += value,
                "Write" => *write += value,
                _ => {}
            }
        }
    }

    /// Lines such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4`.
    fn add_io(&mut self, text: &str) {
        for (name, values) in text.lines().filter_map(|line| line.split_once(' ')) {
            let Some(device) = device(name) else { continue };
            let value = |key| {
                let mut pairs = values.split(' ').filter_map(|pair| pair.split_once('='));
                pairs
                    .find(|(name, _)| *name == key)
                    .and_then(|(_, value)| number(value))
                    .unwrap_or(0)
            };
            let io = self.block_io.entry(device).or_default();
            io.read_bytes += value("rbytes");
            io.write_bytes += value("wbytes");
            io.reads += value("rios");
            io.writes += value("wios");
        }
    }
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A file of one number; `max` is none.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A file of `name value` lines.
fn pairs(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), number(value)?))
    };
    text.lines().filter_map(pair).collect()
}

fn get(pairs: &BTreeMap<String, u64>, name: &str) -> u64 {
    pairs.get(name).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Files for BTreeMap<&str, &str> {
        fn text(&self, _: &Path, file: &str) -> Option<String> {
            self.get(file).map(|text| (*text).to_owned())
        }
    }

    #[test]
    fn both_versions_fill_one_form() {
        let v1 = BTreeMap::from([
            ("cpuacct.usage", "5000000\n"),
            ("cpuacct.stat", "user 1\nsystem 2\n"),
            ("cpu.stat", "nr_periods 4\nnr_throttled 3\nthrottled_time 7000\n"),
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.max_usage_in_bytes", "8192\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.stat", "cache 3\n"),
            (
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            ),
            (
                "blkio.throttle.io_service_bytes",
                "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n",
            ),
            ("blkio.throttle.io_serviced", "8:0 Read 1\n8:0 Write 2\n"),
            ("pids.current", "6\n"),
            ("pids.max", "max\n"),
        ]);
        let v2 = BTreeMap::from([
            (
                "cpu.stat",
                "usage_usec 5000\nuser_usec 10000\nsystem_usec 20000\nnr_periods 4\nnr_throttled 3\nthrottled_usec 7\n",
            ),
            ("memory.current", "4096\n"),
            ("memory.peak", "8192\n"),
            ("memory.max", "max\n"),
            ("memory.stat", "cache 3\n"),
            ("memory.events", "low 0\noom 1\noom_kill 2\n"),
            (
                "io.stat",
                "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n",
            ),
            ("pids.current", "6\n"),
            ("pids.max", "max\n"),
        ]);
        let (mut one, mut two) = (Stats::default(), Stats::default());
        one.add_v1(&v1, Path::new(""));
        one.add_pids(&v1, Path::new(""));
        two.add_v2(&v2, Path::new(""));
        two.add_pids(&v2, Path::new(""));
        assert_eq!(one, two);
        assert_eq!(
            (one.cpu_total, one.oom_kills, one.memory_limit, one.pids),
            (5_000_000, 2, None, 6)
        );
        assert_eq!(
            one.block_io[&(8, 0)],
            BlockIo {
                read_bytes: 10,
                write_bytes: 20,
                reads: 1,
                writes: 2
            }
        );
    }

    #[test]
    fn hugepage_failures_are_a_number_or_an_event() {
        let mut stats = Stats::default();
        stats.add_hugepages("2MB", "7\n", "3\n");
        stats.add_hugepages("1GB", "7\n", "max 3\n");
        assert_eq!(stats.hugepages["2MB"], stats.hugepages["1GB"]);
    }
}
