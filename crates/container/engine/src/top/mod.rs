//! The processes of a container in the words of ps(1) (`docker top`), without a ps.
//!
//! `args` reads ps's arguments into columns, `process` reads `/proc`, `columns` shows the one in
//! the other. What of ps is not here is refused in ps's words, as upstream would pass them on.

mod args;
mod columns;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use columns::Column;
use process::Process;

use crate::Error;

/// Processes shown at most: what a container with a fork bomb has beyond is left out.
const MAX_PROCESSES: usize = 65_536;

/// A table of processes (`ContainerTopResponse`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// Column titles.
    pub titles: Vec<String>,
    /// A row for each process, as many fields as titles.
    pub processes: Vec<Vec<String>>,
}

/// What the columns need to know besides the process.
#[derive(Clone, Debug, Default)]
struct Host {
    /// User names by id, of the host: ps runs there.
    users: BTreeMap<u32, String>,
    /// Group names by id.
    groups: BTreeMap<u32, String>,
    /// Seconds since the epoch at boot.
    booted: u64,
    /// Seconds since the epoch now.
    now: u64,
    /// Kilobytes of memory.
    memory: u64,
}

/// Lists processes. `ps_args` is what the client gave, empty for `-ef`; `now` is in seconds since
/// the epoch. A process that has ended meanwhile is left out.
///
/// # Errors
/// [`Error::Invalid`] for a column that may not be renamed, else [`Error::Unavailable`] with ps's
/// own text.
pub fn list(pids: &[u32], ps_args: &str, now: u64) -> Result<Top, Error> {
    let columns = args::parse(ps_args)?;
    let host = Host::read(now);
    let processes: Vec<Process> = pids
        .iter()
        .take(MAX_PROCESSES)
        .filter_map(|pid| Process::read(*pid))
        .collect();
    Ok(show(&columns, &processes, &host))
}

/// How long ago a process began; none if it is gone. The kernel counts hundredths of a second.
pub(crate) fn age(pid: u32) -> Option<Duration> {
    let began = Process::read(pid)?.started;
    let began = Duration::from_millis(began.saturating_mul(1000 / process::TICKS));
    Some(sys::clock::boottime().saturating_sub(began))
}

fn show(columns: &[Column], processes: &[Process], host: &Host) -> Top {
    let row = |process: &Process| {
        columns
            .iter()
            .map(|column| (column.value)(process, host))
            .collect()
    };
    Top {
        titles: columns.iter().map(|column| column.title.clone()).collect(),
        processes: processes.iter().map(row).collect(),
    }
}

impl Host {
    fn read(now: u64) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let number = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
                .unwrap_or(0)
        };
        Self {
            users: names(&text("/etc/passwd")),
            groups: names(&text("/etc/group")),
            booted: number(&text("/proc/stat"), "btime"),
            now,
            memory: number(&text("/proc/meminfo"), "MemTotal:"),
        }
    }
}

/// Names by id out of passwd(5) or group(5), whose third field is the id.
fn names(text: &str) -> BTreeMap<u32, String> {
    let entries = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
    });
    // Of two names of one id the first one counts.
    entries.collect::<Vec<_>>().into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            users: names("root:x:0:0\nalias:x:0:0\nsomebody-long:x:7:7\nweb:x:33:33\n"),
            groups: names("root:x:0:\n"),
            booted: 1_000_000,
            now: 1_000_000 + 100_000,
            memory: 1 << 20,
        }
    }

    fn process(pid: u32) -> Process {
        Process {
            pid,
            parent: 1,
            session: pid,
            group: pid,
            state: 'S',
            uid: 33,
            name: "nginx".into(),
            arguments: "nginx:  master process".into(),
            started: 9_000_000,
            user_ticks: 6_000,
            kernel_ticks: 500,
            threads: 2,
            virtual_bytes: 8 << 20,
            resident_bytes: 2 << 20,
            ..Process::default()
        }
    }

    fn shown(args: &str) -> String {
        let columns = match args::parse(args) {
            Ok(columns) => columns,
            Err(error) => return error.to_string(),
        };
        let top = show(&columns, &[process(42)], &host());
        [top.titles.join("|"), top.processes[0].join("|")].join(" / ")
    }

    #[test]
    fn the_common_forms() {
        for (args, expected) in [
            (
                "",
                "UID|PID|PPID|C|STIME|TTY|TIME|CMD / web|42|1|0|14:46|?|00:01:05|nginx: master process",
            ),
            (
                "-ef",
                "UID|PID|PPID|C|STIME|TTY|TIME|CMD / web|42|1|0|14:46|?|00:01:05|nginx: master process",
            ),
            ("-e", "PID|TTY|TIME|CMD / 42|?|00:01:05|nginx"),
            (
                "aux",
                "USER|PID|%CPU|%MEM|VSZ|RSS|TTY|STAT|START|TIME|COMMAND / web|42|0.6|0.1|8192|2048|?|Ssl|14:46|1:05|nginx: master process",
            ),
            (
                "ax",
                "PID|TTY|STAT|TIME|COMMAND / 42|?|Ssl|1:05|nginx: master process",
            ),
            ("-o pid,comm", "PID|COMMAND / 42|nginx"),
            ("-eo pid,ppid -o user", "PID|PPID|USER / 42|1|web"),
            (
                "axo pid,etime,args",
                "PID|ELAPSED|COMMAND / 42|02:46:40|nginx: master process",
            ),
            ("-opid,rss,nlwp", "PID|RSS|NLWP / 42|2048|2"),
            ("-eo pid,comm=NAME", "PID|NAME / 42|nginx"),
        ] {
            assert_eq!(shown(args), expected, "{args:?}");
        }
    }

    #[test]
    fn what_ps_would_refuse_is_refused_in_its_words() {
        for (args, expected) in [
            ("-Z", "ps: error: unsupported SysV option"),
            ("y", "ps: error: unsupported option (BSD syntax)"),
            ("--forest", "ps: error: unknown gnu long option"),
            (
                "-o pid,wibble",
                "ps: error: unknown user-defined format specifier \"wibble\"",
            ),
            ("-o", "ps: error: format specification must follow -o"),
            ("-o comm", "Couldn't find PID field in ps output"),
            ("-o pid,comm=PID", "specifying \"comm=PID\" is not allowed"),
        ] {
            assert_eq!(shown(args), expected, "{args:?}");
        }
    }

    #[test]
    fn this_process_is_listed() {
        let pid = std::process::id();
        let top = list(&[pid, u32::MAX], "-o pid,comm,user,stat,vsz", 0).unwrap();
        assert_eq!(top.processes.len(), 1, "one of the two does not exist");
        assert_eq!(top.processes[0][0], pid.to_string());
        assert_eq!(top.processes[0].len(), top.titles.len());
    }
}
