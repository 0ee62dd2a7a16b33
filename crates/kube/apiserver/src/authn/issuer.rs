//! The documents by which others check our tokens: `/.well-known/openid-configuration` and `/openid/v1/jwks`
//! (KEP-1393). Who may read them is RBAC's: `system:service-account-issuer-discovery`.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response};
use pki::Provider;
use serde::Serialize;

use crate::server::State;
use crate::{Body, Call};

/// Answers one of the two; nothing for other paths.
pub(crate) fn answer(state: &State, call: &Call) -> Option<Response<Body>> {
    if call.method != Method::GET {
        return None;
    }
    let tokens = &state.config.tokens;
    match call.info.path.trim_end_matches('/') {
        "/.well-known/openid-configuration" => {
            let host = std::net::SocketAddr::new(state.config.advertise, state.config.port);
            let keys = format!("https://{host}/openid/v1/jwks");
            Some(document(
                &Provider::new(tokens.issuer(), &keys),
                "application/json",
            ))
        }
        "/openid/v1/jwks" => Some(document(&tokens.keys(), "application/jwk-set+json")),
        _ => None,
    }
}

fn document(document: &impl Serialize, media_type: &'static str) -> Response<Body> {
    let json = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(Body::full(json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Relying parties ask often, and keys change rarely.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
