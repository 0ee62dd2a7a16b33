//! Files of any web server, over the connections, proxies and authorities that registries are asked with: what a Dockerfile
//! adds of an address.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use hyper::body::Incoming;

use crate::registry::follow;
use crate::transport::{Payload, TransportError};
use crate::{Client, auth};

/// As many redirects as Go's client follows.
const REDIRECTS: usize = 10;

/// An answer of a web server.
pub struct WebAnswer {
    client: Client,
    /// The address that was asked in the end, without who asked.
    pub url: String,
    /// The answer's status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
}

/// Why a web server has not answered.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// It is no address of the web.
    #[error("parse {0:?}: invalid address")]
    Address(String),
    /// It leads to no address, or away from TLS.
    #[error("redirected to {0:?}, which is no address or leaves TLS")]
    Redirect(String),
    /// It leads nowhere.
    #[error("stopped after {REDIRECTS} redirects")]
    Redirects,
    /// There was no answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl WebAnswer {
    /// The next piece of the body; nothing at its end.
    ///
    /// # Errors
    /// The connection's; also when nothing has moved for as long as [`crate::Settings::idle`].
    pub async fn piece(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.client.piece(&mut self.body).await
    }

    /// A header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A request that is under way.
pub type WebAsking<'a> = Pin<Box<dyn Future<Output = Result<WebAnswer, WebError>> + Send + 'a>>;

impl Client {
    /// Asks for a file (`GET`, or `HEAD` if `head`) and follows where that leads. A name and password in the address are shown
    /// to its own server only, and so is a header `Authorization`. No registry's credentials are shown to anybody.
    ///
    /// # Errors
    /// [`WebError`]; a status that is no success is an answer.
    pub fn web<'a>(&'a self, head: bool, url: &'a str, headers: &'a [(&'a str, String)]) -> WebAsking<'a> {
        Box::pin(async move {
            let (origin, authorization) = parse(url)?;
            let mut uri = origin.clone();
            for _ in 0..=REDIRECTS {
                let mut request = Request::new(Payload::bytes(Bytes::new()));
                *request.method_mut() = if head { Method::HEAD } else { Method::GET };
                *request.uri_mut() = uri.clone();
                self.dress(&mut request, headers);
                let own = follow::same_server(&origin, &uri);
                if !own {
                    request.headers_mut().remove(AUTHORIZATION);
                }
                if let Some(value) = authorization.as_ref().filter(|_| own) {
                    request.headers_mut().insert(AUTHORIZATION, value.clone());
                }
                let answer = self.ask(&uri, request).await?;
                let location = match answer.status.as_u16() {
                    301 | 302 | 303 | 307 | 308 => answer.header(LOCATION.as_str()),
                    _ => None,
                };
                let Some(location) = location else {
                    return Ok(answer);
                };
                let target = follow::follow(&uri, location);
                uri = target.ok_or_else(|| WebError::Redirect(location.to_owned()))?;
            }
            Err(WebError::Redirects)
        })
    }

    fn dress(&self, request: &mut Request<Payload>, headers: &[(&str, String)]) {
        if let Ok(agent) = HeaderValue::from_str(self.agent()) {
            request.headers_mut().insert(USER_AGENT, agent);
        }
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                request.headers_mut().insert(name, value);
            }
        }
    }

    async fn ask(&self, uri: &Uri, request: Request<Payload>) -> Result<WebAnswer, WebError> {
        let (uri, response) = self.transmit(uri, request).await?;
        let (head, body) = response.into_parts();
        Ok(WebAnswer {
            client: self.clone(),
            url: uri.to_string(),
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

/// An address, and what its name and password are as a header.
fn parse(url: &str) -> Result<(Uri, Option<HeaderValue>), WebError> {
    let invalid = || WebError::Address(url.rsplit_once('@').map_or(url, |(_, host)| host).to_owned());
    let url = url.split('#').next().unwrap_or_default();
    let uri: Uri = escaped(url).parse().map_err(|_| invalid())?;
    let mut parts = uri.into_parts();
    let authority = parts.authority.ok_or_else(invalid)?;
    let Some((user, host)) = authority.as_str().rsplit_once('@') else {
        parts.authority = Some(authority);
        return Ok((Uri::from_parts(parts).map_err(|_| invalid())?, None));
    };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = |text: &str| {
        let text = percent_encoding::percent_decode_str(text);
        text.decode_utf8_lossy().into_owned()
    };
    let mut value =
        HeaderValue::from_str(&auth::basic_header(&plain(name), &plain(password))).map_err(|_| invalid())?;
    value.set_sensitive(true);
    parts.authority = Some(host.parse::<Authority>().map_err(|_| invalid())?);
    Ok((Uri::from_parts(parts).map_err(|_| invalid())?, Some(value)))
}

/// An address as it goes over the wire: blanks and what is not ASCII as codes, as Go's client sends them.
fn escaped(url: &str) -> String {
    const WIRE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'<')
        .add(b'>')
        .add(b'`')
        .add(b'{')
        .add(b'}');
    percent_encoding::utf8_percent_encode(url, WIRE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_in_a_header() {
        let (uri, value) = parse("http://a:b%40c@h:1/x y?q#f").unwrap();
        assert_eq!(uri.to_string(), "http://h:1/x%20y?q");
        assert_eq!(value.unwrap(), "Basic YTpiQGM=");
        let (uri, value) = parse("https://h").unwrap();
        assert_eq!((uri.to_string().as_str(), value), ("https://h/", None));
        assert!(parse("https://a:secret@ /").is_err_and(|error| !error.to_string().contains("secret")));
        assert!(parse("/x").is_err());
    }
}
