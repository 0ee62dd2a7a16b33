//! ServiceAccount tokens: JSON web tokens (RFC 7519) signed with ES256.
//!
//! The claims are upstream's, byte for byte in name and shape, because `kubectl create token`, cloud
//! identity federations and every client library read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};

use crate::{Error, Key, KeySet, TokenError};

/// Clocks of two machines may differ by this much.
const LEEWAY: u64 = 60;

/// A token longer than this is not looked at, in bytes.
const MAX_TOKEN: usize = 16 << 10;

/// The name and uid of an object that a token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectName {
    /// `metadata.name`
    #[serde(default)]
    pub name: String,
    /// `metadata.uid`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// What a token dies with, besides its ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Nothing more.
    Account,
    /// A pod, and for information the node it runs on.
    Pod(ObjectName, Option<ObjectName>),
    /// A secret.
    Secret(ObjectName),
    /// A node.
    Node(ObjectName),
}

/// Kubernetes' own claim, `kubernetes.io`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Private {
    /// The ServiceAccount's namespace
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The node that the token is bound to, or that its pod runs on
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<ObjectName>,
    /// The pod that the token is bound to
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<ObjectName>,
    /// The secret that the token is bound to
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<ObjectName>,
    /// The ServiceAccount
    pub serviceaccount: ObjectName,
    /// When the token's user is warned, in seconds since 1970
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<u64>,
}

impl Private {
    /// The claim of a token for an account.
    pub fn new(namespace: &str, account: ObjectName, bound: Bound) -> Self {
        let mut claim = Self {
            namespace: namespace.to_owned(),
            serviceaccount: account,
            ..Self::default()
        };
        match bound {
            Bound::Account => {}
            Bound::Pod(pod, node) => (claim.pod, claim.node) = (Some(pod), node),
            Bound::Secret(secret) => claim.secret = Some(secret),
            Bound::Node(node) => claim.node = Some(node),
        }
        claim
    }
}

/// All claims, in the order in which Go sorts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whom the token is for
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub aud: Vec<String>,
    /// When it ends, in seconds since 1970
    pub exp: u64,
    /// When it was made
    #[serde(default)]
    pub iat: u64,
    /// Who made it
    pub iss: String,
    /// Its id
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// Whom and what it belongs to
    #[serde(rename = "kubernetes.io", default)]
    pub kubernetes: Private,
    /// When it begins
    #[serde(default)]
    pub nbf: u64,
    /// `system:serviceaccount:NAMESPACE:NAME`
    #[serde(default)]
    pub sub: String,
}

impl Claims {
    /// The claims of a new token of `lifetime`, without an issuer: [`TokenIssuer::sign`] sets it.
    pub fn new(
        private: Private,
        audiences: &[String],
        id: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> Self {
        let now = seconds(now);
        Self {
            aud: audiences.to_vec(),
            exp: now.saturating_add(lifetime.as_secs()),
            iat: now,
            iss: String::new(),
            jti: id.to_owned(),
            nbf: now,
            sub: format!(
                "system:serviceaccount:{}:{}",
                private.namespace, private.serviceaccount.name
            ),
            kubernetes: private,
        }
    }

    /// Checks the times.
    fn check(&self, now: SystemTime) -> Result<(), TokenError> {
        let now = seconds(now);
        if self.nbf > now.saturating_add(LEEWAY) {
            Err(TokenError::NotValidYet)
        } else if now > self.exp.saturating_add(LEEWAY) {
            Err(TokenError::Expired)
        } else if self.iat > now.saturating_add(LEEWAY) {
            Err(TokenError::IssuedInTheFuture)
        } else {
            Ok(())
        }
    }
}

/// The claims of a token that is kept in a secret of type `kubernetes.io/service-account-token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegacyClaims {
    /// [`Self::ISSUER`]
    pub iss: String,
    /// The ServiceAccount's namespace, and the secret's
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    pub namespace: String,
    /// The secret
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    pub secret: String,
    /// The ServiceAccount
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    pub account: String,
    /// The ServiceAccount's uid
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    pub uid: String,
    /// `system:serviceaccount:NAMESPACE:NAME`
    pub sub: String,
}

impl LegacyClaims {
    /// By which these tokens are told from others.
    pub const ISSUER: &str = "kubernetes/serviceaccount";

    /// The claims of a secret's token.
    pub fn new(namespace: &str, secret: &str, account: &ObjectName) -> Self {
        Self {
            iss: Self::ISSUER.to_owned(),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
            account: account.name.clone(),
            uid: account.uid.clone(),
            sub: format!("system:serviceaccount:{namespace}:{}", account.name),
        }
    }
}

