//! `metav1.Time` and `metav1.MicroTime`: RFC 3339 text in UTC, and Unix time for protobuf.

use crate::json::go_quote;
use crate::row::Kind;
use std::ops::RangeInclusive;

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICRO_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";
/// Unix seconds of 0001-01-01T00:00:00Z, Go's zero time, which upstream writes as `null`.
const ZERO: i64 = -62_135_596_800;
/// Unix seconds of 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

/// A moment: Unix seconds and microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    pub(crate) micros: u32,
}

/// The canonical text, nothing for the zero time, or Go's error text.
pub(crate) fn canonical(kind: Kind, text: &str) -> Result<Option<String>, String> {
    let moment = parse(kind, text)?;
    if kind == Kind::Time && text.len() == "2006-01-02T15:04:05Z".len() && moment.seconds != ZERO {
        // Nothing but UTC without a fraction has this length.
        return Ok(Some(text.to_owned()));
    }
    print(kind, moment)
}

/// The text of a moment; nothing for the zero time; an error outside the years 0 to 9999.
pub(crate) fn print(kind: Kind, moment: Moment) -> Result<Option<String>, String> {
    let Moment { seconds, micros } = moment;
    if seconds == ZERO && (micros == 0 || kind == Kind::Time) {
        return Ok(None);
    }
    if !(ZERO - 366 * 86_400..=LAST).contains(&seconds) {
        return Err("Time.MarshalJSON: year outside of range [0,9999]".to_owned());
    }
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let fraction = if kind == Kind::MicroTime {
        format!(".{micros:06}")
    } else {
        String::new()
    };
    Ok(Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    )))
}

/// Reads RFC 3339 as Go's `time.Parse` does with upstream's two layouts.
pub(crate) fn parse(kind: Kind, text: &str) -> Result<Moment, String> {
    let mut scan = Scan {
        text,
        rest: text,
        layout: if kind == Kind::MicroTime {
            MICRO_LAYOUT
        } else {
            LAYOUT
        },
    };
    let year = scan.number("2006", 4..=4)?;
    scan.literal("-")?;
    let month = scan.number("01", 2..=2)?;
    scan.check("month", (1..=12).contains(&month))?;
    scan.literal("-")?;
    let day = scan.number("02", 2..=2)?;
    scan.literal("T")?;
    let hour = scan.number("15", 1..=2)?;
    scan.check("hour", hour < 24)?;
    scan.literal(":")?;
    let minute = scan.number("04", 2..=2)?;
    scan.check("minute", minute < 60)?;
    scan.literal(":")?;
    let second = scan.number("05", 2..=2)?;
    scan.check("second", second < 60)?;
    let micros = scan.fraction(kind)?;
    let offset = scan.zone()?;
    if !scan.rest.is_empty() {
        return Err(format!(
            "parsing time {}: extra text: {}",
            go_quote(text),
            go_quote(scan.rest)
        ));
    }
    scan.check("day", (1..=days_in(year, month)).contains(&day))?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Ok(Moment { seconds, micros })
}

struct Scan<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
}

impl<'a> Scan<'a> {
    fn fail<T>(&self, element: &str) -> Result<T, String> {
        let [text, rest] = [self.text, self.rest].map(go_quote);
        Err(format!(
            "parsing time {text} as \"{}\": cannot parse {rest} as \"{element}\"",
            self.layout
        ))
    }

    fn check(&self, what: &str, fits: bool) -> Result<(), String> {
        if fits {
            Ok(())
        } else {
            Err(format!(
                "parsing time {}: {what} out of range",
                go_quote(self.text)
            ))
        }
    }

    fn literal(&mut self, text: &str) -> Result<(), String> {
        match self.rest.strip_prefix(text) {
            Some(rest) => self.rest = rest,
            None => return self.fail(text),
        }
        Ok(())
    }

    fn digits(&self, most: usize) -> &'a str {
        let len = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        &self.rest[..len]
    }

    fn number(&mut self, element: &str, width: RangeInclusive<usize>) -> Result<i64, String> {
        let digits = self.digits(*width.end());
        if !width.contains(&digits.len()) {
            return self.fail(element);
        }
        self.rest = &self.rest[digits.len()..];
        Ok(digits.parse().unwrap_or(0))
    }

    /// Six digits for `MicroTime`; for `Time` any fraction is read and dropped.
    fn fraction(&mut self, kind: Kind) -> Result<u32, String> {
        if kind == Kind::MicroTime {
            let digits = self.rest.strip_prefix('.').and_then(|rest| rest.get(..6));
            let Some(micros) = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit())) else {
                return self.fail(".000000");
            };
            self.rest = &self.rest[7..];
            return Ok(micros.parse().unwrap_or(0));
        }
        if let Some(rest) = self.rest.strip_prefix(['.', ','])
            && rest.starts_with(|c: char| c.is_ascii_digit())
        {
            self.rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        Ok(0)
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bytes = self.rest.as_bytes();
        let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, ..] = bytes else {
            return self.fail("Z07:00");
        };
        if ![h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) {
            return self.fail("Z07:00");
        }
        let pair = |a: &u8, b: &u8| i64::from(a - b'0') * 10 + i64::from(b - b'0');
        let (hours, minutes) = (pair(h1, h2), pair(m1, m2));
        self.check("time zone offset hour", hours <= 24)?;
        self.check("time zone offset minute", minutes <= 60)?;
        self.rest = &self.rest[6..];
        let offset = hours * 3600 + minutes * 60;
        Ok(if *sign == b'-' { -offset } else { offset })
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years begin in March here,
/// so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date that is so many days from 1970-01-01; the inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (
        year + era * 400 + i64::from(month <= 2),
        month,
        of_year - (153 * shifted + 2) / 5 + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_become_utc_without_fractions() {
        for (text, expected) in [
            ("2008-01-01T01:01:01Z", Some("2008-01-01T01:01:01Z")),
            ("2024-02-29T23:30:00-01:00", Some("2024-03-01T00:30:00Z")),
            ("2024-01-01T00:00:00.999Z", Some("2024-01-01T00:00:00Z")),
            ("0001-01-01T00:00:00Z", None),
        ] {
            assert_eq!(
                canonical(Kind::Time, text),
                Ok(expected.map(str::to_owned)),
                "{text}"
            );
        }
        assert_eq!(
            canonical(Kind::MicroTime, "2024-01-01T00:00:00.123456+01:00"),
            Ok(Some("2023-12-31T23:00:00.123456Z".to_owned()))
        );
    }

    #[test]
    fn wrong_texts_are_refused_as_in_go() {
        for (text, message) in [
            (
                "x",
                "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"",
            ),
            (
                "2024-13-01T00:00:00Z",
                "parsing time \"2024-13-01T00:00:00Z\": month out of range",
            ),
            (
                "2023-02-29T00:00:00Z",
                "parsing time \"2023-02-29T00:00:00Z\": day out of range",
            ),
            (
                "2024-01-01T00:00:00Zx",
                "parsing time \"2024-01-01T00:00:00Zx\": extra text: \"x\"",
            ),
        ] {
            assert_eq!(canonical(Kind::Time, text), Err(message.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn parse_undoes_print(seconds in ZERO + 1..=LAST, micros in 0_u32..1_000_000) {
            let moment = Moment { seconds, micros };
            let text = print(Kind::MicroTime, moment).unwrap().unwrap();
            prop_assert_eq!(parse(Kind::MicroTime, &text), Ok(moment));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+:.,0-9TZµ]{0,40}") {
            drop(canonical(Kind::Time, &text));
            drop(canonical(Kind::MicroTime, &text));
        }
    }
}
