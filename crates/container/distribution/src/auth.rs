//! Who asks: credentials, challenges, tokens.

/// Who somebody is to one registry.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub enum Credentials {
    /// Nobody.
    #[default]
    Anonymous,
    /// A user with a password, or a token that is used as one.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// A refresh token of the registry's token service (`identitytoken`).
    IdentityToken(String),
    /// A token that goes to the registry as it is (`registrytoken`).
    RegistryToken(String),
}

/// What a client of the Engine API says of itself: Docker's `AuthConfig`, in the header `X-Registry-Auth` (base64url
/// JSON) or the body of `POST /auth`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AuthConfig {
    /// For whom.
    pub credentials: Credentials,
    /// For which registry; empty where the reference says it.
    pub server_address: String,
}

impl AuthConfig {
    /// From the header's value. Empty is anonymous.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_header(_value: &str) -> Result<Self, AuthConfigError> {
        unimplemented!()
    }

    /// From JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(_value: &[u8]) -> Result<Self, AuthConfigError> {
        unimplemented!()
    }
}

/// Why a text is no [`AuthConfig`].
#[derive(Debug, thiserror::Error)]
#[error("invalid X-Registry-Auth header: {0}")]
pub struct AuthConfigError(pub String);

/// A login that succeeded (`POST /auth`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The refresh token that the token service gave, or nothing: then the password stays what is kept.
    pub identity_token: String,
}
