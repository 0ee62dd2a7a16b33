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

/// A duration that is no less than nothing.
fn seconds(text: &str) -> Option<Duration> {
    let nanoseconds = driver::golang::parse_duration(text).ok()?;
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
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
