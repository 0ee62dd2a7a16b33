//! Tokens of somebody else's service (Docker's "Token Authentication Specification"): JSON Web Tokens that say what their
//! bearer may do, signed with ES256 or RS256 by keys that are configured (JWKS, RFC 7517).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use crate::route::Right;

/// The longest token that is looked at.
const LONGEST: usize = 64 << 10;
/// By how much clocks may differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// Most keys.
const KEYS: usize = 64;

/// Who issues tokens, and how to ask.
#[derive(Debug)]
pub struct TokenService {
    /// The URL that clients get tokens from.
    pub realm: String,
    /// Whom tokens are for (`aud`).
    pub service: String,
    /// Who has signed them (`iss`).
    pub issuer: String,
    /// The issuer's keys.
    pub keys: Keys,
}

/// Public keys.
#[derive(Debug)]
pub struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// An uncompressed point of P-256.
    Ec(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// Why a text holds no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// It is no JWKS.
    #[error("no set of keys (JWKS): {0}")]
    Syntax(String),
    /// None of it can be used.
    #[error("none of the keys is of P-256 or RSA with at least 2048 bits")]
    None,
    /// There are too many.
    #[error("more than {KEYS} keys")]
    Many,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unbelieved {
    #[error("the token is no JSON Web Token")]
    Form,
    #[error("the token's algorithm is neither ES256 nor RS256")]
    Algorithm,
    #[error("no known key has signed the token")]
    Signature,
    #[error("the token is another issuer's")]
    Issuer,
    #[error("the token is for another service")]
    Audience,
    #[error("the token has expired, or is not valid yet")]
    Time,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) subject: String,
    pub(crate) grants: Vec<Grant>,
}

/// What a token lets its bearer do to one repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Grant {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    actions: Vec<String>,
}

impl Grant {
    #[cfg(test)]
    pub(crate) fn new(name: &str, actions: &[&str]) -> Self {
        Self {
            kind: "repository".to_owned(),
            name: name.to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        }
    }

    pub(crate) fn covers(&self, repository: &str, right: Right) -> bool {
        let action = right.action();
        self.kind == "repository"
            && self.name == repository
            && self.actions.iter().any(|each| each == action || each == "*")
    }
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    #[serde(default)]
    sub: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: f64,
    #[serde(default)]
    access: Vec<Grant>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Keys {
    /// Reads a JWKS. Keys of other kinds are passed over.
    ///
    /// # Errors
    /// [`InvalidKeys`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let jwks: Jwks =
            serde_json::from_str(text).map_err(|error| InvalidKeys::Syntax(error.to_string()))?;
        if jwks.keys.len() > KEYS {
            return Err(InvalidKeys::Many);
        }
        let keys: Vec<Key> = jwks.keys.into_iter().filter_map(Jwk::key).collect();
        if keys.is_empty() {
            return Err(InvalidKeys::None);
        }
        Ok(Self(keys))
    }

    /// A key with the token's `kid`, or any where it names none, has signed.
    fn verify(&self, head: &Head, message: &[u8], signature: &[u8]) -> Result<(), Unbelieved> {
        if !["ES256", "RS256"].contains(&head.alg.as_str()) {
            return Err(Unbelieved::Algorithm);
        }
        let named = |key: &&Key| head.kid.is_none() || key.id.is_none() || key.id == head.kid;
        let signed = |key: &Key| match (&key.kind, head.alg.as_str()) {
            (Kind::Ec(point), "ES256") => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            (Kind::Rsa { n, e }, "RS256") => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            _ => false,
        };
        let found = self.0.iter().filter(named).any(signed);
        if found { Ok(()) } else { Err(Unbelieved::Signature) }
    }
}

impl Jwk {
    fn key(self) -> Option<Key> {
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let kind = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(self.x)?, bytes(self.y)?);
                ([x.len(), y.len()] == [32, 32]).then(|| Kind::Ec([&[4], &x[..], &y].concat()))?
            }
            ("RSA", _) => {
                let (n, e) = (bytes(self.n)?, bytes(self.e)?);
                (n.len() >= 256).then_some(Kind::Rsa { n, e })?
            }
            _ => return None,
        };
        Some(Key { id: self.kid, kind })
    }
}

impl TokenService {
    pub(crate) fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, Unbelieved> {
        if token.len() > LONGEST {
            return Err(Unbelieved::Form);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Unbelieved::Form)?;
        let (head, payload) = message.split_once('.').ok_or(Unbelieved::Form)?;
        let head: Head = part(head)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Unbelieved::Form)?;
        self.keys.verify(&head, message.as_bytes(), &signature)?;
        let payload: Payload = part(payload)?;
        if payload.iss != self.issuer {
            return Err(Unbelieved::Issuer);
        }
        let for_us = match &payload.aud {
            Audience::One(one) => *one == self.service,
            Audience::Many(many) => many.contains(&self.service),
        };
        if !for_us {
            return Err(Unbelieved::Audience);
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = LEEWAY.as_secs_f64();
        let current = payload.exp + leeway > now && payload.nbf - leeway <= now;
        current.then_some(()).ok_or(Unbelieved::Time)?;
        Ok(Claims {
            subject: payload.sub,
            grants: payload.access,
        })
    }

