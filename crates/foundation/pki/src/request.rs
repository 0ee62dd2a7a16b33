//! A certificate request (PKCS #10, RFC 2986), as a `CertificateSigningRequest` carries it.

use std::net::IpAddr;

use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME, Oid};
use x509_parser::prelude::FromDer;

use crate::Error;
use crate::leaf::{SubjectName, subject_name};

/// What someone asks to have certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The subject's common name; empty if it has none
    pub common_name: String,
    /// The subject's organizations, in order
    pub organizations: Vec<String>,
    /// DNS names and addresses
    pub names: Vec<SubjectName>,
    /// Mail addresses
    pub emails: Vec<String>,
    /// URIs
    pub uris: Vec<String>,
}

impl CertificateRequest {
    /// Reads the request from PEM and checks that it is signed by the key that it names.
    ///
    /// # Errors
    /// [`Error::Invalid`]; the text is upstream's `PEM block type must be CERTIFICATE REQUEST` where that is so.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let der = der(pem)?;
        let (_, request) = X509CertificationRequest::from_der(&der)
            .map_err(|error| Error::invalid("certificate request", error))?;
        request
            .verify_signature()
            .map_err(|error| Error::invalid("certificate request", error))?;
        Ok(Self::read(&request))
    }

    fn read(request: &X509CertificationRequest<'_>) -> Self {
        let names: Vec<&GeneralName<'_>> = request
            .requested_extensions()
            .into_iter()
            .flatten()
            .filter_map(|extension| match extension {
                ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
                _ => None,
            })
            .flatten()
            .collect();
        let text =
            |pick: fn(&GeneralName<'_>) -> Option<String>| names.iter().copied().filter_map(pick).collect();
        Self {
            common_name: subject(request, &OID_X509_COMMON_NAME).pop().unwrap_or_default(),
            organizations: subject(request, &OID_X509_ORGANIZATION_NAME),
            names: names.iter().copied().filter_map(subject_name).collect(),
            emails: text(|name| match name {
                GeneralName::RFC822Name(mail) => Some((*mail).to_owned()),
                _ => None,
            }),
            uris: text(|name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            }),
        }
    }

    /// The DNS names.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| match name {
            SubjectName::Dns(name) => Some(name.as_str()),
            SubjectName::Ip(_) => None,
        })
    }

    /// The addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.names.iter().filter_map(|name| match name {
            SubjectName::Ip(address) => Some(*address),
            SubjectName::Dns(_) => None,
        })
    }
}

/// Checks that a text is one or more certificates in PEM and nothing else.
///
/// # Errors
/// [`Error::Invalid`] with upstream's texts.
pub fn check_certificates(pem: &[u8]) -> Result<(), Error> {
    let wrong = |why: String| Error::invalid("certificate", why);
    let mut blocks = 0;
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        let (kind, der) = block.map_err(|error| wrong(error.to_string()))?;
        if kind != SectionKind::Certificate {
            return Err(wrong(format!(
                "only CERTIFICATE PEM blocks are allowed, found {kind:?}"
            )));
        }
        let parsed = x509_parser::parse_x509_certificate(&der);
        parsed.map_err(|error| wrong(error.to_string()))?;
        blocks += 1;
    }
    if blocks == 0 {
        return Err(wrong(
            "must contain at least one CERTIFICATE PEM block".to_owned(),
        ));
    }
    Ok(())
}

pub(crate) fn der(pem: &[u8]) -> Result<Vec<u8>, Error> {
    match <(SectionKind, Vec<u8>)>::from_pem_slice(pem) {
        Ok((SectionKind::Csr, der)) => Ok(der),
        _ => Err(Error::invalid(
            "certificate request",
            "PEM block type must be CERTIFICATE REQUEST",
        )),
    }
}

fn subject(request: &X509CertificationRequest<'_>, oid: &Oid<'_>) -> Vec<String> {
    request
        .certification_request_info
        .subject
        .iter_by_oid(oid)
        .filter_map(|attribute| attribute.as_str().ok())
        .map(str::to_owned)
        .collect()
}
