//! The forms in which Go prints values. They are part of what users compare: the history of an
//! image says `CMD ["sh" "-c"]` because upstream formats a slice with `%q`.

use std::fmt::Write as _;

use driver::golang::NoDuration;

/// `%q` of a string: Go's `strconv.Quote`.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    text.chars().for_each(|c| push_escaped(&mut quoted, c));
    quoted.push('"');
    quoted
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if u32::from(c) < 0x20 || c == '\u{7f}' => push_code(out, "\\x", 2, c),
        c if c.is_control() || (c.is_whitespace() && c != ' ') => push_code(out, "\\u", 4, c),
        c => out.push(c),
    }
}

fn push_code(out: &mut String, prefix: &str, width: usize, c: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{prefix}{:0width$x}", u32::from(c));
}

/// `%q` of an integer: the character of this number.
pub(crate) fn quote_char(c: char) -> String {
    let quoted = quote(&c.to_string());
    match c {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => format!("'{}'", &quoted[1..quoted.len() - 1]),
    }
}

/// `%q` of a slice of strings.
pub(crate) fn quote_list(list: &[String]) -> String {
    let quoted: Vec<_> = list.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(" "))
}

/// `%v` of a slice of strings.
pub(crate) fn plain_list<S: AsRef<str>>(list: &[S]) -> String {
    let plain: Vec<_> = list.iter().map(AsRef::as_ref).collect();
    format!("[{}]", plain.join(" "))
}

/// `time.ParseDuration`, in nanoseconds.
///
/// # Errors
/// Go's own sentence.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    driver::golang::parse_duration(text).map_err(|why| match why {
        NoDuration::Invalid => format!("time: invalid duration {}", quote(text)),
        NoDuration::MissingUnit => format!("time: missing unit in duration {}", quote(text)),
        NoDuration::UnknownUnit(unit) => {
            format!("time: unknown unit {} in duration {}", quote(unit), quote(text))
        }
    })
}

/// `time.Duration.String`.
pub(crate) fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let value = nanoseconds.unsigned_abs();
    let text = match value {
        0 => return "0s".to_owned(),
        1..=999 => format!("{value}ns"),
        1_000..=999_999 => format!("{}µs", fraction(value, 1_000)),
        1_000_000..=999_999_999 => format!("{}ms", fraction(value, 1_000_000)),
        _ => clock(value),
    };
    format!("{sign}{text}")
}

fn clock(value: u64) -> String {
    let minutes = value / 60_000_000_000;
    let seconds = format!("{}s", fraction(value % 60_000_000_000, 1_000_000_000));
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

fn fraction(value: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `strconv.ParseBool`; `None` for its error.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseInt(text, 10, 32)`.
///
/// # Errors
/// Go's own sentence.
pub(crate) fn parse_i32(text: &str) -> Result<i32, String> {
    use std::num::IntErrorKind;
    text.parse().map_err(|error: std::num::ParseIntError| {
        let reason = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.ParseInt: parsing {}: {reason}", quote(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        let cases = [
            ("a", r#""a""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("\n\t\u{1}", r#""\n\t\x01""#),
            ("é\u{2028}", r#""é\u2028""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quote(text), expected);
        }
        assert_eq!(quote_list(&["a b".into(), "c".into()]), r#"["a b" "c"]"#);
        assert_eq!(plain_list(&["a", "b"]), "[a b]");
        assert_eq!(
            ['\0', '\'', '"', 'a'].map(quote_char),
            ["'\\x00'", "'\\''", "'\"'", "'a'"]
        );
    }

    #[test]
    fn durations_both_ways() {
        let cases = [
            ("0", 0, "0s"),
            ("1ms", 1_000_000, "1ms"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("30s", 30_000_000_000, "30s"),
            ("5m", 300_000_000_000, "5m0s"),
            ("1h2m3s", 3_723_000_000_000, "1h2m3s"),
            ("-1us", -1_000, "-1µs"),
        ];
        for (text, nanoseconds, printed) in cases {
            assert_eq!(parse_duration(text), Ok(nanoseconds), "{text}");
            assert_eq!(duration(nanoseconds), printed);
        }
        let refused = [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            ("s", "time: invalid duration \"s\""),
        ];
        for (text, expected) in refused {
            assert_eq!(parse_duration(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn integers() {
        assert_eq!(parse_i32("-3"), Ok(-3));
        assert_eq!(
            parse_i32("x").unwrap_err(),
            "strconv.ParseInt: parsing \"x\": invalid syntax"
        );
        assert_eq!(
            parse_i32("99999999999").unwrap_err(),
            "strconv.ParseInt: parsing \"99999999999\": value out of range"
        );
    }
}
