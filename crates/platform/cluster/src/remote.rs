//! The API over a network: what turns a kubeconfig's context into a client.

use std::sync::Arc;

use bytes::Bytes;
use client::{AnswerBody, Answered, Client, Context, Credentials, Transport, TransportError};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use https::{ClientError, Endpoint, Identity};

/// Requests over one HTTPS connection, made when it is needed.
struct Https {
    client: https::Client,
    /// `Bearer …`
    bearer: Option<HeaderValue>,
}

impl Transport for Https {
    fn send(&self, mut request: Request<Bytes>) -> Answered<'_> {
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        Box::pin(async move {
            let sent = self.client.send(request.map(Full::new)).await;
            Ok(readable(sent.map_err(|error| broken(&error))?))
        })
    }
}

fn readable(
    answer: Response<impl http_body::Body<Data = Bytes, Error: std::error::Error> + Send + 'static>,
) -> Response<AnswerBody> {
    answer.map(|body| body.map_err(|error| broken(&error)).boxed_unsync())
}

/// The whole chain: whoever asks has nothing else to go by.
fn broken(error: &dyn std::error::Error) -> TransportError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    TransportError(text)
}

/// A client of the server that a context names, as whom it names. `agent` is what it calls itself.
///
/// # Errors
/// Certificates, keys and names that cannot be used.
pub fn client(context: &Context, agent: &str) -> Result<Client, ClientError> {
    let (identity, bearer) = match &context.credentials {
        Credentials::Anonymous => (None, None),
        Credentials::Certificate(chain, key) => (Some(Identity::from_pem(chain, key)?), None),
        Credentials::Token(token) => (None, HeaderValue::try_from(format!("Bearer {token}")).ok()),
    };
    let client = https::Client::new(Endpoint {
        authority: context.authority.clone(),
        trust: context.trust.clone(),
        identity,
    })?;
    Ok(Client::new(Arc::new(Https { client, bearer }), agent))
}
