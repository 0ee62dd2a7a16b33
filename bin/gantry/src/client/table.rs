//! Rows of text under a head, each column as wide as its widest cell and three blanks more.

use std::io::{self, Write};

/// Prints them as the docker client does: nothing follows the last column.
pub(super) fn print<const N: usize>(out: &mut dyn Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] =
        std::array::from_fn(|column| if column + 1 == N { 0 } else { width(column) + 3 });
    for row in rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<String>())?;
    }
    Ok(())
}

/// At most `limit` characters, the last of them an ellipsis if some are missing.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

/// How long ago, roughly, in the docker client's words.
pub(super) fn ago(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let words = match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / MINUTE),
        // The hours are rounded, and one and a half of them is still about one.
        _ => match (seconds + HOUR / 2) / HOUR {
            0..=1 => "About an hour".to_owned(),
            hours @ 2..48 => format!("{hours} hours"),
            hours @ 48..336 => format!("{} days", hours / 24),
            hours @ 336..1440 => format!("{} weeks", hours / 24 / 7),
            hours @ 1440..17520 => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", seconds / (365 * DAY)),
        },
    };
    format!("{words} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ID", "NAME"], ["123456", "b"]].map(|row| row.map(str::to_owned));
        let mut out = Vec::new();
        print(&mut out, &rows).unwrap();
        assert_eq!(out, b"ID       NAME\n123456   b\n");
    }

    #[test]
    fn ages_are_rough() {
        for (seconds, words) in [
            (0, "Less than a second ago"),
            (59, "59 seconds ago"),
            (119, "About a minute ago"),
            (3599, "59 minutes ago"),
            (3600, "About an hour ago"),
            (7200, "2 hours ago"),
            (3 * 86400, "3 days ago"),
            (30 * 86400, "4 weeks ago"),
            (90 * 86400, "3 months ago"),
            (800 * 86400, "2 years ago"),
        ] {
            assert_eq!(ago(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shortened("äbc", 3), "äbc");
        assert_eq!(shortened("äbcd", 3), "äb…");
    }
}
