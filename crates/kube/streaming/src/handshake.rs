//! How a client asks for SPDY/3.1, and which protocol is spoken over it (upstream's `httpstream.Handshake`).

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::websocket::tokens;

const SPDY: &str = "SPDY/3.1";
const PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What the server says to a client that it accepts, with status 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The protocol; empty if the client named none, as those of old do.
    pub protocol: &'static str,
    /// The answer's headers.
    pub headers: HeaderMap,
}

/// Why a client is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It asks for no upgrade, or for another.
    #[error("unable to upgrade: missing upgrade headers in request")]
    NoUpgrade,
    /// No protocol in common.
    #[error(
        "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]",
        asked.join(" "), offered.join(" ")
    )]
    Protocol {
        /// The client's.
        asked: Vec<String>,
        /// The server's.
        offered: Vec<&'static str>,
    },
}

impl Refused {
    /// The answer's status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoUpgrade => StatusCode::BAD_REQUEST,
            Self::Protocol { .. } => StatusCode::FORBIDDEN,
        }
    }
}

/// Answers a client that asks for SPDY. Of the protocols it names, the first that is offered is spoken.
///
/// # Errors
/// See [`Refused`].
pub fn accept(headers: &HeaderMap, offered: &[&'static str]) -> Result<Accepted, Refused> {
    let asked: Vec<&str> = tokens(headers, &PROTOCOL).collect();
    let mut common = asked
        .iter()
        .filter_map(|name| offered.iter().find(|offer| offer == &name));
    let protocol = match common.next() {
        Some(protocol) => protocol,
        None if asked.is_empty() => "",
        None => {
            return Err(Refused::Protocol {
                asked: asked.iter().map(|&name| name.to_owned()).collect(),
                offered: offered.to_vec(),
            });
        }
    };
    let has = |name: &HeaderName, word: &str| tokens(headers, name).any(|own| own.eq_ignore_ascii_case(word));
    if !has(&CONNECTION, "upgrade") || !has(&UPGRADE, SPDY) {
        return Err(Refused::NoUpgrade);
    }
    let mut answer = HeaderMap::new();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static(SPDY));
    if !protocol.is_empty() {
        answer.insert(PROTOCOL, HeaderValue::from_static(protocol));
    }
    Ok(Accepted {
        protocol,
        headers: answer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(protocols: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        for protocol in protocols {
            headers.append(PROTOCOL, HeaderValue::from_static(protocol));
        }
        headers
    }

    #[test]
    fn the_first_in_common_is_spoken() {
        let offered = ["v4.channel.k8s.io", "channel.k8s.io"];
        for (asked, spoken) in [
            (
                &["v5.channel.k8s.io", "v4.channel.k8s.io"][..],
                "v4.channel.k8s.io",
            ),
            (&["x, channel.k8s.io"], "channel.k8s.io"),
            (&[], ""),
        ] {
            assert_eq!(accept(&asking(asked), &offered).unwrap().protocol, spoken);
        }
        let refused = accept(&asking(&["a", "b"]), &offered).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "unable to upgrade: unable to negotiate protocol: client supports [a b], server accepts [v4.channel.k8s.io channel.k8s.io]"
        );
        assert_eq!(refused.status(), 403);
    }

    #[test]
    fn who_asks_for_no_upgrade_is_told() {
        let mut headers = asking(&[]);
        headers.remove(UPGRADE);
        assert_eq!(accept(&headers, &[]), Err(Refused::NoUpgrade));
        assert_eq!(accept(&HeaderMap::new(), &[]), Err(Refused::NoUpgrade));
    }
}
