//! The documents by which others check our tokens: the key set (RFC 7517) and OpenID Connect discovery.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::Serialize;

/// One public key of the set that `/openid/v1/jwks` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    #[serde(rename = "use")]
    usage: &'static str,
    kty: &'static str,
    /// Hash of the public key: a token's header names its key by it.
    pub kid: String,
    crv: &'static str,
    alg: &'static str,
    x: String,
    y: String,
    #[serde(skip)]
    point: Vec<u8>,
}

impl Key {
    /// `point` is uncompressed (SEC 1 §2.3.3): `04`, 32 bytes of x, 32 of y. `info` is the
    /// SubjectPublicKeyInfo, whose hash upstream takes as the key's id.
    pub(crate) fn new(point: &[u8], info: &[u8]) -> Self {
        let coordinate =
            |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        Self {
            usage: "sig",
            kty: "EC",
            kid: URL_SAFE_NO_PAD.encode(digest(&SHA256, info)),
            crv: "P-256",
            alg: "ES256",
            x: coordinate(1..33),
            y: coordinate(33..65),
            point: point.to_vec(),
        }
    }

    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }
}

/// `/openid/v1/jwks`, `application/jwk-set+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySet {
    /// The keys
    pub keys: Vec<Key>,
}

/// `/.well-known/openid-configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provider {
    issuer: String,
    jwks_uri: String,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

impl Provider {
    /// What is told of an issuer whose keys are at `jwks_uri` (`https://HOST:PORT/openid/v1/jwks`).
    pub fn new(issuer: &str, jwks_uri: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            jwks_uri: jwks_uri.to_owned(),
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["ES256"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TokenIssuer, TokenKey};

    #[test]
    fn the_documents_have_upstreams_members() {
        let keys = TokenIssuer::new("i", TokenKey::generate().unwrap()).keys();
        let json: serde_json::Value = serde_json::to_value(&keys).unwrap();
        let key = &json["keys"][0];
        assert_eq!(
            (&key["kty"], &key["crv"], &key["use"]),
            (&"EC".into(), &"P-256".into(), &"sig".into())
        );
        for member in ["kid", "x", "y"] {
            assert_eq!(key[member].as_str().unwrap().len(), 43, "{member}");
        }
        assert_eq!(
            serde_json::to_string(&Provider::new("https://i", "https://h:6443/openid/v1/jwks")).unwrap(),
            concat!(
                r#"{"issuer":"https://i","jwks_uri":"https://h:6443/openid/v1/jwks","#,
                r#""response_types_supported":["id_token"],"subject_types_supported":["public"],"#,
                r#""id_token_signing_alg_values_supported":["ES256"]}"#
            )
        );
    }
}
