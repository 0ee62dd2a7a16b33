//! One request: what it names, who asks, and what became of it.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Request};
use http_body::Body;
use percent_encoding::percent_decode_str;

use crate::access::{Ends, Who};
use crate::error::{Code, Fault};
use crate::hooks::{Asked, Happened};
use crate::names::Place;
use crate::query::Query;
use crate::reply::{self, NAMESPACE, Reply};
use crate::route::{self, Action, Found, Right, Route};
use crate::state::State;
use crate::{blobs, lists, manifests, uploads};

/// A request on its way through the registry.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a State,
    pub(crate) query: Query,
    pub(crate) headers: http::HeaderMap,
    method: http::Method,
    ends: Ends,
    who: Who,
    place: Option<Place>,
    last: String,
}

/// Answers a request.
pub(crate) async fn answer<B>(state: &State, request: Request<B>, ends: Ends) -> Reply
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin,
{
    let head = request.method() == http::Method::HEAD;
    let mut reply = match answered(state, request, ends).await {
        Ok(reply) => reply,
        Err(fault) => fault.into(),
    };
    reply::dress(&mut reply, head);
    reply
}

async fn answered<B>(state: &State, request: Request<B>, ends: Ends) -> Result<Reply, Fault>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin,
{
    let (parts, body) = request.into_parts();
    let path = percent_decode_str(parts.uri.path())
        .decode_utf8()
        .unwrap_or(Cow::Borrowed(""));
    let Some(found) = route::find(&path)? else {
        return Ok(reply::empty(http::StatusCode::NOT_FOUND));
    };
    let route = route::select(&parts.method, found.resource)?;
    let mut call = Call::new(state, &parts, found, ends).await?;
    call.admit(route).await?;
    let mut reply = call.act(route.action, Request::from_parts(parts, body)).await?;
    if let Some(namespace) = call.place.as_ref().and_then(|place| place.namespace.as_deref()) {
        reply::set(&mut reply, NAMESPACE, namespace);
    }
    Ok(reply)
}

/// All that a client calls the registry; what is no text is no name of it.
fn hosts(parts: &Parts) -> impl Iterator<Item = &str> {
    let said = parts.headers.get_all(HOST).into_iter();
    let asked = parts.uri.authority().map(http::uri::Authority::as_str);
    said.map(|host| host.to_str().unwrap_or(".")).chain(asked)
}

impl<'a> Call<'a> {
    async fn new(state: &'a State, parts: &Parts, found: Found, ends: Ends) -> Result<Self, Fault> {
        let query = Query::parse(parts.uri.query());
        let namespace = query.given("ns");
        let place = found
            .name
            .map(|name| Place::new(&state.domain, name, namespace))
            .transpose()?;
        let place = place.map(|place| state.mirror.place(place));
        Ok(Self {
            state,
            who: state
                .access
                .identify(&parts.headers, hosts(parts), &ends, &*state.clock)
                .await?,
            headers: parts.headers.clone(),
            method: parts.method.clone(),
            query,
            ends,
            place,
            last: found.last,
        })
    }

    /// Whether the route may be taken.
    async fn admit(&mut self, route: &Route) -> Result<(), Fault> {
        let Some(right) = route.right else { return Ok(()) };
        self.judge_place(right).await?;
        if right == Right::Pull {
            return Ok(());
        }
        if self.state.read_only {
            return Err(Fault::from(Code::Unsupported).detail("the registry is read-only"));
        }
        if self.place()?.namespace.is_some() {
            let why = "?ns= is for pulling: push to the registry itself";
            return Err(Fault::from(Code::Unsupported).detail(why));
        }
        Ok(())
    }

