//! The columns of ps(1): keyword, title, and how a process is shown in it.

use jiff::Timestamp;

use super::Host;
use super::process::{Process, TICKS};

/// One column.
#[derive(Clone)]
pub(super) struct Column {
    pub(super) title: String,
    pub(super) value: fn(&Process, &Host) -> String,
}

type Value = fn(&Process, &Host) -> String;

/// Keyword, title, value.
const COLUMNS: &[(&str, &str, Value)] = &[
    ("%cpu", "%CPU", |p, h| tenths(p.cpu_permille(h))),
    ("%mem", "%MEM", |p, h| {
        tenths(
            (p.resident_bytes / 1024 * 1000)
                .checked_div(h.memory)
                .unwrap_or(0),
        )
    }),
    ("args", "COMMAND", |p, _| command(p)),
    ("bsdtime", "TIME", |p, _| bsd_time(p.cpu_seconds())),
    ("c", "C", |p, h| (p.cpu_permille(h) / 10).min(99).to_string()),
    ("cmd", "CMD", |p, _| command(p)),
    ("comm", "COMMAND", |p, _| p.name.clone()),
    ("command", "COMMAND", |p, _| command(p)),
    ("cputime", "TIME", |p, _| time(p.cpu_seconds())),
    ("egid", "EGID", |p, _| p.gid.to_string()),
    ("egroup", "EGROUP", |p, h| name(h.groups.get(&p.gid), p.gid)),
    ("etime", "ELAPSED", |p, h| elapsed(p.age(h))),
    ("etimes", "ELAPSED", |p, h| p.age(h).to_string()),
    ("euid", "EUID", |p, _| p.uid.to_string()),
    ("euser", "EUSER", |p, h| name(h.users.get(&p.uid), p.uid)),
    ("gid", "GID", |p, _| p.gid.to_string()),
    ("group", "GROUP", |p, h| name(h.groups.get(&p.gid), p.gid)),
    ("ni", "NI", |p, _| p.nice.to_string()),
    ("nice", "NI", |p, _| p.nice.to_string()),
    ("nlwp", "NLWP", |p, _| p.threads.to_string()),
    ("pcpu", "%CPU", |p, h| tenths(p.cpu_permille(h))),
    ("pgid", "PGID", |p, _| p.group.to_string()),
    ("pid", "PID", |p, _| p.pid.to_string()),
    ("pmem", "%MEM", |p, h| {
        tenths(
            (p.resident_bytes / 1024 * 1000)
                .checked_div(h.memory)
                .unwrap_or(0),
        )
    }),
    ("ppid", "PPID", |p, _| p.parent.to_string()),
    ("pri", "PRI", |p, _| (39 - p.priority).to_string()),
    ("rss", "RSS", |p, _| (p.resident_bytes / 1024).to_string()),
    ("rssize", "RSS", |p, _| (p.resident_bytes / 1024).to_string()),
    ("s", "S", |p, _| p.state.to_string()),
    ("sess", "SESS", |p, _| p.session.to_string()),
    ("sid", "SID", |p, _| p.session.to_string()),
    ("start_time", "START", |p, h| start(p, h)),
    ("stat", "STAT", |p, _| p.flags()),
    ("state", "S", |p, _| p.state.to_string()),
    ("stime", "STIME", |p, h| start(p, h)),
    ("thcount", "THCNT", |p, _| p.threads.to_string()),
    ("time", "TIME", |p, _| time(p.cpu_seconds())),
    ("tname", "TTY", |p, _| p.terminal_name()),
    ("tt", "TT", |p, _| p.terminal_name()),
    ("tty", "TT", |p, _| p.terminal_name()),
    ("ucmd", "CMD", |p, _| p.name.clone()),
    ("ucomm", "COMMAND", |p, _| p.name.clone()),
    ("uid", "UID", |p, _| p.uid.to_string()),
    ("uname", "USER", |p, h| name(h.users.get(&p.uid), p.uid)),
    ("user", "USER", |p, h| name(h.users.get(&p.uid), p.uid)),
    ("vsize", "VSZ", |p, _| (p.virtual_bytes / 1024).to_string()),
    ("vsz", "VSZ", |p, _| (p.virtual_bytes / 1024).to_string()),
];