/// `aud` may be one text instead of a list (RFC 7519 §4.1.3).
fn one_or_many<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(input)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The key that signs tokens.
pub struct TokenKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    public: Key,
    private_pem: String,
    public_pem: String,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.public.kid).finish()
    }
}

impl TokenKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Make`]
    pub fn generate() -> Result<Self, Error> {
        Self::new(&KeyPair::generate()?)
    }

    /// A key from PEM (PKCS #8).
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        Self::new(&KeyPair::from_pem(pem).map_err(|error| Error::invalid("token key", error))?)
    }

    fn new(key: &KeyPair) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der(), &random)
            .map_err(|error| Error::invalid("token key", error))?;
        Ok(Self {
            pair,
            random,
            public: Key::new(
                key.public_key_raw(),
                &rcgen::PublicKeyData::subject_public_key_info(key),
            ),
            private_pem: key.serialize_pem(),
            public_pem: key.public_key_pem(),
        })
    }

    /// The private key as PEM (PKCS #8). A secret.
    pub fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// The public key as PEM.
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }
}

/// Who makes and checks tokens.
#[derive(Debug)]
pub struct TokenIssuer {
    issuer: String,
    key: TokenKey,
}

impl TokenIssuer {
    /// An issuer by its URL, `https://kubernetes.default.svc.cluster.local`.
    pub fn new(issuer: &str, key: TokenKey) -> Self {
        let issuer = issuer.to_owned();
        Self { issuer, key }
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public keys, to be published.
    pub fn keys(&self) -> KeySet {
        KeySet {
            keys: vec![self.key.public.clone()],
        }
    }

    /// Signs claims; their issuer becomes this one.
    ///
    /// # Errors
    /// [`Error::Random`] if the kernel gives no random bytes.
    pub fn sign(&self, mut claims: Claims) -> Result<String, Error> {
        claims.iss.clone_from(&self.issuer);
        self.sign_any(&claims)
    }

    /// Checks who signed the token and when it is valid. Audiences and what it is bound to are the caller's.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, TokenError> {
        if issuer_of(token).as_deref() != Some(&self.issuer) {
            return Err(TokenError::Issuer);
        }
        let claims: Claims = self.signed(token)?;
        claims.check(now)?;
        Ok(claims)
    }

    /// Signs the claims of a token that is kept in a secret.
    ///
    /// # Errors
    /// [`Error::Random`] if the kernel gives no random bytes.
    pub fn sign_legacy(&self, claims: &LegacyClaims) -> Result<String, Error> {
        self.sign_any(claims)
    }

    /// Checks who signed a token that is kept in a secret; those do not end. That secret and account are there and
    /// the very ones is the caller's.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn verify_legacy(&self, token: &str) -> Result<LegacyClaims, TokenError> {
        if issuer_of(token).as_deref() != Some(LegacyClaims::ISSUER) {
            return Err(TokenError::Issuer);
        }
        self.signed(token)
    }

    fn sign_any(&self, claims: &impl Serialize) -> Result<String, Error> {
        let header = Header {
            alg: "ES256",
            kid: &self.key.public.kid,
        };
        let mut token = encoded(&header);
        token.push('.');
        token.push_str(&encoded(claims));
        let signature = self
            .key
            .pair
            .sign(&self.key.random, token.as_bytes())
            .map_err(|_| Error::Random)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Ok(token)
    }

    /// What a token says, if this key has signed it.
    fn signed<T: serde::de::DeserializeOwned>(&self, token: &str) -> Result<T, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: ForeignHeader = decoded(header).ok_or(TokenError::Malformed)?;
        if header.alg != "ES256" {
            return Err(TokenError::Malformed);
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public.point())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        decoded(payload).ok_or(TokenError::Malformed)
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
}

#[derive(Deserialize)]
struct ForeignHeader {
    alg: String,
}

/// The issuer that a token claims to be from, before anything is verified: with it a token is handed to the
/// authenticator that knows its issuer. None if it is no JWT.
pub fn issuer_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        #[serde(default)]
        iss: String,
    }
    let mut parts = (token.len() <= MAX_TOKEN).then(|| token.split('.'))?;
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let none = parts.next();
    none.is_none()
        .then(|| decoded::<Issuer>(payload))?
        .map(|it| it.iss)
}

fn encoded(value: &impl Serialize) -> String {
    #[expect(
        clippy::expect_used,
        reason = "texts, numbers and lists of them always are JSON"
    )]
    let json = serde_json::to_vec(value).expect("claims are JSON");
    URL_SAFE_NO_PAD.encode(json)
}

