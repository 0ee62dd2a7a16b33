//! The bar that old clients print as it comes: `[====>      ]  1.2MB/4.5MB`.

/// Length of the bar in characters.
const WIDTH: u64 = 50;
const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

/// The bar for so many bytes of so many; a total of 0 is one that is not known.
pub(crate) fn render(current: u64, total: u64) -> String {
    if total == 0 {
        return format!("{:>8}", size(current));
    }
    let done = (current.min(total) * 100 / total) / 2;
    let bar = "=".repeat(usize::try_from(done).unwrap_or(0));
    let rest = " ".repeat(usize::try_from(WIDTH - done).unwrap_or(0));
    format!("[{bar}>{rest}] {:>8}/{}", size(current.min(total)), size(total))
}

/// A number of bytes in units of a thousand, with four digits.
#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value >= 100.0 {
        1
    } else if value >= 10.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_upstreams() {
        assert_eq!(render(0, 1000), format!("[>{}]       0B/1kB", " ".repeat(50)));
        assert_eq!(
            render(500, 1000),
            format!("[{}>{}]     500B/1kB", "=".repeat(25), " ".repeat(25))
        );
        assert_eq!(render(2, 1), format!("[{}>]       1B/1B", "=".repeat(50)));
        assert_eq!(render(1234, 0), " 1.234kB");
        assert_eq!(
            (size(1_420_000).as_str(), size(12_345_678).as_str()),
            ("1.42MB", "12.35MB")
        );
    }
}
