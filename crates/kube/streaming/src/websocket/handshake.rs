//! The opening handshake (RFC 6455 §4.2), and which subprotocol is spoken.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What a key is answered with (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the server says to a client whose handshake it accepts, with status 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The subprotocol, as it stands among those offered; empty if the client asked for none.
    pub protocol: &'static str,
    /// The answer's headers.
    pub headers: HeaderMap,
}

/// Why a handshake is refused, in the words of upstream's servers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Only GET opens a WebSocket.
    #[error("bad method")]
    Method,
    /// Headers are missing.
    #[error("not websocket protocol")]
    NotWebSocket,
    /// Another version than 13.
    #[error("missing or bad WebSocket Version")]
    Version,
    /// There is no key.
    #[error("mismatch challenge/response")]
    Key,
    /// No subprotocol in common.
    #[error("requested protocol(s) are not supported: [{asked}]; supports [{offered}]")]
    Protocol {
        /// The client's.
        asked: String,
        /// The server's.
        offered: String,
    },
}

impl Refused {
    /// The answer's status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotWebSocket | Self::Version | Self::Key => StatusCode::BAD_REQUEST,
            Self::Protocol { .. } => StatusCode::FORBIDDEN,
        }
    }
}

/// Whether a request asks for a WebSocket.
pub fn is_asked(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).map(HeaderValue::as_bytes);
    upgrade.is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
        && tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

/// The words of a header that is a list.
pub(crate) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let words = lines.flat_map(|line| line.split(','));
    words.map(str::trim).filter(|word| !word.is_empty())
}

/// Answers a handshake. Of the subprotocols that the client asks for, the first that is offered is spoken; an empty one
/// is offered to clients that ask for none.
///
/// # Errors
/// See [`Refused`].
pub fn accept(method: &Method, headers: &HeaderMap, offered: &[&'static str]) -> Result<Accepted, Refused> {
    if *method != Method::GET {
        return Err(Refused::Method);
    }
    if !is_asked(headers) {
        return Err(Refused::NotWebSocket);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refused::Key)?;
    if headers
        .get(SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err(Refused::Version);
    }
    let protocol = choose(headers, offered)?;
    Ok(Accepted {
        protocol,
        headers: answer(key, protocol),
    })
}

fn choose(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str, Refused> {
    let asked: Vec<&str> = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).collect();
    let wanted = if asked.is_empty() { vec![""] } else { asked };
    let mut found = wanted
        .iter()
        .filter_map(|name| offered.iter().find(|offer| offer == &name));
    found.next().copied().ok_or_else(|| Refused::Protocol {
        asked: wanted.join(" "),
        offered: offered.join(" "),
    })
}

fn answer(key: &HeaderValue, protocol: &'static str) -> HeaderMap {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    let mut headers = HeaderMap::new();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::try_from(STANDARD.encode(digest)) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if !protocol.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(protocols: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(
            SEC_WEBSOCKET_KEY,
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        for protocol in protocols {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        headers
    }

    const OFFERED: [&str; 3] = ["", "v4.channel.k8s.io", "v5.channel.k8s.io"];

    #[test]
    fn the_example_of_the_specification() {
        let accepted = accept(&Method::GET, &asking(&[]), &OFFERED).unwrap();
        assert_eq!(accepted.protocol, "");
        assert_eq!(
            accepted.headers[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert!(!accepted.headers.contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn the_clients_first_that_is_offered_is_spoken() {
        for (asked, spoken) in [
            (&["v5.channel.k8s.io"][..], "v5.channel.k8s.io"),
            (&["x, v4.channel.k8s.io ,v5.channel.k8s.io"], "v4.channel.k8s.io"),
            (&["x", "v5.channel.k8s.io"], "v5.channel.k8s.io"),
        ] {
            let accepted = accept(&Method::GET, &asking(asked), &OFFERED).unwrap();
            assert_eq!(accepted.headers[SEC_WEBSOCKET_PROTOCOL], spoken);
        }
        let refused = accept(&Method::GET, &asking(&["a,b"]), &["v4.channel.k8s.io"]).unwrap_err();
        assert_eq!(refused.status(), 403);
        assert_eq!(
            refused.to_string(),
            "requested protocol(s) are not supported: [a b]; supports [v4.channel.k8s.io]"
        );
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        let without = |name: HeaderName| {
            let mut headers = asking(&[]);
            headers.remove(name);
            accept(&Method::GET, &headers, &OFFERED).unwrap_err()
        };
        assert_eq!(without(UPGRADE), Refused::NotWebSocket);
        assert_eq!(without(CONNECTION), Refused::NotWebSocket);
        assert_eq!(without(SEC_WEBSOCKET_KEY), Refused::Key);
        assert_eq!(without(SEC_WEBSOCKET_VERSION), Refused::Version);
        assert_eq!(
            accept(&Method::POST, &asking(&[]), &OFFERED),
            Err(Refused::Method)
        );
    }
}
