//! The API server's own requests: to webhooks and aggregated servers, over `https`.

use std::future::ready;
use std::io;

use apiserver::Body;
use apiserver::outbound::{Credentials, Outbound, OutboundError, Outgoing, Sending, Trust};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyDataStream, Full};
use https::{CallError, Caller, Identity, ServerTrust, Target};

/// Where distributions keep the authorities that a machine trusts (those of Go's `crypto/x509`).
const HOST_TRUST: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Which identity is the front proxy's.
const FRONT_PROXY: usize = 0;

/// Sends the requests.
pub(crate) struct Requests(Caller);

impl Requests {
    /// The front proxy's identity is shown where a request asks for it.
    pub(crate) fn new(front_proxy: Identity) -> Self {
        Self(Caller::new(host_trust(), vec![front_proxy]))
    }
}

/// Empty where there are none: then nobody is trusted who is not named.
fn host_trust() -> Bytes {
    let mut found = HOST_TRUST.iter().filter_map(|path| std::fs::read(path).ok());
    found.next().unwrap_or_default().into()
}

impl Outbound for Requests {
    fn send(&self, outgoing: Outgoing) -> Sending {
        let caller = self.0.clone();
        Box::pin(async move {
            let target = target(&outgoing);
            let response = caller.send(&target, outgoing.request.map(Full::new)).await;
            let mut response = response.map_err(|error| failed(error, &target.server_name))?;
            https::pass_on(outgoing.upgrade.0, &mut response);
            Ok(response.map(|body| {
                // A body that breaks ends; its length then tells whoever parses it.
                let pieces = BodyDataStream::new(body).take_while(|piece| ready(piece.is_ok()));
                let pieces = pieces.filter_map(|piece| ready(piece.ok()));
                Body::stream(pieces)
            }))
        })
    }
}

fn target(outgoing: &Outgoing) -> Target {
    let uri = outgoing.request.uri();
    let own = (
        uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
        uri.port_u16()
            .unwrap_or(if outgoing.trust == Trust::Plain { 80 } else { 443 }),
    );
    Target {
        server_name: outgoing.server_name.clone().unwrap_or_else(|| own.0.clone()),
        host: outgoing.dial.clone().unwrap_or(own),
        address: outgoing.address,
        trust: match &outgoing.trust {
            Trust::Host => ServerTrust::Host,
            Trust::Authorities(pem) => ServerTrust::Authorities(pem.clone()),
            Trust::Anyone => ServerTrust::Anyone,
            Trust::Plain => ServerTrust::Plain,
        },
        identity: match outgoing.credentials {
            Credentials::None => None,
            Credentials::FrontProxy => Some(FRONT_PROXY),
        },
    }
}

fn failed(error: CallError, name: &str) -> OutboundError {
    match error {
        CallError::Connect { address, why } => OutboundError::Connect { address, why },
        CallError::Lookup(host) => OutboundError::Lookup(host),
        CallError::Setup(error) => OutboundError::Tls(error.to_string()),
        CallError::Tls(error) => OutboundError::Tls(tls(&error, name)),
        CallError::Http(error) => OutboundError::Http(http(&error)),
    }
}

/// As Go says it, which is what people search for.
fn tls(error: &io::Error, name: &str) -> String {
    let text = error.to_string();
    // An authority of the same name with another key is found, and then did not sign.
    let why = if text.contains("UnknownIssuer") || text.contains("BadSignature") {
        "certificate signed by unknown authority".to_owned()
    } else if text.contains("not valid for name") || text.contains("NotValidForName") {
        format!("certificate is not valid for any names, but wanted to match {name}")
    } else if text.contains("xpired") || text.contains("NotValidYet") {
        "certificate has expired or is not yet valid".to_owned()
    } else if error.kind() == io::ErrorKind::UnexpectedEof {
        return "EOF".to_owned();
    } else {
        return format!("tls: {text}");
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

fn http(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::{Duration, SystemTime};

    use apiserver::nodes::Upgrade;
    use http::{Request, Response};
    use http_body_util::BodyExt;
    use https::{Door, Limits, Peer, RequestBody, Service};
    use pki::{Authority, Profile, SubjectName, Usage};

    use super::*;

    /// A webhook that allows everything.
    #[derive(Clone)]
    struct Hook;

    impl Service for Hook {
        type Body = Full<Bytes>;

        async fn call(&self, request: Request<RequestBody>, _: Peer) -> Response<Full<Bytes>> {
            let review = request.into_body().collect().await.unwrap().to_bytes();
            Response::new(Full::new(review))
        }
    }

    fn leaf(authority: &Authority, usage: Usage) -> Identity {
        let profile = Profile {
            common_name: "hook",
            organizations: &[],
            names: &[SubjectName::from("s.n.svc")],
            usage,
            validity: Duration::from_secs(3600),
        };
        #[expect(clippy::disallowed_methods, reason = "TLS goes by the real clock")]
        let leaf = authority.issue(&profile, SystemTime::now()).unwrap();
        Identity::from_pem(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes()).unwrap()
    }

    fn authority() -> Authority {
        #[expect(clippy::disallowed_methods, reason = "TLS goes by the real clock")]
        Authority::generate("hooks", SystemTime::now()).unwrap()
    }

    async fn post(
        requests: &Requests,
        to: std::net::SocketAddr,
        trust: &Authority,
        name: &str,
    ) -> Result<Bytes, String> {
        let outgoing = Outgoing {
            request: Request::post("https://s.n.svc:443/admit?timeout=10s")
                .body("review".into())
                .unwrap(),
            address: Some(to),
            dial: None,
            server_name: Some(name.to_owned()),
            trust: Trust::Authorities(trust.certificate_pem().to_owned().into()),
            credentials: Credentials::None,
            upgrade: Upgrade::default(),
        };
        let answer = requests.send(outgoing).await.map_err(|error| error.to_string())?;
        Ok(answer.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_webhook_is_asked_over_tls_and_failures_are_told_as_go_tells_them() {
        let (own, other) = (authority(), authority());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let door = Door::open(listener, leaf(&own, Usage::Server), Limits::default(), Hook).unwrap();
        let at = door.address();
        let requests = Requests::new(leaf(&own, Usage::Client));
        assert_eq!(post(&requests, at, &own, "s.n.svc").await.unwrap(), "review");
        assert_eq!(
            post(&requests, at, &other, "s.n.svc").await.unwrap_err(),
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        );
        assert_eq!(
            post(&requests, at, &own, "x.n.svc").await.unwrap_err(),
            "tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match x.n.svc"
        );
        door.drain(Duration::from_secs(5)).await;
        assert_eq!(
            post(&requests, at, &own, "s.n.svc").await.unwrap_err(),
            format!("dial tcp {at}: connect: connection refused")
        );
    }
}
