//! A process as `/proc/PID` shows it (proc(5)).

use std::fs;
use std::io::Read;

use super::Host;

/// Clock ticks a second in `/proc`.
pub(super) const TICKS: u64 = 100;

/// Bytes of a command line that are read.
const MAX_ARGUMENTS: u64 = 64 << 10;

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    /// Device number of its terminal; 0 for none.
    pub(super) terminal: u32,
    /// Process group in the foreground of that terminal.
    pub(super) foreground: i64,
    pub(super) state: char,
    pub(super) user_ticks: u64,
    pub(super) kernel_ticks: u64,
    pub(super) priority: i64,
    pub(super) nice: i64,
    pub(super) threads: u64,
    /// Ticks from boot to its start.
    pub(super) started: u64,
    pub(super) virtual_bytes: u64,
    pub(super) resident_bytes: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    /// The command line, its words separated by blanks.
    pub(super) arguments: String,
}

impl Process {
    /// Reads a process; none if it has ended.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let text = |file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
        let (stat, status) = (text("stat")?, text("status")?);
        let mut arguments = Vec::new();
        let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
        file.take(MAX_ARGUMENTS).read_to_end(&mut arguments).ok()?;
        Self::parse(
            &String::from_utf8_lossy(&stat),
            &String::from_utf8_lossy(&status),
            &arguments,
        )
    }

    fn parse(stat: &str, status: &str, arguments: &[u8]) -> Option<Self> {
        // The name is in parentheses and may hold anything, parentheses too.
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        fields.get(21)?;
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or("0");
        let number = |at: usize| field(at).parse::<u64>().unwrap_or(0);
        let signed = |at: usize| field(at).parse::<i64>().unwrap_or(0);
        let small = |at: usize| field(at).parse::<u32>().unwrap_or(0);
        let effective = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok())
                .unwrap_or(0)
        };
        let words = arguments.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
        Some(Self {
            pid: pid.parse().ok()?,
            parent: small(4),
            group: small(5),
            session: small(6),
            terminal: small(7),
            foreground: signed(8),
            state: field(3).chars().next()?,
            user_ticks: number(14),
            kernel_ticks: number(15),
            priority: signed(18),
            nice: signed(19),
            threads: number(20),
            started: number(22),
            virtual_bytes: number(23),
            resident_bytes: number(24) * rustix::param::page_size() as u64,
            uid: effective("Uid:"),
            gid: effective("Gid:"),
            name: name.to_owned(),
            arguments: words.join(" "),
        })
    }

    /// Seconds of processor time.
    pub(super) fn cpu_seconds(&self) -> u64 {
        (self.user_ticks + self.kernel_ticks) / TICKS
    }

    /// Seconds since its start.
    pub(super) fn age(&self, host: &Host) -> u64 {
        host.now.saturating_sub(host.booted + self.started / TICKS)
    }

    /// Thousandths of its life that it was running.
    pub(super) fn cpu_permille(&self, host: &Host) -> u64 {
        let ticks = (self.user_ticks + self.kernel_ticks) * 1000 / TICKS;
        ticks.checked_div(self.age(host)).unwrap_or(0)
    }

    /// State and flags as ps's STAT has them.
    pub(super) fn flags(&self) -> String {
        let foreground = self.terminal != 0 && self.foreground == i64::from(self.group);
        let flags = [
            ('<', self.nice < 0),
            ('N', self.nice > 0),
            ('s', self.session == self.pid),
            ('l', self.threads > 1),
            ('+', foreground),
        ];
        let set = flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag);
        std::iter::once(self.state).chain(set).collect()
    }

    /// `pts/3`, or `?` where there is none.
    pub(super) fn terminal_name(&self) -> String {
        let (major, minor) = (
            (self.terminal >> 8) & 0xfff,
            self.terminal & 0xff | (self.terminal >> 12) & 0xfff00,
        );
        match (major, minor) {
            (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
            (4, 0..=63) => format!("tty{minor}"),
            (4, _) => format!("ttyS{}", minor - 64),
            _ => "?".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "7 (a) b) S 1 7 7 34817 7 4194560 1 2 3 4 150 50 0 0 20 5 3 0 900 4096000 25 18446744073709551615";

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let status = "Name:\ta\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";
        let process = Process::parse(STAT, status, b"sh\0-c\0a b\0").unwrap();
        assert_eq!(
            (process.pid, process.name.as_str(), process.state),
            (7, "a) b", 'S')
        );
        assert_eq!((process.uid, process.gid, process.threads), (2, 6, 3));
        assert_eq!(process.arguments, "sh -c a b");
        assert_eq!((process.cpu_seconds(), process.flags().as_str()), (2, "SNsl+"));
        assert_eq!(process.terminal_name(), "pts/1");
    }

    #[test]
    fn garbage_is_no_process() {
        for stat in ["", "x", "7 (a", "x (a) S 1", "7 (a) "] {
            assert_eq!(Process::parse(stat, "", b""), None, "{stat:?}");
        }
    }

    #[test]
    fn terminals_by_number() {
        for (number, name) in [
            (0, "?"),
            (0x8800, "pts/0"),
            (0x8905, "pts/261"),
            (0x401, "tty1"),
            (0x440, "ttyS0"),
        ] {
            assert_eq!(
                Process {
                    terminal: number,
                    ..Process::default()
                }
                .terminal_name(),
                name
            );
        }
    }
}
