//! Certificates and tokens: a cluster's authorities, what they sign, and who a certificate or a token says it is.
//!
//! All keys are P-256: a key is made in a fraction of a millisecond, so a cluster that starts in an
//! empty directory makes all of its own ([`Bundle`]) while a human would not notice. Certificates are
//! judged here and not by TLS (decision 13), so that a client hears 401 and not a TLS alert.
//!
//! The time is an argument everywhere. Chance comes from the kernel through `ring`, not from `driver`'s
//! generator, which is not for keys.
#![forbid(unsafe_code)]

mod authority;
mod bundle;
mod certify;
mod discovery;
mod error;
mod identity;
mod leaf;
mod request;
mod token;

pub use authority::Authority;
pub use bundle::{Bundle, CLIENT_CA, Names, SERVING_CERTIFICATE};
pub use discovery::{Key, KeySet, Provider};
pub use error::{Error, TokenError};
pub use identity::{ClientAuthorities, Identity};
pub use leaf::{Leaf, Profile, SubjectName, Usage};
pub use request::{CertificateRequest, check_certificates};
pub use token::{Bound, Claims, LegacyClaims, ObjectName, Private, TokenIssuer, TokenKey, issuer_of};

/// Length of what `duration` is in whole years, for validity periods.
const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

/// Random bytes from the kernel, for secrets such as bootstrap tokens.
///
/// # Errors
/// [`Error::Random`] if the kernel gives none.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    use ring::rand::SecureRandom;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Random)?;
    Ok(bytes)
}
