//! A request's time.

use std::time::Duration;

use schema::status::Status;

use crate::{Answer, Query};

/// How long a request may take: what it asks for in `timeout`, at most `most`. Watches have `timeoutSeconds`.
pub(super) fn limit(query: &Query, long_running: bool, most: Duration) -> Answer<Duration> {
    let asked = query
        .get("timeout")
        .filter(|text| !text.is_empty() && !long_running);
    let Some(text) = asked else {
        return Ok(most);
    };
    match seconds(text) {
        Some(asked) => Ok(if asked.is_zero() { most } else { asked.min(most) }),
        None => {
            let why = format!(
                "invalid timeout specified in the request URL - time: invalid duration {}",
                schema::json::go_quote(text)
            );
            Err(Status::bad_request(why).into())
        }
    }
}

/// Go's `time.ParseDuration`, without signs: `1m30s`, `1.5h`, `200ms`.
fn seconds(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] = [
        ("ms", 1e-3),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ns", 1e-9),
        ("h", 3600.0),
        ("m", 60.0),
        ("s", 1.0),
    ];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let (unit, scale) = UNITS.iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        sum += number * scale;
        rest = &rest[digits + unit.len()..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(sum).ok())?
}

/// 504: the answer was not there in time.
pub(super) fn too_late() -> Status {
    Status::timeout("request did not complete within the allotted timeout", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_does() {
        let cases = [
            ("1m30s", Some(90.0)),
            ("1.5h", Some(5400.0)),
            ("200ms", Some(0.2)),
            ("0", Some(0.0)),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("1d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text).map(|time| time.as_secs_f64()), expected, "{text}");
        }
    }
}
