//! Times and spans as upstream writes and reads them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::error::ApiError;

/// How a time that never was is written: Go's zero time.
pub(crate) const NEVER: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with as many digits as the fraction needs.
pub(crate) fn rfc3339(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
}

/// RFC 3339 with nine digits, as log lines are stamped.
pub(crate) fn rfc3339_nano(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// The time that has gone by, none of it when the clock was set back.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// A span as a person says it: `About a minute`, `3 weeks`. The thresholds are upstream's.
pub(crate) fn human(span: Duration) -> String {
    let (seconds, minutes) = (span.as_secs(), span.as_secs() / 60);
    let hours = (span.as_secs() + 1800) / 3600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".into(),
        (1, ..) => "1 second".into(),
        (2..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".into(),
        (_, 2..60, _) => format!("{minutes} minutes"),
        (_, _, 1) => "About an hour".into(),
        (_, _, 0..48) => format!("{hours} hours"),
        (_, _, 48..336) => format!("{} days", hours / 24),
        (_, _, 336..1440) => format!("{} weeks", hours / 24 / 7),
        (_, _, 1440..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// A parameter such as `1136073600.000000001`: seconds, and a fraction if there is one.
///
/// # Errors
/// 500 with the text of Go's number parser, as upstream answers.
pub(crate) fn timestamp(text: &str) -> Result<Option<Timestamp>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let number = |text: &str| {
        text.parse::<i64>()
            .map_err(|_| ApiError::internal(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
    };
    number(fraction)?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let time = Timestamp::new(number(seconds)?, digits.parse().unwrap_or(0));
    time.map(Some)
        .map_err(|cause| ApiError::bad(format!("invalid timestamp {text}: {cause}")))
}

/// What `filters={"until": …}` may say: a timestamp as above, RFC 3339 or its beginning (`2024-05-01`, with a zone or
/// without one), or a span before now (`24h`).
///
/// # Errors
/// 400 when it is none of them.
pub(crate) fn until(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    // A mere nought is a timestamp, upstream's exception.
    if text != "0"
        && let Ok(nanoseconds) = driver::golang::parse_duration(text)
    {
        let span = SignedDuration::from_nanos(nanoseconds);
        return Ok(now.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH));
    }
    if let Ok(Some(time)) = timestamp(text) {
        return Ok(time);
    }
    let date_time = text.parse::<Timestamp>().or_else(|_| midnight(text)).ok();
    let civil = || {
        text.parse::<jiff::civil::DateTime>()
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
    };
    let found = date_time.or_else(|| civil().map(|zoned| zoned.timestamp()));
    found.ok_or_else(|| ApiError::bad(format!("failed to parse value as time or duration: {text:?}")))
}

/// `2024-05-01Z`, `2024-05-01+02:00`.
fn midnight(text: &str) -> Result<Timestamp, jiff::Error> {
    let (date, zone) = text.split_at_checked(10).unwrap_or((text, ""));
    format!("{date}T00:00:00{zone}").parse()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_said_as_upstream_does() {
        let (minute, hour, day) = (60, 3600, 86400);
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (minute, "About a minute"),
            (3 * minute, "3 minutes"),
            (35 * minute, "35 minutes"),
            (59 * minute + 59, "59 minutes"),
            (hour, "About an hour"),
            (hour + 29 * minute, "About an hour"),
            (hour + 31 * minute, "2 hours"),
            (47 * hour, "47 hours"),
            (48 * hour, "2 days"),
            (13 * day, "13 days"),
            (14 * day, "2 weeks"),
            (59 * day, "8 weeks"),
            (60 * day, "2 months"),
            (729 * day, "24 months"),
            (730 * day, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn times_are_written_as_go_does() {
        let time: Timestamp = "2024-01-02T03:04:05.120Z".parse().unwrap();
        assert_eq!(rfc3339(Some(time)), "2024-01-02T03:04:05.12Z");
        assert_eq!(rfc3339(None), NEVER);
        assert_eq!(rfc3339_nano(time), "2024-01-02T03:04:05.120000000Z");
    }

    #[test]
    fn times_are_read() {
        let read = |text| timestamp(text).unwrap().map(|time| time.as_nanosecond());
        assert_eq!(read(""), None);
        assert_eq!(read("12"), Some(12_000_000_000));
        assert_eq!(read("12.5"), Some(12_500_000_000));
        assert_eq!(read("12.000000001"), Some(12_000_000_001));
        assert_eq!(
            timestamp("x").unwrap_err().message,
            "strconv.ParseInt: parsing \"x\": invalid syntax"
        );
        let now: Timestamp = "2024-01-02T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("1h30m", "2024-01-01T22:30:00Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("2023-05-06T07:08:09Z", "2023-05-06T07:08:09Z"),
            ("2023-05-06T07:08:09", "2023-05-06T07:08:09Z"),
            ("2023-05-06", "2023-05-06T00:00:00Z"),
        ] {
            assert_eq!(until(text, now).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(
            until("x", now).unwrap_err().message,
            "failed to parse value as time or duration: \"x\""
        );
    }

    proptest! {
        #[test]
        fn no_time_makes_it_panic(text in "\\PC{0,30}", digits in "[0-9.hms]{0,30}") {
            for text in [text, digits] {
                let _ = timestamp(&text);
                let _ = until(&text, Timestamp::UNIX_EPOCH);
            }
        }
    }
}
