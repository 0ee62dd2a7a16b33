//! Where a webhook is: a URL, or a Service by name (`WebhookClientConfig` of admission and of conversion).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use driver::Instant;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response, Uri};
use schema::cursor::Ref;
use schema::json::go_quote;
use schema::tree::Value;

use super::refusal::said;
use super::service::{Place, Reference, Unresolved, resolve};
use super::{Credentials, Outgoing, Trust, exchange};
use crate::nodes::Upgrade;
use crate::server::State;

const JSON: &str = "application/json";

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// As it stands.
    Url(String),
    /// A Service, and the path there.
    Service(Reference, String),
    /// Neither is said.
    Nowhere,
}

/// A webhook's address and whom to trust there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientConfig {
    target: Target,
    trust: Trust,
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsendable {
    /// Neither a URL nor a Service, or a URL that is none.
    #[error("{0}")]
    Address(String),
    /// The Service leads nowhere. The text is the transport's.
    #[error("Post {url:?}: {why}")]
    Service {
        /// What would have been asked.
        url: String,
        /// Why not.
        why: Unresolved,
    },
}

impl ClientConfig {
    /// Of `clientConfig`.
    pub(crate) fn of(config: Ref<'_>) -> Self {
        let service = config.at("service");
        let target = match (config.at("url").text(), service.exists()) {
            (Some(url), _) => Target::Url(url.to_owned()),
            (None, true) => Target::Service(reference(service), path(service.at("path").str())),
            (None, false) => Target::Nowhere,
        };
        Self {
            target,
            trust: trust(config.at("caBundle")),
        }
    }

    /// Sends `body` there and reads the answer, up to `limit` bytes and until `deadline`.
    ///
    /// # Errors
    /// Why there is no answer, or none of success, in client-go's words.
    pub(crate) async fn ask(
        &self,
        state: &State,
        body: Bytes,
        limit: usize,
        deadline: Instant,
    ) -> Result<Response<Bytes>, String> {
        let left = deadline.saturating_since(state.env.now());
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let posted = self.post(state, body, seconds);
        let (outgoing, url) = posted.map_err(|error| error.to_string())?;
        let answer = exchange(state, outgoing, limit, deadline).await;
        let answer = answer.map_err(|error| format!("Post {}: {error}", go_quote(&url)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(said(answer.status(), answer.body()))
    }

    /// The request that sends `body` there, and its URL as errors name it. `seconds`: what the webhook is told of
    /// how long its caller waits.
    ///
    /// # Errors
    /// See [`Unsendable`].
    fn post(&self, state: &State, body: Bytes, seconds: u64) -> Result<(Outgoing, String), Unsendable> {
        let base = match &self.target {
            Target::Url(url) => url.clone(),
            Target::Service(to, path) => format!("https://{}:{}{path}", to.host(), to.port),
            Target::Nowhere => {
                let why = "webhook configuration must have either service or URL";
                return Err(Unsendable::Address(why.to_owned()));
            }
        };
        let separator = if base.contains('?') { '&' } else { '?' };
        let url = format!("{base}{separator}timeout={seconds}s");
        let uri: Uri = url
            .parse()
            .map_err(|error| Unsendable::Address(format!("Unparsable URL: {error}")))?;
        let request = Request::post(uri).header(CONTENT_TYPE, JSON).header(ACCEPT, JSON);
        let request = request
            .body(body)
            .map_err(|error| Unsendable::Address(error.to_string()))?;
        let mut outgoing = Outgoing {
            request,
            address: None,
            dial: None,
            server_name: None,
            trust: self.trust.clone(),
            credentials: Credentials::None,
            upgrade: Upgrade::default(),
        };
        if let Target::Service(to, _) = &self.target {
            let place = resolve(state, to, state.with_rng(driver::Rng::next_u64));
            match place.map_err(|why| Unsendable::Service {
                url: url.clone(),
                why,
            })? {
                Place::Address(address) => outgoing.address = Some(address),
                Place::Host(host) => outgoing.dial = Some((host, to.port)),
            }
            outgoing.server_name = Some(to.host());
        }
        Ok((outgoing, url))
    }
}

fn reference(service: Ref<'_>) -> Reference {
    let port = service
        .at("port")
        .integer()
        .and_then(|port| u16::try_from(port).ok());
    Reference {
        namespace: service.at("namespace").str().to_owned(),
        name: service.at("name").str().to_owned(),
        port: port.unwrap_or(443),
    }
}

fn path(path: &str) -> String {
    match path.strip_prefix('/') {
        Some(_) => path.to_owned(),
        None => format!("/{path}"),
    }
}

/// The bundle's authorities; without one, those that the machine trusts.
pub(crate) fn trust(bundle: Ref<'_>) -> Trust {
    let pem = match bundle.value() {
        Some(Value::Bytes(bytes)) => bytes.to_vec(),
        Some(Value::Str(text)) => STANDARD.decode(text.as_bytes()).unwrap_or_default(),
        _ => Vec::new(),
    };
    if pem.is_empty() {
        Trust::Host
    } else {
        Trust::Authorities(pem.into())
    }
}
