//! A certificate that signs nothing: a server's, a client's, or both.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::extensions::GeneralName;

use crate::Error;

/// A clock of another machine may be behind by this much.
const SKEW: Duration = Duration::from_secs(300);

/// What a certificate may be used for (RFC 5280 §4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// TLS server authentication.
    Server,
    /// TLS client authentication.
    Client,
    /// Both.
    ServerAndClient,
}

/// Under which name a server is reached (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectName {
    /// A DNS name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    /// The subject's common name: for clients the user.
    pub common_name: &'a str,
    /// The subject's organizations: for clients the groups.
    pub organizations: &'a [&'a str],
    /// Names of a server.
    pub names: &'a [SubjectName],
    /// What it is for.
    pub usage: Usage,
    /// How long it is valid.
    pub validity: Duration,
}

/// A certificate with its private key.
#[derive(Debug)]
pub struct Leaf {
    certificate_pem: String,
    key_pem: String,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Leaf {
    pub(crate) fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        }
    }

    /// Reads a certificate and its PKCS #8 key from PEM (RFC 7468). Of a chain the first one counts.
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| Error::invalid("certificate", error))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes())
            .map_err(|error| Error::invalid("private key", error))?;
        let leaf = Self {
            certificate_pem: certificate_pem.to_owned(),
            key_pem: key_pem.to_owned(),
            certificate,
            key,
        };
        leaf.check_key()?;
        Ok(leaf)
    }

    /// A key of another certificate would be noticed only by clients.
    fn check_key(&self) -> Result<(), Error> {
        let key = KeyPair::from_pem(&self.key_pem).map_err(|error| Error::invalid("private key", error))?;
        let (_, parsed) = parse(&self.certificate)?;
        if parsed.public_key().subject_public_key.data == rcgen::PublicKeyData::der_bytes(&key) {
            Ok(())
        } else {
            Err(Error::invalid("private key", "it is not the certificate's"))
        }
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key as PEM (PKCS #8). A secret.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate as DER, as rustls wants it.
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The private key as DER, as rustls wants it. A secret.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone_key())
    }

    /// The moment after which it is not valid any more.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the certificate cannot be read.
    pub fn not_after(&self) -> Result<SystemTime, Error> {
        let (_, certificate) = parse(&self.certificate)?;
        Ok(moment(certificate.validity().not_after.timestamp()))
    }

    /// Whether it names all of these.
    pub fn names(&self, wanted: &[SubjectName]) -> bool {
        let Ok((_, certificate)) = parse(&self.certificate) else {
            return false;
        };
        let names = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names
                .value
                .general_names
                .iter()
                .filter_map(subject_name)
                .collect(),
            _ => Vec::new(),
        };
        wanted.iter().all(|name| names.contains(name))
    }
}

pub(crate) fn parse<'a>(
    der: &'a CertificateDer<'_>,
) -> Result<(&'a [u8], x509_parser::certificate::X509Certificate<'a>), Error> {
    x509_parser::parse_x509_certificate(der).map_err(|error| Error::invalid("certificate", error))
}

pub(crate) fn subject_name(name: &GeneralName<'_>) -> Option<SubjectName> {
    match name {
        GeneralName::DNSName(name) => Some(SubjectName::Dns((*name).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(SubjectName::Ip),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// A moment of a certificate; before 1970 is 1970.
pub(crate) fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

impl Profile<'_> {
    pub(crate) fn params(&self, now: SystemTime) -> Result<CertificateParams, Error> {
        let mut params = subject(self.common_name, self.organizations);
        valid(&mut params, now, self.validity);
        params.serial_number = Some(serial()?);
        params.subject_alt_names = self
            .names
            .iter()
            .map(SubjectName::san)
            .collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = self.usage.purposes().to_vec();
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

impl Usage {
    fn purposes(self) -> &'static [ExtendedKeyUsagePurpose] {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        match self {
            Self::Server => &[ServerAuth],
            Self::Client => &[ClientAuth],
            Self::ServerAndClient => &[ServerAuth, ClientAuth],
        }
    }
}

impl SubjectName {
    fn san(&self) -> Result<SanType, Error> {
        Ok(match self {
            Self::Dns(name) => SanType::DnsName(name.clone().try_into()?),
            Self::Ip(address) => SanType::IpAddress(*address),
        })
    }
}

impl From<&str> for SubjectName {
    /// An address if it is one, else a DNS name.
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Dns(text.to_owned()), Self::Ip)
    }
}

pub(crate) fn subject(common_name: &str, organizations: &[&str]) -> CertificateParams {
    let mut name = DistinguishedName::new();
    for organization in organizations {
        name.push(DnType::OrganizationName, *organization);
    }
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params
}

pub(crate) fn valid(params: &mut CertificateParams, now: SystemTime, validity: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = epoch + now.saturating_sub(SKEW);
    params.not_after = epoch + now + validity;
}

/// 127 random bits: positive, and never twice.
pub(crate) fn serial() -> Result<SerialNumber, Error> {
    let mut bytes: [u8; 16] = crate::random()?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}