    /// Whether something may be done to the repository that is asked for.
    ///
    /// What the node has of another registry may have cost somebody's credentials: it is for those whom the node belongs to,
    /// and for users by their rights. What was fetched for the clients of this one is for all of them.
    async fn judge_place(&mut self, right: Right) -> Result<(), Fault> {
        let place = self.place()?;
        let judged = place.judged();
        if place.namespace.is_none() {
            return self.judge(&judged, right).await;
        }
        self.who.be_private(true);
        let Err(fault) = self.judge(&judged, right).await else {
            return Ok(());
        };
        let whole = self.place()?.whole.iter();
        let fetched: Vec<String> = whole
            .filter(|whole| image::fetched_name(whole).is_some())
            .cloned()
            .collect();
        if fetched.is_empty() {
            return Err(fault);
        }
        self.who.be_private(false);
        self.judge(&judged, right).await?;
        if let Some(place) = &mut self.place {
            place.whole = fetched;
        }
        Ok(())
    }

    async fn act<B>(&mut self, action: Action, request: Request<B>) -> Result<Reply, Fault>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin,
    {
        match action {
            Action::Check => self.check().await,
            Action::Catalog => lists::catalog(self).await,
            Action::Collect => lists::collect(self).await,
            Action::Tags => lists::tags(self).await,
            Action::Referrers => lists::referrers(self).await,
            Action::ManifestGet => manifests::get(self).await,
            Action::ManifestPut => manifests::put(self, request).await,
            Action::ManifestDelete => manifests::delete(self).await,
            Action::BlobGet => blobs::get(self).await,
            Action::BlobDelete => blobs::delete(self).await,
            Action::UploadBegin => uploads::begin(self, request).await,
            Action::UploadStatus => uploads::status(self).await,
            Action::UploadChunk => uploads::chunk(self, request).await,
            Action::UploadFinish => uploads::finish(self, request).await,
            Action::UploadCancel => uploads::cancel(self).await,
        }
    }

    /// `GET /v2/`: this is a registry, and the client may do something here.
    async fn check(&mut self) -> Result<Reply, Fault> {
        self.state
            .access
            .judge_registry(&mut self.who, &self.ends, Right::Pull)
            .await?;
        let mut reply = reply::json(&serde_json::json!({}));
        if self.state.access.has_credentials() {
            let challenge = self.state.access.challenge(None);
            reply
                .headers_mut()
                .insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        Ok(reply)
    }

    /// # Errors
    /// `NAME_UNKNOWN`: the request names no repository.
    pub(crate) fn place(&self) -> Result<&Place, Fault> {
        self.place.as_ref().ok_or_else(|| Code::NameUnknown.into())
    }

    /// What stands at the path's end.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    /// # Errors
    /// `UNAUTHORIZED` or `DENIED`.
    pub(crate) async fn judge(&mut self, repository: &str, right: Right) -> Result<(), Fault> {
        self.state
            .access
            .judge(&mut self.who, &self.ends, repository, right)
            .await
    }

    /// # Errors
    /// `UNAUTHORIZED` or `DENIED`.
    pub(crate) async fn judge_registry(&mut self, right: Right) -> Result<(), Fault> {
        self.state
            .access
            .judge_registry(&mut self.who, &self.ends, right)
            .await
    }

    /// Who is told apart from others where something is bounded for each client.
    pub(crate) fn client(&self) -> String {
        match &self.who.user {
            Some(user) => format!("user {user}"),
            None => self.ends.client.ip().to_canonical().to_string(),
        }
    }

    /// Whether the client has `etag` already (RFC 9110 §13.1.2).
    pub(crate) fn has(&self, etag: &str) -> bool {
        let shown = self.headers.get_all(http::header::IF_NONE_MATCH).iter();
        let mut tags = shown
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        tags.any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
        })
    }

    /// Tells those who want to hear of it.
    pub(crate) fn happened(&self, happened: Happened) {
        let Ok(place) = self.place() else { return };
        let text = |name| {
            let value: Option<&HeaderValue> = self.headers.get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        self.state.hooks.tell(happened, || Asked {
            repository: place.name.as_str().to_owned(),
            client: self.ends.client.to_string(),
            host: text(HOST).to_owned(),
            method: self.method.to_string(),
            user_agent: text(USER_AGENT).to_owned(),
            user: self.who.user.clone().unwrap_or_default(),
        });
    }
}
