//! One request as a handler sees it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, Method};
use https::{RequestBody, Whole};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;

use super::body::{self, BodyReader};
use super::query::Query;
use super::version::ApiVersion;
use crate::error::ApiError;
use crate::go_json;

/// One request: everything the router knows about it.
pub(crate) struct Call<S> {
    /// What the handlers work on.
    pub state: Arc<S>,
    /// The version the client speaks.
    pub version: ApiVersion,
    /// The method.
    pub method: Method,
    /// What `{}` of the pattern stands for, decoded.
    pub name: String,
    /// The query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
}

impl<S> Call<S> {
    /// A header's value as text; empty when it is missing or no text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    /// Whether the client asked for `101 UPGRADED`.
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.headers.contains_key(UPGRADE)
    }

    /// Whether there is no body at all, by the length the headers announce.
    pub(crate) fn has_no_body(&self) -> bool {
        self.body.size_hint().exact() == Some(0)
    }

    /// Refuses a body that is not said to be JSON.
    ///
    /// # Errors
    /// 400 with upstream's sentences. A missing media type is fine when there is no body.
    pub(crate) fn check_for_json(&self) -> Result<(), ApiError> {
        match self.header(CONTENT_TYPE.as_str()) {
            "" if self.has_no_body() => Ok(()),
            media_type => match_json(media_type),
        }
    }

    /// The body as JSON; `None` when there is none.
    ///
    /// # Errors
    /// 400 for another media type or malformed JSON, 413 above 4 MiB.
    pub(crate) async fn json_value(self) -> Result<Option<serde_json::Value>, ApiError> {
        self.check_for_json()?;
        if self.has_no_body() {
            return Ok(None);
        }
        let whole = body::collect(self.body).await?;
        go_json::parse(&whole.bytes).map(Some)
    }

    /// The body as a value of `T`; its default when there is no body.
    ///
    /// # Errors
    /// As [`Self::json_value`], and 400 when a member has the wrong type.
    pub(crate) async fn json<T: DeserializeOwned + Default>(self) -> Result<T, ApiError> {
        match self.json_value().await? {
            None => Ok(T::default()),
            Some(value) => go_json::decode(value),
        }
    }

    /// The whole body, bounded.
    ///
    /// # Errors
    /// 413 above 4 MiB, 400 when the client broke off.
    pub(crate) async fn bytes(self) -> Result<Bytes, ApiError> {
        body::collect(self.body).await.map(Whole::into_bytes)
    }

    /// The body as a blocking reader for a thread.
    pub(crate) fn reader(self) -> BodyReader {
        BodyReader::new(self.body)
    }
}

fn match_json(media_type: &str) -> Result<(), ApiError> {
    let kind = media_type.split(';').next().unwrap_or("").trim();
    if media_type.is_empty() {
        return Err(ApiError::bad(
            "malformed Content-Type header (): mime: no media type",
        ));
    }
    if !sound_parameters(media_type) {
        return Err(ApiError::bad(format!(
            "malformed Content-Type header ({media_type}): mime: invalid media parameter"
        )));
    }
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::bad(format!(
            "unsupported Content-Type header ({media_type}): must be 'application/json'"
        )));
    }
    Ok(())
}

/// Whether everything behind the first `;` is `name=value`; a trailing `;` is tolerated.
fn sound_parameters(media_type: &str) -> bool {
    let Some((_, parameters)) = media_type.split_once(';') else {
        return true;
    };
    let parameters = parameters.trim();
    parameters.is_empty()
        || parameters.trim_end_matches(';').split(';').all(|parameter| {
            parameter
                .split_once('=')
                .is_some_and(|(name, _)| !name.trim().is_empty())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_json() {
        for (media_type, refusal) in [
            ("application/json", None),
            ("application/json; charset=utf-8", None),
            ("Application/JSON", None),
            (
                "text/plain",
                Some("unsupported Content-Type header (text/plain): must be 'application/json'"),
            ),
            (
                "foo;;;bar",
                Some("malformed Content-Type header (foo;;;bar): mime: invalid media parameter"),
            ),
            ("", Some("malformed Content-Type header (): mime: no media type")),
        ] {
            let answer = match_json(media_type).err().map(|error| error.message);
            assert_eq!(answer.as_deref(), refusal, "{media_type}");
        }
    }
}
