//! One request, until there is an answer that somebody hoped for or a reason why not.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

use super::answer::{self, REFUSAL};
use super::follow::{follow, same_server};
use super::tour::Server;
use super::{Client, Sent, Source};
use crate::Error;
use crate::auth::Scope;
use crate::config::Fallback;
use crate::error::Refusal;
use crate::transport::{Access, Payload, TransportError, read_all};

/// How many redirects are followed, as many as Go's client.
const REDIRECTS: usize = 10;

/// What is asked.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Sending,
    pub(super) scopes: Vec<Scope>,
}

#[derive(Clone)]
pub(super) enum Sending {
    Bytes(Bytes),
    /// What a source has from one place to another.
    Part(std::sync::Arc<dyn Source>, std::ops::Range<u64>, Sent),
}

impl Call {
    pub(super) fn new(method: Method, uri: Uri, scopes: Vec<Scope>) -> Self {
        Self {
            method,
            uri,
            headers: HeaderMap::new(),
            body: Sending::Bytes(Bytes::new()),
            scopes,
        }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    pub(super) fn sending(mut self, body: Sending) -> Self {
        self.body = body;
        self
    }

    async fn payload(&self) -> Result<Payload, Error> {
        match &self.body {
            Sending::Bytes(bytes) => Ok(Payload::bytes(bytes.clone())),
            Sending::Part(source, part, sent) => {
                let reader = source.open(part.start).await.map_err(Error::Source)?;
                let size = part.end - part.start;
                let (sent, from) = (sent.clone(), part.start);
                Ok(Payload::reader(
                    reader,
                    size,
                    Box::new(move |count| sent(from + count)),
                ))
            }
        }
    }

    pub(super) fn no_answer(&self, why: TransportError) -> Error {
        match why {
            // The only thing of ours that fails while a request is on its way is what it sends.
            TransportError::Http(error) if error.is_user() => Error::Source(std::io::Error::other(error)),
            why => Error::NoAnswer {
                method: self.method.clone(),
                url: self.uri.to_string(),
                why,
            },
        }
    }

    pub(super) fn protocol(&self, problem: impl Into<String>) -> Error {
        Error::Protocol {
            method: self.method.clone(),
            url: self.uri.to_string(),
            problem: problem.into(),
        }
    }
}

/// An answer.
pub(super) struct Answer {
    /// What was asked in the end.
    pub(super) uri: Uri,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    /// What was read of the body already: a connection is of use again once its answer has been read.
    read: Bytes,
}

impl Server {
    /// Asks until there is an answer with one of these statuses, or no hope.
    ///
    /// What a request sends from a [`Source`] is sent once: whoever sends it knows better where to go on.
    pub(super) async fn call(&self, call: &Call, hoped: &[u16]) -> Result<Answer, Error> {
        let once = matches!(call.body, Sending::Part(..));
        let mut failures = 0;
        loop {
            let error = match self.once(call, hoped).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            if once || !self.may_retry(&error, failures) {
                return Err(error);
            }
            self.client().pause(failures, &error).await;
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.place.client
    }

    /// Whether to ask again after so many failures.
    pub(super) fn may_retry(&self, error: &Error, failures: u32) -> bool {
        let patience = self.client().0.settings.patience;
        // Who is not there now is hardly there in ten seconds, and people wait.
        let limit = match error {
            Error::NoAnswer { why, .. } if why.is_absence() => self.attempts.min(2),
            _ => self.attempts,
        };
        error.is_temporary() && failures < limit && error.retry_after().is_none_or(|wait| wait <= patience)
    }

    async fn once(&self, call: &Call, hoped: &[u16]) -> Result<Answer, Error> {
        let answer = self.authorized(call).await?;
        self.place.notes().take(&answer.headers);
        if hoped.contains(&answer.status.as_u16()) {
            return Ok(answer);
        }
        // It spoke without TLS when it was last asked; the next attempt finds out anew.
        let guessed = call.uri.scheme_str() == Some("https") && answer.uri.scheme_str() == Some("http");
        let refusal = self.client().refusal(call, answer).await;
        if guessed && refusal.status == 400 && refusal.errors.is_empty() {
            return Err(call.no_answer(TransportError::NotPlain));
        }
        Err(Error::Refused(Box::new(refusal)))
    }

    /// With what the server is known to want to be shown, and again with what it then says that it wants. A token that
    /// was kept may be worth nothing by now, and is replaced once.
    async fn authorized(&self, call: &Call) -> Result<Answer, Error> {
        let mut shown = self.authorization(call).await?;
        loop {
            let header = shown.as_ref().map(|shown| shown.header.as_str());
            let mut answer = self.redirected(call, header).await?;
            if answer.status != StatusCode::UNAUTHORIZED || !self.is_own(&answer.uri) {
                return Ok(answer);
            }
            self.client().drain(&mut answer).await;
            match self.reauthorization(call, &answer, shown).await? {
                Some(better) => shown = Some(better),
                None => return Ok(answer),
            }
        }
    }

    /// Whether an address is this endpoint's, so that it may be shown credentials.
    pub(super) fn is_own(&self, uri: &Uri) -> bool {
        let base = &self.endpoint().base;
        let secured = uri.scheme() == base.scheme() || self.access.fallback != Fallback::Strict;
        same_server(base, uri) && secured
    }

    /// Follows redirects of what only reads. Other servers are shown no credentials, and none of the headers that are
    /// configured for this one.
    pub(super) async fn redirected(&self, call: &Call, authorization: Option<&str>) -> Result<Answer, Error> {
        let mut answer = self.send(call, &call.uri, authorization).await?;
        let reads = matches!(call.method, Method::GET | Method::HEAD);
        for _ in 0..REDIRECTS {
            let redirect = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if !redirect || !reads {
                return Ok(answer);
            }
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| follow(&answer.uri, location));
            let target = target.ok_or_else(|| {
                call.protocol(format!(
                    "redirected to {:?}, which is no address or leaves TLS",
                    location.unwrap_or_default()
                ))
            })?;
            self.client().drain(&mut answer).await;
            answer = self.send(call, &target, authorization).await?;
        }
        Err(call.protocol(format!("stopped after {REDIRECTS} redirects")))
    }

