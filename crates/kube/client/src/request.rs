//! Requests as bytes.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Error, ListOptions, Place, Selectors, WatchOptions, WriteOptions};

/// The media type of almost everything.
pub(crate) const JSON: &str = "application/json";

/// A query in the making.
#[derive(Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds a parameter unless it is empty.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(name);
            self.0.push('=');
            self.0.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        self
    }

    fn with_number(self, name: &str, value: u64) -> Self {
        match value {
            0 => self,
            value => self.with(name, &value.to_string()),
        }
    }

    fn with_flag(self, name: &str, value: bool) -> Self {
        self.with(name, if value { "true" } else { "" })
    }

    pub(crate) fn selecting(self, selectors: &Selectors) -> Self {
        self.with("labelSelector", &selectors.labels)
            .with("fieldSelector", &selectors.fields)
    }

    pub(crate) fn listing(self, options: &ListOptions) -> Self {
        self.selecting(&options.selectors)
            .with_number("limit", options.limit as u64)
            .with("continue", &options.continues)
            .with("resourceVersion", &options.resource_version)
    }

    /// Bookmarks are always wanted: they keep a quiet watch's place from being forgotten.
    pub(crate) fn watching(self, options: &WatchOptions) -> Self {
        self.selecting(&options.selectors)
            .with("watch", "true")
            .with("allowWatchBookmarks", "true")
            .with("resourceVersion", &options.resource_version)
            .with_number("timeoutSeconds", options.timeout_seconds)
    }

    pub(crate) fn writing(self, options: &WriteOptions) -> Self {
        self.with("dryRun", if options.dry_run { "All" } else { "" })
            .with("fieldManager", &options.field_manager)
            .with("fieldValidation", &options.field_validation)
            .with_flag("force", options.force)
    }
}

/// A request for a place.
pub(crate) struct Asked<'a> {
    pub(crate) method: Method,
    pub(crate) place: Place<'a>,
    pub(crate) query: Query,
    /// The media type and the bytes, where there is a body.
    pub(crate) body: Option<(&'static str, Bytes)>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(method: Method, place: Place<'a>) -> Self {
        Self {
            method,
            place,
            query: Query::default(),
            body: None,
        }
    }

    pub(crate) fn build(self, accept: &str, agent: &str) -> Result<Request<Bytes>, Error> {
        let target = format!("{}{}", self.place.path(), self.query.0);
        build(self.method, &target, accept, agent, self.body)
    }
}

/// A request for any path.
pub(crate) fn build(
    method: Method,
    target: &str,
    accept: &str,
    agent: &str,
    body: Option<(&'static str, Bytes)>,
) -> Result<Request<Bytes>, Error> {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(ACCEPT, accept)
        .header(USER_AGENT, agent);
    let (content, bytes) = body.unwrap_or((JSON, Bytes::new()));
    let mut request = request.body(bytes).map_err(Error::answer)?;
    if !request.body().is_empty() {
        let content = HeaderValue::from_static(content);
        request.headers_mut().insert(CONTENT_TYPE, content);
    }
    Ok(request)
}
