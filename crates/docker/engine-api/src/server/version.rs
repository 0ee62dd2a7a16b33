//! API versions: `major.minor`, compared by number, as the optional first segment of a path says it.
//!
//! A version below the minimum or above what is served is refused before any handler runs, because
//! a handler that guesses at the shape of a request it does not know is worse than a clear answer.

use std::cmp::Ordering;
use std::fmt;

use crate::error::ApiError;

/// A version of the Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// The number before the point.
    pub major: u32,
    /// The number after the point.
    pub minor: u32,
}

/// The newest version, served in full and spoken when a path names none.
pub const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 50 };
/// The oldest version whose clients are still answered.
pub const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 24 };

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl ApiVersion {
    /// Whether this is version 1.`minor` or newer.
    pub fn since(self, minor: u32) -> bool {
        self >= Self { major: 1, minor }
    }

    /// Judges the version named in a path (digits and points), `None` meaning the newest.
    ///
    /// # Errors
    /// 400 with upstream's sentence when it is older than [`OLDEST`] or newer than [`NEWEST`].
    pub(crate) fn negotiate(named: Option<&str>) -> Result<Self, ApiError> {
        let Some(text) = named else { return Ok(NEWEST) };
        if compare(text, OLDEST) == Ordering::Less {
            return Err(ApiError::bad(format!(
                "client version {text} is too old. Minimum supported API version is {OLDEST}, \
                 please upgrade your client to a newer version"
            )));
        }
        if compare(text, NEWEST) == Ordering::Greater {
            return Err(ApiError::bad(format!(
                "client version {text} is too new. Maximum supported API version is {NEWEST}"
            )));
        }
        Ok(Self {
            major: number(text, 0),
            minor: number(text, 1),
        })
    }
}

/// Splits `/v1.43/info` into the version and the rest; a path without version is its own rest.
pub(crate) fn split(path: &str) -> (Option<&str>, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        (end > 0 && rest[end..].starts_with('/')).then(|| rest.split_at(end))
    });
    match versioned {
        Some((version, rest)) => (Some(version), rest),
        None => (None, path),
    }
}

/// Upstream compares part by part; what is no number counts as zero, and so does a missing part.
fn compare(text: &str, version: ApiVersion) -> Ordering {
    let parts = text.split('.').count().max(2);
    (0..parts)
        .map(|part| number(text, part).cmp(&[version.major, version.minor].get(part).copied().unwrap_or(0)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn number(text: &str, part: usize) -> u32 {
    text.split('.')
        .nth(part)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Whether `text` is older than anything upstream still formats errors as JSON for.
pub(crate) fn is_ancient(text: &str) -> bool {
    compare(text, OLDEST) == Ordering::Less
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_version_only_when_it_looks_like_one() {
        for (path, version, rest) in [
            ("/v1.43/info", Some("1.43"), "/info"),
            ("/info", None, "/info"),
            ("/volumes", None, "/volumes"),
            ("/v1.43", None, "/v1.43"),
            ("/v1x/info", None, "/v1x/info"),
            ("/v/info", None, "/v/info"),
            ("/v1.24/containers/a/b", Some("1.24"), "/containers/a/b"),
        ] {
            assert_eq!(split(path), (version, rest), "{path}");
        }
    }

    #[test]
    fn versions_outside_the_range_are_refused_in_upstreams_words() {
        let refusal = |text| ApiVersion::negotiate(Some(text)).unwrap_err().message;
        assert_eq!(
            refusal("1.23"),
            "client version 1.23 is too old. Minimum supported API version is 1.24, \
             please upgrade your client to a newer version"
        );
        assert_eq!(
            refusal("1.51"),
            "client version 1.51 is too new. Maximum supported API version is 1.50"
        );
        assert_eq!(
            refusal("2.0"),
            "client version 2.0 is too new. Maximum supported API version is 1.50"
        );
        assert!(refusal("99999999999.1").contains("too old"));
        assert!(refusal("1.50.1").contains("too new"));
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(ApiVersion::negotiate(None).unwrap(), NEWEST);
        let version = ApiVersion::negotiate(Some("1.41")).unwrap();
        assert!(version.since(41) && !version.since(42) && version.since(9));
    }
}