    /// Where to get a token, and which.
    pub(crate) fn challenge(&self, scope: Option<(&str, Right)>) -> String {
        let Self { realm, service, .. } = self;
        let mut text = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
        if let Some((name, right)) = scope {
            // Whoever pushes asks what is there first.
            let actions = if right == Right::Push {
                "pull,push"
            } else {
                right.action()
            };
            text.push_str(&format!(",scope=\"repository:{name}:{actions}\""));
        }
        text
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Unbelieved> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unbelieved::Form)?;
    serde_json::from_slice(&bytes).map_err(|_| Unbelieved::Form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    const NOW: u64 = 1_000_000;

    struct Issuer {
        pair: EcdsaKeyPair,
        service: TokenService,
    }

    fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    impl Issuer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap();
            let point = pair.public_key().as_ref();
            let jwks = json!({"keys": [
                {"kty": "oct", "k": "x"},
                {"kty": "EC", "crv": "P-256", "kid": "one", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            ]});
            let service = TokenService {
                realm: "https://auth.test/token".into(),
                service: "gantry".into(),
                issuer: "auth".into(),
                keys: Keys::parse(&jwks.to_string()).unwrap(),
            };
            Self { pair, service }
        }

        fn token(&self, head: &Value, payload: &Value) -> String {
            let message = format!(
                "{}.{}",
                encode(head.to_string().as_bytes()),
                encode(payload.to_string().as_bytes())
            );
            let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
            format!("{message}.{}", encode(signature.as_ref()))
        }

        fn verify(&self, token: &str) -> Result<Claims, Unbelieved> {
            self.service.verify(token, UNIX_EPOCH + Duration::from_secs(NOW))
        }
    }

    fn usual() -> Value {
        json!({
            "iss": "auth", "sub": "ann", "aud": "gantry", "exp": NOW + 300, "nbf": NOW - 300,
            "access": [{"type": "repository", "name": "team/x", "actions": ["pull", "push"]}],
        })
    }

    #[test]
    fn a_good_token_says_what_its_bearer_may() {
        let issuer = Issuer::new();
        let head = json!({"alg": "ES256", "typ": "JWT", "kid": "one"});
        let claims = issuer.verify(&issuer.token(&head, &usual())).unwrap();
        assert_eq!(claims.subject, "ann");
        assert!(claims.grants[0].covers("team/x", Right::Push));
        assert!(!claims.grants[0].covers("team/x", Right::Delete));
        let mut several = usual();
        several["aud"] = json!(["other", "gantry"]);
        assert!(
            issuer
                .verify(&issuer.token(&json!({"alg": "ES256"}), &several))
                .is_ok()
        );
    }

    #[test]
    fn others_are_not_believed() {
        let issuer = Issuer::new();
        let with = |name: &str, value: Value| {
            let mut payload = usual();
            payload[name] = value;
            payload
        };
        let (head, es) = (json!({"alg": "ES256", "kid": "one"}), "ES256");
        for (head, payload, expected) in [
            (head.clone(), with("iss", json!("mallory")), Unbelieved::Issuer),
            (head.clone(), with("aud", json!("other")), Unbelieved::Audience),
            (head.clone(), with("exp", json!(NOW - 61)), Unbelieved::Time),
            (head.clone(), with("nbf", json!(NOW + 61)), Unbelieved::Time),
            (head.clone(), with("exp", json!("soon")), Unbelieved::Form),
            (json!({"alg": "none"}), usual(), Unbelieved::Algorithm),
            (json!({"alg": "HS256"}), usual(), Unbelieved::Algorithm),
            (json!({"alg": "RS256"}), usual(), Unbelieved::Signature),
            (json!({"alg": es, "kid": "two"}), usual(), Unbelieved::Signature),
        ] {
            assert_eq!(
                issuer.verify(&issuer.token(&head, &payload)),
                Err(expected),
                "{head} {payload}"
            );
        }
        let good = issuer.token(&head, &usual());
        let (message, _) = good.rsplit_once('.').unwrap();
        assert_eq!(issuer.verify(&format!("{message}.")), Err(Unbelieved::Signature));
        let other = Issuer::new();
        assert_eq!(other.verify(&good), Err(Unbelieved::Signature));
        for text in ["", ".", "..", "a.b", "a.b.c", &"x".repeat(LONGEST + 1)] {
            assert_eq!(issuer.verify(text), Err(Unbelieved::Form), "{text}");
        }
    }

    #[test]
    fn the_challenge_names_what_is_missing() {
        let service = Issuer::new().service;
        assert_eq!(
            service.challenge(Some(("a/b", Right::Push))),
            r#"Bearer realm="https://auth.test/token",service="gantry",scope="repository:a/b:pull,push""#
        );
        assert_eq!(
            service.challenge(None),
            r#"Bearer realm="https://auth.test/token",service="gantry""#
        );
    }

    #[test]
    fn keys_that_cannot_be_used_are_none() {
        assert_eq!(Keys::parse("{\"keys\": []}").unwrap_err(), InvalidKeys::None);
        let short = json!({"keys": [{"kty": "RSA", "n": encode(&[1; 128]), "e": "AQAB"}]});
        assert_eq!(Keys::parse(&short.to_string()).unwrap_err(), InvalidKeys::None);
        assert!(matches!(Keys::parse("[]"), Err(InvalidKeys::Syntax(_))));
    }
}
