//! `metav1.Duration`: Go's duration text, and its nanoseconds for protobuf.

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The canonical text, or Go's error text.
pub(crate) fn canonical(text: &str) -> Result<String, String> {
    parse(text).map(print)
}

/// Nanoseconds of a duration text.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", crate::json::go_quote(text));
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    let mut total = 0;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let (part, after) =
            component(rest).map_err(|unit| unit.map_or_else(invalid, |unit| unit_error(unit, text)))?;
        total += part;
        rest = after;
        if total > i128::from(i64::MAX) + i128::from(negative) {
            return Err(invalid());
        }
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

fn unit_error(unit: &str, text: &str) -> String {
    let text = crate::json::go_quote(text);
    match unit {
        "" => format!("time: missing unit in duration {text}"),
        unit => format!(
            "time: unknown unit {} in duration {text}",
            crate::json::go_quote(unit)
        ),
    }
}

/// One number with its unit; on failure the wrong unit, or nothing where there is no number.
fn component(text: &str) -> Result<(i128, &str), Option<&str>> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(None);
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(Some(unit))?;
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().map_err(|_| None)?.into()
    };
    let scale = 10_f64.powi(i32::try_from(fraction.len().min(18)).unwrap_or(18));
    let fraction: f64 = fraction[..fraction.len().min(18)].parse().unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "less than one unit, and a unit fits"
    )]
    #[expect(clippy::cast_precision_loss, reason = "units are exact in a float, as in Go")]
    let part = (fraction * (*size as f64 / scale)) as i128;
    Ok((whole * size + part, rest))
}

/// Go's text of a duration: `1h0m0s`, `1.5s`, `250ms`, `0s`.
pub(crate) fn print(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let abs = nanos.unsigned_abs();
    let text = match abs {
        0 => "0s".to_owned(),
        1..1_000 => format!("{abs}ns"),
        1_000..1_000_000 => format!("{}\u{b5}s", decimal(abs, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(abs, 1_000_000)),
        _ => clock(abs),
    };
    format!("{sign}{text}")
}

fn clock(abs: u64) -> String {
    let (minutes, rest) = (abs / 60_000_000_000, abs % 60_000_000_000);
    let seconds = decimal(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{}{dot}{fraction}", value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_those_of_go() {
        for (text, expected) in [
            ("1h", "1h0m0s"),
            ("90s", "1m30s"),
            ("1.5s", "1.5s"),
            ("250ms", "250ms"),
            ("1500us", "1.5ms"),
            ("0", "0s"),
            ("-1m", "-1m0s"),
            ("1h0m0.000000001s", "1h0m0.000000001s"),
            (".5s", "500ms"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected));
        }
        for (text, message) in [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("1", "time: missing unit in duration \"1\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("9999999h", "time: invalid duration \"9999999h\""),
        ] {
            assert_eq!(canonical(text), Err(message.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn parse_undoes_print(nanos: i64) {
            prop_assert_eq!(parse(&print(nanos)), Ok(nanos));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+.0-9a-zµ]{0,40}") {
            drop(canonical(&text));
        }
    }
}
