//! Moments and lengths of time: their ranges, texts and arithmetic.

use jiff::Span;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::Error;

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// The first and last second that there is: years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A moment, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    nanos: i32,
}

fn overflow() -> Error {
    Error::text("timestamp overflow")
}

impl Timestamp {
    /// The moment so many seconds after 1970.
    pub(crate) fn from_seconds(seconds: i64) -> Result<Self, Error> {
        Self::new(i128::from(seconds) * i128::from(SECOND))
    }

    fn new(nanos: i128) -> Result<Self, Error> {
        let second = i128::from(SECOND);
        let seconds = i64::try_from(nanos.div_euclid(second)).map_err(|_| overflow())?;
        let nanos = i32::try_from(nanos.rem_euclid(second)).map_err(|_| overflow())?;
        if !SECONDS.contains(&seconds) {
            return Err(overflow());
        }
        Ok(Self { seconds, nanos })
    }

    fn nanos(self) -> i128 {
        i128::from(self.seconds) * i128::from(SECOND) + i128::from(self.nanos)
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(self) -> i64 {
        self.seconds
    }

    /// Whether this is Go's zero time.
    pub(crate) fn is_zero(self) -> bool {
        self.seconds == *SECONDS.start() && self.nanos == 0
    }

    /// The moment so much later.
    pub(crate) fn plus(self, nanos: i64) -> Result<Self, Error> {
        Self::new(self.nanos() + i128::from(nanos))
    }

    /// The moment so much earlier.
    pub(crate) fn minus(self, nanos: i64) -> Result<Self, Error> {
        Self::new(self.nanos() - i128::from(nanos))
    }

    /// How long after another moment this one is.
    pub(crate) fn since(self, other: Self) -> Result<i64, Error> {
        i64::try_from(self.nanos() - other.nanos()).map_err(|_| Error::text("duration overflow"))
    }

    /// The calendar at this moment; `zone` is a name of the time zone database or an offset (`-02:30`).
    pub(crate) fn calendar(self, zone: &str) -> Result<DateTime, Error> {
        let unknown = || Error::text(format!("unknown time zone {zone}"));
        let shift = match offset(zone) {
            Some(shift) => shift,
            None if zone.is_empty() || zone == "UTC" => 0,
            None => {
                // The last day of the last year is beyond what the database is asked for.
                let moment = jiff::Timestamp::new(self.seconds, self.nanos).map_err(|_| overflow())?;
                return Ok(moment
                    .to_zoned(TimeZone::get(zone).map_err(|_| unknown())?)
                    .datetime());
            }
        };
        self.civil(shift).ok_or_else(overflow)
    }

    /// The calendar where clocks are ahead of UTC by so many seconds.
    fn civil(self, shift: i64) -> Option<DateTime> {
        let seconds = self.seconds + shift;
        let day = EPOCH
            .checked_add(Span::new().try_days(seconds.div_euclid(DAY)).ok()?)
            .ok()?;
        let second = seconds.rem_euclid(DAY);
        let part = |value: i64| i8::try_from(value).ok();
        Some(day.at(
            part(second / 3600)?,
            part(second / 60 % 60)?,
            part(second % 60)?,
            self.nanos,
        ))
    }
}

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Seconds in a day.
const DAY: i64 = 86_400;

/// The seconds of `-02:30` and `09:00`.
fn offset(zone: &str) -> Option<i64> {
    let (hours, minutes) = zone.split_once(':')?;
    let negative = hours.starts_with('-');
    let hours: u8 = hours.trim_start_matches(['-', '+']).parse().ok()?;
    let minutes: u8 = minutes.parse().ok()?;
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    Some(if negative { -seconds } else { seconds })
}

/// RFC 3339 in UTC, with as much of a second as there is.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(time) = self.civil(0) else {
            return Ok(());
        };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        )?;
        if self.nanos > 0 {
            write!(f, ".{}", format!("{:09}", self.nanos).trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// A moment in RFC 3339.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let (local, shift) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, 0),
        None => {
            let at = text
                .len()
                .checked_sub(6)
                .filter(|at| text.is_char_boundary(*at))?;
            let zone = &text[at..];
            let signed = zone.starts_with(['+', '-']) && zone.as_bytes()[3] == b':';
            (&text[..at], offset(zone).filter(|_| signed)?)
        }
    };
    let shaped = local.is_ascii() && local.len() >= 19 && matches!(local.as_bytes()[10], b'T' | b't');
    let plain = |c: char| c.is_ascii_digit() || "-:.Tt".contains(c);
    let time: DateTime = Some(local)
        .filter(|_| shaped && local.chars().all(plain))?
        .parse()
        .ok()?;
    let days = EPOCH.until(time.date()).ok()?.get_days();
    let second = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    let seconds = i64::from(days) * DAY + second - shift;
    Timestamp::new(i128::from(seconds) * i128::from(SECOND) + i128::from(time.subsec_nanosecond())).ok()
}

/// The same, or a date.
pub(super) fn timestamp_or_date(text: &str) -> Option<Timestamp> {
    parse_timestamp(text).or_else(|| parse_timestamp(&format!("{text}T00:00:00Z")))
}

/// A length of time as Go writes it (`1h30m`), in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    driver::golang::parse_duration(text).ok()
}

/// A length of time as CEL prints it: in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "upstream prints the seconds as a double"
)]
pub(crate) fn duration_text(nanos: i64) -> String {
    format!("{}s", nanos as f64 / SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let cases = [
            ("1h30m", Some(5_400 * SECOND)),
            ("-1.5s", Some(-1_500_000_000)),
            ("100\u{b5}s", Some(100_000)),
            ("0", Some(0)),
            (".5s", Some(500_000_000)),
            ("1", None),
            ("", None),
            ("1x", None),
            ("9223372036854775808ns", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse_duration(text), wanted, "{text}");
        }
    }

    #[test]
    fn moments_are_read_and_printed() {
        for (text, wanted) in [
            ("2023-01-01T00:00:00Z", "2023-01-01T00:00:00Z"),
            ("2023-01-01T01:00:00.120+01:00", "2023-01-01T00:00:00.12Z"),
        ] {
            assert_eq!(
                parse_timestamp(text).map(|it| it.to_string()).as_deref(),
                Some(wanted)
            );
        }
        for text in ["2023-01-01", "2023-01-01T00:00:00", "x", "2023-13-01T00:00:00Z"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
