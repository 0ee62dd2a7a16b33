//! `gantry df`: what lies on the node's disk, by class; who holds what, what goes next, and what never does.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use cluster::{DiskQuota, DiskReport, human_size};

use super::block_on;
use super::http::{Error, Target};
use super::socket::SocketOptions;
use super::table;
use crate::failure::{Failure, Outcome};
use crate::node::Format;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Everything: who holds it, in which order it would go, and why it would not.
    #[arg(short, long)]
    explain: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    socket: SocketOptions,
}

pub(crate) fn run(options: Options) -> Outcome {
    let daemon = options.socket.clone().daemon()?;
    let target = Target::new(&["gantry", "df"]);
    let report = block_on(async { daemon.get(target).await.map_err(Failure::from) })?;
    let mut out = io::stdout().lock();
    if options.output == Format::Json {
        writeln!(out, "{report}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let report: DiskReport =
        serde_json::from_value(report).map_err(|error| Error::Answer(error.to_string()))?;
    let now = i64::try_from(sys::clock::realtime().as_secs()).unwrap_or(i64::MAX);
    write!(out, "{}", head(&report))?;
    table::print(&mut out, &classes(&report))?;
    if options.explain {
        writeln!(out)?;
        table::print(&mut out, &items(&report, now))?;
        write!(out, "{}", recent(&report, now))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn head(report: &DiskReport) -> String {
    let space = &report.space;
    // A quota in bytes is for what may go, and for that alone.
    let (caches, quota) = match report.quota {
        DiskQuota::Bytes(bytes) => {
            let (cached, bytes) = (human_size(report.cached), human_size(bytes));
            (format!("; caches take {cached} of {bytes}"), bytes)
        }
        DiskQuota::Percent(_) => (String::new(), report.quota.to_string()),
    };
    let begin = match &report.need {
        Some(need) => format!("something has to go: {need}"),
        None => format!(
            "nothing has to go: that begins above {}% of the quota ({quota})",
            report.begin
        ),
    };
    format!(
        "{} of {} used ({}%){caches}; {begin}\n\n",
        human_size(space.used),
        human_size(space.total),
        space.percent()
    )
}

fn classes(report: &DiskReport) -> Vec<[String; 5]> {
    let head = ["CLASS", "COUNT", "SIZE", "MAY GO", "WHEN"].map(str::to_owned);
    let rows = report.classes.iter().map(|row| {
        [
            row.class.title().to_owned(),
            row.count.to_string(),
            human_size(row.bytes),
            human_size(row.may_go),
            row.class.why().to_owned(),
        ]
    });
    std::iter::once(head).chain(rows).collect()
}

/// What goes first comes first; then what stays, in the order of its size.
fn items(report: &DiskReport, now: i64) -> Vec<[String; 6]> {
    let head = ["TURN", "SIZE", "LAST USED", "CLASS", "NAME", "WHY"].map(str::to_owned);
    let mut items: Vec<_> = report.items.iter().collect();
    items.sort_by_key(|item| (item.turn.unwrap_or(u64::MAX), std::cmp::Reverse(item.bytes)));
    let rows = items.into_iter().map(|item| {
        let turn = match (item.turn, item.now) {
            (Some(turn), true) => format!("{turn} (now)"),
            (Some(turn), false) => turn.to_string(),
            (None, _) => "-".to_owned(),
        };
        let held = match &*item.held_by {
            [] => String::new(),
            held => format!("; held by {}", held.join(", ")),
        };
        let used = item.last_used.map(|used| ago(now, used));
        [
            turn,
            human_size(item.bytes),
            used.unwrap_or_default(),
            item.class.title().to_owned(),
            table::shortened(&item.name, 60),
            format!("{}{held}", item.why),
        ]
    });
    std::iter::once(head).chain(rows).collect()
}

fn recent(report: &DiskReport, now: i64) -> String {
    let line = |gone: &cluster::DiskRecent| {
        format!(
            "{}: {} ({}, {}): {}\n",
            ago(now, gone.at),
            gone.name,
            gone.class.title(),
            human_size(gone.bytes),
            gone.reason
        )
    };
    let lines: String = report.recent.iter().map(line).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\nWent by itself:\n{lines}")
    }
}

fn ago(now: i64, then: i64) -> String {
    table::ago(u64::try_from(now.saturating_sub(then)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_told_in_tables() {
        let mut report: DiskReport = serde_json::from_value(serde_json::json!({
            "Space": {"total": 100_000, "used": 85_000}, "Quota": "100%", "Begin": 80,
            "Classes": [{"Class": "volume", "Count": 1, "Bytes": 5000, "MayGo": 0}],
            "Items": [
                {"Class": "only-here", "Name": "mine:1", "Id": "x", "Bytes": 10, "LastUsed": 100, "HeldBy": ["container web"],
                 "Turn": null, "Now": false, "Why": "never: it exists nowhere else"},
                {"Class": "repullable", "Name": "busybox:1", "Id": "y", "Bytes": 20, "LastUsed": 0, "HeldBy": [],
                 "Turn": 1, "Now": true, "Why": "when unused: it can be pulled again"},
            ],
            "Need": "the disk is 85% full, over 80%",
            "Recent": [{"Name": "old:1", "Class": "cache", "Bytes": 1000, "At": 40, "Reason": "why"}],
        }))
        .unwrap();
        assert_eq!(
            head(&report),
            "85kB of 100kB used (85%); something has to go: the disk is 85% full, over 80%\n\n"
        );
        (report.quota, report.cached, report.need) = (DiskQuota::Bytes(100_000), 40_000, None);
        assert_eq!(
            head(&report),
            "85kB of 100kB used (85%); caches take 40kB of 100kB; nothing has to go: that begins above 80% of the quota (100kB)\n\n"
        );
        assert_eq!(
            classes(&report)[1],
            ["Volumes", "1", "5kB", "0B", "never: a volume is data"]
        );
        let rows = items(&report, 160);
        assert_eq!(rows[1][..2], ["1 (now)", "20B"]);
        assert_eq!(
            rows[2],
            [
                "-",
                "10B",
                "About a minute ago",
                "Images only here",
                "mine:1",
                "never: it exists nowhere else; held by container web"
            ]
        );
        assert_eq!(
            recent(&report, 160),
            "\nWent by itself:\n2 minutes ago: old:1 (Build cache, 1kB): why\n"
        );
    }
}
