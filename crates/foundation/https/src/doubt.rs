//! What is wrong with a server's certificate, in Go's order and words, which people look for: its time, its names, and
//! then whoever has signed it.

use std::fmt;
use std::net::IpAddr;

use rustls::CertificateError;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

/// Names of a certificate that are told.
const NAMES: usize = 100;

/// Why a certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It was or will be good.
    Time,
    /// It is somebody else's.
    Name(String),
    /// Nobody who is trusted has signed it.
    Authority,
    /// It is not for servers.
    Usage,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "certificate has expired or is not yet valid",
            Self::Name(text) => text,
            Self::Authority => "certificate signed by unknown authority",
            Self::Usage => "certificate specifies an incompatible key usage",
        })
    }
}

impl std::error::Error for Doubt {}

impl Doubt {
    /// What to say of a certificate that was refused for `error`; nothing, if those words are not better than its own.
    pub(crate) fn of(
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
        error: &CertificateError,
    ) -> Option<Self> {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext, NotValidYet,
            NotValidYetContext, UnknownIssuer,
        };
        let (_, certificate) = parse_x509_certificate(shown).ok()?;
        if is_within(&certificate, now) == Some(false) {
            return Some(Self::Time);
        }
        let parsed = ParsedCertificate::try_from(shown).ok();
        if parsed.is_none_or(|parsed| verify_server_name(&parsed, name).is_err()) {
            return Some(Self::Name(names(&certificate, &name.to_str())));
        }
        match error {
            // Of two authorities with one name the other one was tried.
            UnknownIssuer | BadSignature => Some(Self::Authority),
            // One between it and its authority.
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => Some(Self::Time),
            InvalidPurpose | InvalidPurposeContext { .. } => Some(Self::Usage),
            // One that has signed itself says that it is an authority, and is none here.
            _ => (certificate.issuer() == certificate.subject()).then_some(Self::Authority),
        }
    }
}

/// Whether a certificate is neither too young nor too old.
pub(crate) fn is_within(certificate: &X509Certificate<'_>, now: UnixTime) -> Option<bool> {
    let now = ASN1Time::from_timestamp(i64::try_from(now.as_secs()).ok()?).ok()?;
    let validity = certificate.validity();
    Some(validity.not_before <= now && now <= validity.not_after)
}

/// Whose a certificate is, and whose it should be.
fn names(certificate: &X509Certificate<'_>, wanted: &str) -> String {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let common = || certificate.subject().iter_common_name().next()?.as_str().ok();
    if extension.is_none() && common().is_some_and(|common| common.eq_ignore_ascii_case(wanted)) {
        return "certificate relies on legacy Common Name field, use SANs instead".to_owned();
    }
    let names = extension.map_or(&[][..], |extension| &extension.value.general_names);
    let is_address = wanted.parse::<IpAddr>().is_ok();
    let valid = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) if !is_address => shown(name),
        GeneralName::IPAddress(bytes) if is_address => address(bytes),
        _ => None,
    });
    let valid: Vec<String> = valid.take(NAMES).collect();
    match (valid.is_empty(), is_address) {
        (true, true) => {
            format!("cannot validate certificate for {wanted} because it doesn't contain any IP SANs")
        }
        (true, false) => {
            format!("certificate is not valid for any names, but wanted to match {wanted}")
        }
        _ => format!("certificate is valid for {}, not {wanted}", valid.join(", ")),
    }
}

/// A name that a terminal may be shown.
fn shown(name: &str) -> Option<String> {
    let fits = name.len() <= 253 && name.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| name.to_owned())
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}
