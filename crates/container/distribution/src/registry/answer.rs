//! What an answer's head and a refusal's body say.

use std::time::Duration;

use http::header::{CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER, WARNING};
use http::{HeaderMap, Method, StatusCode, Uri};
use image::Digest;
use jiff::Timestamp;
use serde::Deserialize;

use crate::auth::{Challenge, challenges};
use crate::error::{Refusal, RegistryError};

/// The largest refusal that is read, in bytes.
pub(super) const REFUSAL: usize = 64 << 10;

/// Warnings that are kept, and how long one may be.
const WARNINGS: usize = 16;
const WARNING_LENGTH: usize = 4 << 10;

/// Entries of a refusal that are kept, and how long each text may be.
const ERRORS: usize = 16;
const TEXT: usize = 4 << 10;

/// How many more requests a registry allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In a window of time.
    pub limit: Option<u64>,
    /// What is left of them.
    pub remaining: Option<u64>,
    /// How long the window is.
    pub window: Option<Duration>,
}

/// What a registry said besides.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) warnings: Vec<String>,
}

impl Notes {
    pub(super) fn take(&mut self, headers: &HeaderMap) {
        if let Some(limit) = rate_limit(headers) {
            self.rate_limit = Some(limit);
        }
        for text in headers
            .get_all(WARNING)
            .iter()
            .filter_map(|value| warning(value.to_str().ok()?))
        {
            if self.warnings.len() < WARNINGS && !self.warnings.contains(&text) {
                self.warnings.push(text);
            }
        }
    }
}

/// `100;w=21600`: so many in so many seconds.
fn rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    let read = |name: &'static str| {
        let text = headers.get(HeaderName::from_static(name))?.to_str().ok()?;
        let (count, rest) = text.split_once(';').unwrap_or((text, ""));
        let window = rest
            .trim()
            .strip_prefix("w=")
            .and_then(|seconds| seconds.parse().ok());
        Some((count.trim().parse::<u64>().ok()?, window.map(Duration::from_secs)))
    };
    let (limit, remaining) = (read("ratelimit-limit"), read("ratelimit-remaining"));
    let window = limit.or(remaining)?.1;
    Some(RateLimit {
        limit: limit.map(|(count, _)| count),
        remaining: remaining.map(|(count, _)| count),
        window,
    })
}

/// `299 - "text"` (distribution-spec §Warnings).
fn warning(value: &str) -> Option<String> {
    let text = value.trim().strip_prefix("299 - \"")?.strip_suffix('"')?;
    let text = text.replace("\\\"", "\"").replace("\\\\", "\\");
    (text.len() <= WARNING_LENGTH).then_some(text)
}

/// How long to wait: seconds, or until a date by the server's own clock.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = date(text)?;
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

fn date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

/// `Docker-Content-Digest`, if it is of an algorithm that is known here.
pub(super) fn digest(headers: &HeaderMap) -> Option<Digest> {
    let text = headers.get("docker-content-digest")?.to_str().ok()?;
    text.trim().parse().ok()
}

/// The media type without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = text.unwrap_or_default();
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(http::header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Entry>,
    /// Docker Hub's token service says so.
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What a server says against a request.
pub(super) fn refusal(
    method: &Method,
    uri: &Uri,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Refusal {
    let mut errors: Vec<RegistryError> = challenges(headers)
        .iter()
        .filter_map(challenged)
        .take(1)
        .collect();
    errors.extend(spoken(status, body));
    if errors.is_empty() {
        errors.extend(implied(status));
    }
    Refusal {
        method: method.clone(),
        url: uri.to_string(),
        status,
        errors,
        retry_after: retry_after(headers),
    }
}

/// What a challenge says of the token that was shown (RFC 6750 §3.1).
fn challenged(challenge: &Challenge) -> Option<RegistryError> {
    let code = match challenge.get("error")? {
        "invalid_token" => "UNAUTHORIZED",
        "insufficient_scope" => "DENIED",
        _ => return None,
    };
    let message = challenge.get("error_description").unwrap_or_else(|| usual(code));
    Some(RegistryError::new(code, message))
}

fn spoken(status: StatusCode, body: &[u8]) -> Vec<RegistryError> {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return Vec::new();
    };
    if let Some(details) = body.details.filter(|details| !details.is_empty()) {
        let code = implied(status).map_or_else(|| "UNKNOWN".to_owned(), |error| error.code);
        return vec![RegistryError::new(&code, &bounded(&details))];
    }
    let entries = body.errors.into_iter().take(ERRORS);
    entries
        .map(|entry| {
            let code = if entry.code.is_empty() {
                "UNKNOWN"
            } else {
                &entry.code
            };
            let message = match entry.message.as_str() {
                "" => usual(code).to_owned(),
                text => bounded(text),
            };
            RegistryError::new(&bounded(code), &message)
        })
        .collect()
}

/// What a status says where nobody says more.
fn implied(status: StatusCode) -> Option<RegistryError> {
    let code = match status.as_u16() {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        429 => "TOOMANYREQUESTS",
        _ => return None,
    };
    Some(RegistryError::new(code, usual(code)))
}

/// What upstream's registry says with a code.
fn usual(code: &str) -> &'static str {
    match code {
        "UNAUTHORIZED" => "authentication required",
        "DENIED" => "requested access to the resource is denied",
        "TOOMANYREQUESTS" => "too many requests",
        "MANIFEST_UNKNOWN" => "manifest unknown",
        "NAME_UNKNOWN" => "repository name not known to registry",
        "BLOB_UNKNOWN" => "blob unknown to registry",
        "UNSUPPORTED" => "The operation is unsupported.",
        _ => "unknown error",
    }
}

/// A text that is shown to people is not a page, and does not move their terminal's cursor.
fn bounded(text: &str) -> String {
    let shown = |letter: char| {
        if letter.is_control() && letter != '\n' {
            ' '
        } else {
            letter
        }
    };
    text.chars().take(TEXT).map(shown).collect()
}

#[cfg(test)]
mod tests;
