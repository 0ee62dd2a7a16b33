//! A certificate authority.

use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::leaf::{self, Leaf, Profile};
use crate::{Error, YEAR};

/// An authority with its private key: it issues certificates.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority, valid for ten years.
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Make`]
    pub fn generate(common_name: &str, now: SystemTime) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = params(common_name);
        leaf::valid(&mut params, now, 10 * YEAR);
        params.serial_number = Some(leaf::serial()?);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// An authority that [`Self::generate`] has made, read again.
    ///
    /// # Errors
    /// [`Error::Invalid`], also for an authority whose subject is more than a common name.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let pair = Leaf::from_pem(certificate_pem, key_pem)?;
        let certificate = pair.certificate_der();
        let common_name = common_name(&certificate)?;
        let key = KeyPair::from_pem(key_pem)?;
        Ok(Self {
            certificate,
            certificate_pem: certificate_pem.to_owned(),
            key_pem: key_pem.to_owned(),
            issuer: Issuer::new(params(&common_name), key),
        })
    }

    /// Issues a certificate for a new key.
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Make`] (a name that is not ASCII)
    pub fn issue(&self, profile: &Profile<'_>, now: SystemTime) -> Result<Leaf, Error> {
        let key = KeyPair::generate()?;
        let certificate = profile.params(now)?.signed_by(&key, &self.issuer)?;
        Ok(Leaf::new(&certificate, &key))
    }

    /// Signs a certificate for someone else's key; answers PEM.
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Make`]
    pub fn sign(
        &self,
        profile: &Profile<'_>,
        key: &impl rcgen::PublicKeyData,
        now: SystemTime,
    ) -> Result<String, Error> {
        Ok(profile.params(now)?.signed_by(key, &self.issuer)?.pem())
    }

    /// The key that signs.
    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// Whether this authority's key has signed it.
    pub fn has_issued(&self, leaf: &Leaf) -> bool {
        let der = leaf.certificate_der();
        match (leaf::parse(&der), leaf::parse(&self.certificate)) {
            (Ok((_, leaf)), Ok((_, own))) => leaf.verify_signature(Some(own.public_key())).is_ok(),
            _ => false,
        }
    }

    /// The certificate as PEM: what clients trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key as PEM (PKCS #8). A secret.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate as DER.
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = leaf::subject(common_name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    params
}

/// The whole subject, which is a common name: what we issue repeats it, byte for byte.
fn common_name(der: &CertificateDer<'_>) -> Result<String, Error> {
    let (_, certificate) = leaf::parse(der)?;
    let mut attributes = certificate.subject().iter_attributes();
    match (attributes.next(), attributes.next()) {
        (Some(only), None) if *only.attr_type() == x509_parser::oid_registry::OID_X509_COMMON_NAME => {
            let name = only
                .as_str()
                .map_err(|error| Error::invalid("authority", error))?;
            Ok(name.to_owned())
        }
        _ => Err(Error::invalid(
            "authority",
            "its subject is more than a common name",
        )),
    }
}

/// Certificates from PEM text, all of them.
///
/// # Errors
/// [`Error::Invalid`]
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid("certificate", error))
}
