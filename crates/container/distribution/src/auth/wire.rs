//! What clients of the Engine API say of themselves (Engine API, `X-Registry-Auth`, `X-Registry-Config`, `AuthConfig`).

use std::collections::BTreeMap;

use base64::Engine;
use serde::Deserialize;
use serde_json::Value;

use super::{Credentials, STANDARD_LENIENT, URL_LENIENT, basic};

/// The longest header, in bytes.
const LONGEST: usize = 1 << 20;

/// Docker's `AuthConfig`: in the header `X-Registry-Auth` (base64url JSON) or the body of `POST /auth`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AuthConfig {
    /// Who somebody is.
    pub credentials: Credentials,
    /// For which registry; empty where the reference says it.
    pub server_address: String,
}

/// Why a text is no [`AuthConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid X-Registry-Auth header: {0}")]
pub struct AuthConfigError(String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    username: String,
    password: String,
    auth: String,
    serveraddress: String,
    identitytoken: String,
    registrytoken: String,
}

impl Wire {
    /// As Go's decoder has it, which clients lean on: members are called so in any case (docker-py asks a credential helper
    /// and sends `Username`), and null says nothing.
    fn of(value: Value) -> Result<Self, serde_json::Error> {
        let Value::Object(members) = value else {
            return Option::<Self>::deserialize(value).map(Option::unwrap_or_default);
        };
        let said = members.into_iter().filter(|(_, value)| !value.is_null());
        let said = said.map(|(name, value)| (name.to_ascii_lowercase(), value));
        Self::deserialize(Value::Object(said.collect()))
    }
}

impl AuthConfig {
    /// From the header's value. Empty is anonymous, and so is an empty object.
    ///
    /// # Errors
    /// It is no base64, or no JSON.
    pub fn from_header(value: &str) -> Result<Self, AuthConfigError> {
        match decoded(value)? {
            bytes if bytes.is_empty() => Ok(Self::default()),
            bytes => Self::from_json(&bytes),
        }
    }

    /// From JSON.
    ///
    /// # Errors
    /// It is none, or members have other types.
    pub fn from_json(json: &[u8]) -> Result<Self, AuthConfigError> {
        serde_json::from_slice(json)
            .and_then(Wire::of)
            .map_err(refused)
            .and_then(Self::of)
    }

    /// From the value of `X-Registry-Config`: who somebody is to each registry, by its address.
    ///
    /// # Errors
    /// It is no base64, or no JSON.
    pub fn several_from_header(value: &str) -> Result<BTreeMap<String, Self>, AuthConfigError> {
        let bytes = decoded(value)?;
        if bytes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wire: BTreeMap<String, Value> = serde_json::from_slice(&bytes).map_err(refused)?;
        let each = wire.into_iter().map(|(host, wire)| {
            let wire = Wire::of(wire).map_err(refused)?;
            Ok((host, Self::of(wire)?))
        });
        each.collect()
    }

    fn of(wire: Wire) -> Result<Self, AuthConfigError> {
        let credentials = if !wire.identitytoken.is_empty() {
            Credentials::IdentityToken(wire.identitytoken)
        } else if !wire.registrytoken.is_empty() {
            Credentials::RegistryToken(wire.registrytoken)
        } else if wire.username.is_empty() && !wire.auth.is_empty() {
            let wrong = || AuthConfigError("auth must be base64 of USER:PASSWORD".to_owned());
            basic(&wire.auth).ok_or_else(wrong)?
        } else {
            Credentials::of_user(wire.username, wire.password)
        };
        Ok(Self {
            credentials,
            server_address: wire.serveraddress,
        })
    }

    /// The registry's host: `https://index.docker.io/v1/` and nothing are `docker.io`.
    #[must_use]
    pub fn host(&self) -> &str {
        let address = self.server_address.as_str();
        let bare = ["https://", "http://"]
            .iter()
            .find_map(|scheme| address.strip_prefix(scheme));
        match bare.unwrap_or(address).split('/').next().unwrap_or_default() {
            "" | "index.docker.io" | "registry-1.docker.io" => "docker.io",
            host => host,
        }
    }
}

/// Clients write both alphabets, padded or not.
fn decoded(value: &str) -> Result<Vec<u8>, AuthConfigError> {
    let value = value.trim();
    if value.len() > LONGEST {
        return Err(AuthConfigError("it is too long".to_owned()));
    }
    let bytes = URL_LENIENT
        .decode(value)
        .or_else(|_| STANDARD_LENIENT.decode(value));
    bytes.map_err(|_| AuthConfigError("must be a valid base64url-encoded string".to_owned()))
}

/// A parser's words may hold a piece of what it read; this is a secret.
fn refused(error: serde_json::Error) -> AuthConfigError {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member has the wrong type",
        _ => "it is not JSON",
    };
    AuthConfigError(what.to_owned())
}