fn decoded<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn claims() -> Claims {
        let name = |name: &str, uid: &str| ObjectName {
            name: name.to_owned(),
            uid: uid.to_owned(),
        };
        let bound = Bound::Pod(name("p", "u2"), Some(name("n", "u3")));
        let private = Private::new("ns", name("sa", "u1"), bound);
        Claims::new(
            private,
            &[ISSUER.to_owned()],
            "id",
            at(1000),
            Duration::from_secs(600),
        )
    }

    fn issuer() -> TokenIssuer {
        TokenIssuer::new(ISSUER, TokenKey::generate().unwrap())
    }

    #[test]
    fn the_claims_have_upstreams_names() {
        let mut claims = claims();
        claims.iss = ISSUER.to_owned();
        let expected = concat!(
            r#"{"aud":["https://kubernetes.default.svc.cluster.local"],"exp":1600,"iat":1000,"#,
            r#""iss":"https://kubernetes.default.svc.cluster.local","jti":"id","kubernetes.io":{"namespace":"ns","#,
            r#""node":{"name":"n","uid":"u3"},"pod":{"name":"p","uid":"u2"},"serviceaccount":{"name":"sa","uid":"u1"}},"#,
            r#""nbf":1000,"sub":"system:serviceaccount:ns:sa"}"#
        );
        assert_eq!(serde_json::to_string(&claims).unwrap(), expected);
    }

    #[test]
    fn a_token_is_accepted_by_its_issuer_alone_and_in_its_time() {
        let (issuer, other) = (issuer(), issuer());
        let token = issuer.sign(claims()).unwrap();
        let seen = issuer.verify(&token, at(1100)).unwrap();
        assert_eq!(seen.kubernetes, claims().kubernetes);
        assert_eq!(other.verify(&token, at(1100)), Err(TokenError::Signature));
        assert_eq!(issuer.verify(&token, at(1661)), Err(TokenError::Expired));
        assert!(issuer.verify(&token, at(1660)).is_ok());
        assert_eq!(issuer.verify(&token, at(900)), Err(TokenError::NotValidYet));
        let elsewhere = TokenIssuer::new("https://elsewhere", TokenKey::generate().unwrap());
        assert_eq!(elsewhere.verify(&token, at(1100)), Err(TokenError::Issuer));
    }

    #[test]
    fn a_secrets_token_is_none_of_the_others() {
        let issuer = issuer();
        let account = ObjectName {
            name: "sa".to_owned(),
            uid: "u1".to_owned(),
        };
        let claims = LegacyClaims::new("ns", "s", &account);
        let token = issuer.sign_legacy(&claims).unwrap();
        assert_eq!(issuer.verify_legacy(&token), Ok(claims));
        assert_eq!(issuer.verify(&token, at(0)), Err(TokenError::Issuer));
        let bound = issuer.sign(self::claims()).unwrap();
        assert_eq!(issuer.verify_legacy(&bound), Err(TokenError::Issuer));
        let forged = self::issuer()
            .sign_legacy(&LegacyClaims::new("ns", "s", &account))
            .unwrap();
        assert_eq!(issuer.verify_legacy(&forged), Err(TokenError::Signature));
    }

    #[test]
    fn a_key_signs_the_same_after_it_was_read_again() {
        let first = issuer();
        let again = TokenKey::from_pem(first.key.private_pem()).unwrap();
        assert_eq!(again.public, first.key.public);
        let token = TokenIssuer::new(ISSUER, again).sign(claims()).unwrap();
        assert!(first.verify(&token, at(1100)).is_ok());
    }

    #[test]
    fn an_algorithm_other_than_es256_is_refused() {
        let token = issuer().sign(claims()).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert_eq!(issuer().verify(&forged, at(1100)), Err(TokenError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn no_change_of_a_token_is_accepted(at_byte in 0usize..600, to in 0u8..128) {
            let issuer = issuer();
            let token = issuer.sign(claims()).unwrap();
            let mut bytes = token.clone().into_bytes();
            let place = at_byte % bytes.len();
            // The last character of a part carries bits that no byte uses; base64 must refuse those too.
            bytes[place] = to;
            let changed = String::from_utf8(bytes).unwrap();
            proptest::prop_assert_eq!(changed == token, issuer.verify(&changed, at(1100)).is_ok());
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            proptest::prop_assert!(issuer().verify(&text, at(0)).is_err());
        }
    }
}
