//! Who asks: credentials, how servers ask for them, and tokens. Nothing here does I/O.

mod challenge;
mod helper;
mod token;
mod wire;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

pub use helper::{Answer, Helper, HelperError, ask, erase, store};
pub use wire::{AuthConfig, AuthConfigError};

pub(crate) use challenge::{Challenge, challenges};
pub(crate) use token::{Scope, Token, TokenAnswer, TokenRequest};

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

/// What user stands for "the password is a refresh token", with credential helpers.
const TOKEN_USER: &str = "<token>";

impl Credentials {
    /// A user and a password as they are kept together; without either, nobody.
    #[must_use]
    pub fn of_user(username: String, password: String) -> Self {
        match username.as_str() {
            TOKEN_USER => Self::IdentityToken(password),
            "" if password.is_empty() => Self::Anonymous,
            _ => Self::Basic { username, password },
        }
    }
}

/// Secrets are not for logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic { username, .. } => write!(f, "Basic({username})"),
            Self::IdentityToken(_) => f.write_str("IdentityToken"),
            Self::RegistryToken(_) => f.write_str("RegistryToken"),
        }
    }
}

/// A login that succeeded (`POST /auth`, status "Login Succeeded").
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The refresh token that the token service gave; empty where the password stays what is kept.
    pub identity_token: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = !self.identity_token.is_empty();
        f.debug_struct("Login").field("identity_token", &given).finish()
    }
}

/// Base64 as it is found in files: padded or not.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD_LENIENT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_LENIENT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Credentials from base64 of `USER:PASSWORD`.
pub(crate) fn basic(encoded: &str) -> Option<Credentials> {
    let decoded = String::from_utf8(STANDARD_LENIENT.decode(encoded.trim()).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    let password = password.trim_end_matches('\0');
    (!username.is_empty()).then(|| Credentials::of_user(username.to_owned(), password.to_owned()))
}

/// The value of `Authorization` (RFC 7617).
pub(crate) fn basic_header(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// For the property tests and fuzz targets.
pub(crate) mod fuzz {
    pub use super::challenge::fuzz as challenges;
}

#[cfg(test)]
mod tests;