    async fn send(&self, call: &Call, uri: &Uri, authorization: Option<&str>) -> Result<Answer, Error> {
        let own = self.is_own(uri);
        let mut request = Request::new(call.payload().await?);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = call.headers.clone();
        if own {
            for (name, value) in &self.endpoint().headers {
                request.headers_mut().append(name, value.clone());
            }
            let value = authorization.and_then(|value| HeaderValue::from_str(value).ok());
            if let Some(mut value) = value {
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
            }
        }
        let access = if own {
            self.access.clone()
        } else {
            self.client().access(uri)
        };
        self.client()
            .send(&access, request)
            .await
            .map_err(|why| call.no_answer(why))
    }
}

impl Client {
    pub(super) async fn send(
        &self,
        access: &Access,
        mut request: Request<Payload>,
    ) -> Result<Answer, TransportError> {
        if let Ok(agent) = HeaderValue::from_str(&self.0.settings.agent) {
            request.headers_mut().entry(USER_AGENT).or_insert(agent);
        }
        let (uri, response): (Uri, Response<Incoming>) = self.0.transport.send(access, request).await?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            uri,
            status: head.status,
            headers: head.headers,
            body,
            read: Bytes::new(),
        })
    }

    /// Sends a request to a server that is no registry.
    pub(crate) async fn transmit(
        &self,
        uri: &Uri,
        request: Request<Payload>,
    ) -> Result<(Uri, Response<Incoming>), TransportError> {
        self.0.transport.send(&self.access(uri), request).await
    }

    /// The next piece of what it answers.
    pub(crate) async fn piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, TransportError> {
        self.0.transport.piece(body).await
    }

    /// What the client calls itself.
    pub(crate) fn agent(&self) -> &str {
        &self.0.settings.agent
    }

    /// The proxy that leads to an address, as a program's environment names it; nothing, if none does.
    #[must_use]
    pub fn proxy(&self, url: &str) -> Option<String> {
        let uri: Uri = url.parse().ok()?;
        Some(self.0.settings.proxies.towards(&uri)?.address())
    }

    /// How to reach a server that is no endpoint: a token service, or where a redirect leads.
    pub(super) fn access(&self, uri: &Uri) -> Access {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        Access {
            tls: self.config().tls(authority).into(),
            fallback: Fallback::Strict,
            dial_timeout: None,
            named: false,
        }
    }

    pub(super) async fn refusal(&self, call: &Call, mut answer: Answer) -> Refusal {
        self.drain(&mut answer).await;
        answer::refusal(
            &call.method,
            &call.uri,
            answer.status,
            &answer.headers,
            &answer.read,
        )
    }

    /// Reads an answer that is no more than words. What says no more than its status is an answer, too.
    async fn drain(&self, answer: &mut Answer) {
        if answer.read.is_empty() {
            let body = read_all(&mut answer.body, REFUSAL, self.0.settings.idle).await;
            answer.read = body.ok().flatten().unwrap_or_default();
        }
    }

    /// All of an answer's body.
    pub(super) async fn read(
        &self,
        call: &Call,
        what: &'static str,
        limit: usize,
        mut answer: Answer,
    ) -> Result<Bytes, Error> {
        let body = read_all(&mut answer.body, limit, self.0.settings.idle).await;
        let body = body.map_err(|why| call.no_answer(why))?;
        body.ok_or(Error::TooLarge { what, limit })
    }

    /// Waits before the next attempt: as long as the server says, or twice as long as before with half of it chance.
    pub(super) async fn pause(&self, failures: u32, error: &Error) {
        let settings = &self.0.settings;
        let grown = settings
            .backoff
            .saturating_mul(1_u32 << failures.saturating_sub(1).min(16));
        let limit = grown.min(settings.patience);
        let half = u64::try_from((limit / 2).as_micros()).unwrap_or(u64::MAX);
        let jitter = self
            .0
            .chance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .below(half + 1);
        let wait = error
            .retry_after()
            .unwrap_or(limit / 2 + Duration::from_micros(jitter));
        tracing::debug!(%error, ?wait, "asking again");
        tokio::time::sleep(wait).await;
    }
}

/// `bytes=FROM-`
pub(super) fn from(call: Call, position: u64) -> Call {
    if position == 0 {
        return call;
    }
    call.with(RANGE, &format!("bytes={position}-"))
}