/// The column of a keyword.
pub(super) fn find(keyword: &str) -> Option<Column> {
    let at = COLUMNS
        .binary_search_by_key(&keyword, |(known, _, _)| known)
        .ok()?;
    let (_, title, value) = COLUMNS[at];
    Some(Column {
        title: title.to_owned(),
        value,
    })
}

/// The arguments, or the name in brackets where there are none. Upstream splits ps's output at
/// white space, so several blanks are one.
fn command(process: &Process) -> String {
    let words: Vec<&str> = process.arguments.split_whitespace().collect();
    if words.is_empty() {
        format!("[{}]", process.name)
    } else {
        words.join(" ")
    }
}

/// A name of at most eight characters, else the id.
fn name(name: Option<&String>, id: u32) -> String {
    name.filter(|name| name.len() <= 8)
        .cloned()
        .unwrap_or_else(|| id.to_string())
}

fn tenths(permille: u64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
}

/// `[DD-]HH:MM:SS`
fn time(seconds: u64) -> String {
    let (days, clock) = (seconds / 86_400, clock(seconds % 86_400));
    if days == 0 {
        clock
    } else {
        format!("{days}-{clock}")
    }
}

fn clock(seconds: u64) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `M:SS`
fn bsd_time(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// `[[DD-]HH:]MM:SS`
fn elapsed(seconds: u64) -> String {
    if seconds < 3600 {
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    } else {
        time(seconds)
    }
}

/// The hour if it started today, the day if it did this year, else the year; UTC.
fn start(process: &Process, host: &Host) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = |seconds: u64| {
        let time = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.unwrap_or(Timestamp::UNIX_EPOCH).to_string()
    };
    // `YYYY-MM-DDTHH:MM:SSZ`
    let (started, now) = (text(host.booted + process.started / TICKS), text(host.now));
    if started[..10] == now[..10] {
        return started[11..16].to_owned();
    }
    if started[..4] != now[..4] {
        return started[..4].to_owned();
    }
    let month: usize = started[5..7].parse().unwrap_or(1);
    format!("{}{}", MONTHS[(month - 1) % 12], &started[8..10])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted() {
        assert!(COLUMNS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(find("wibble").is_none());
    }

    #[test]
    fn times_as_ps_writes_them() {
        for (seconds, cpu, bsd, since) in [
            (0, "00:00:00", "0:00", "00:00"),
            (3_599, "00:59:59", "59:59", "59:59"),
            (3_600, "01:00:00", "60:00", "01:00:00"),
            (90_061, "1-01:01:01", "1501:01", "1-01:01:01"),
        ] {
            assert_eq!(
                (
                    time(seconds).as_str(),
                    bsd_time(seconds).as_str(),
                    elapsed(seconds).as_str()
                ),
                (cpu, bsd, since)
            );
        }
    }

    #[test]
    fn a_start_is_shown_as_hour_day_or_year() {
        let shown = |booted| {
            let host = Host {
                booted,
                now: 1_700_000_000,
                ..Host::default()
            };
            start(&Process::default(), &host)
        };
        assert_eq!(shown(1_700_000_000), "22:13");
        assert_eq!(shown(1_699_900_000), "Nov13");
        assert_eq!(shown(1_600_000_000), "2020");
    }

    #[test]
    fn names_too_long_are_numbers_and_a_kernel_thread_is_in_brackets() {
        assert_eq!(name(Some(&"root".to_owned()), 0), "root");
        assert_eq!(name(Some(&"somebody-long".to_owned()), 7), "7");
        let process = Process {
            name: "kworker".into(),
            ..Process::default()
        };
        assert_eq!(command(&process), "[kworker]");
    }
}
