//! A certificate for a request of somebody else (RFC 5280 §4.1).
//!
//! Subject, public key and alternative names are taken over byte for byte, as upstream's signer does: a subject may
//! name several organizations, and a key may be of any kind. That is why the certificate is written here, and
//! not by the library that makes our own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::SigningKey;
use rustls_pki_types::CertificateDer;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{OID_X509_EXT_SUBJECT_ALT_NAME, Oid};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::leaf::{parse, serial};
use crate::request::der;
use crate::{Authority, Error};

/// A clock of another machine may be behind by this much; upstream's.
const BACKDATE: Duration = Duration::from_secs(300);

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Version 3, `[0] EXPLICIT INTEGER 2`.
const VERSION: &[u8] = &[0xa0, 3, INTEGER, 1, 2];
/// `BOOLEAN TRUE`
const CRITICAL: &[u8] = &[0x01, 1, 0xff];
/// `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2
const ALGORITHM: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

/// What a key may be used for: its name in a request, and its bit (RFC 5280 §4.2.1.3).
const KEY_USAGES: [(&str, u32); 10] = [
    ("signing", 0),
    ("digital signature", 0),
    ("content commitment", 1),
    ("key encipherment", 2),
    ("data encipherment", 3),
    ("key agreement", 4),
    ("cert sign", 5),
    ("crl sign", 6),
    ("encipher only", 7),
    ("decipher only", 8),
];

/// Purposes: the name in a request, and the object identifier's bytes (RFC 5280 §4.2.1.12).
const PURPOSES: [(&str, &[u8]); 13] = [
    ("any", &[0x55, 0x1d, 0x25, 0]),
    ("server auth", &[0x2b, 6, 1, 5, 5, 7, 3, 1]),
    ("client auth", &[0x2b, 6, 1, 5, 5, 7, 3, 2]),
    ("code signing", &[0x2b, 6, 1, 5, 5, 7, 3, 3]),
    ("email protection", &[0x2b, 6, 1, 5, 5, 7, 3, 4]),
    ("s/mime", &[0x2b, 6, 1, 5, 5, 7, 3, 4]),
    ("ipsec end system", &[0x2b, 6, 1, 5, 5, 7, 3, 5]),
    ("ipsec tunnel", &[0x2b, 6, 1, 5, 5, 7, 3, 6]),
    ("ipsec user", &[0x2b, 6, 1, 5, 5, 7, 3, 7]),
    ("timestamping", &[0x2b, 6, 1, 5, 5, 7, 3, 8]),
    ("ocsp signing", &[0x2b, 6, 1, 5, 5, 7, 3, 9]),
    ("microsoft sgc", &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3]),
    ("netscape sgc", &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1]),
];

impl Authority {
    /// Certifies the key of a request (PEM), for what `usages` name, from five minutes ago until `validity` has passed,
    /// but not longer than the authority's own certificate. Answers PEM.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a request that cannot be read or is not signed by its key, or a usage that has no
    /// meaning; [`Error::Random`]; [`Error::Make`].
    pub fn certify(
        &self,
        request_pem: &[u8],
        usages: &[&str],
        validity: Duration,
        now: SystemTime,
    ) -> Result<String, Error> {
        let der = der(request_pem)?;
        let (_, request) = X509CertificationRequest::from_der(&der).map_err(invalid)?;
        request.verify_signature().map_err(invalid)?;
        let own = self.certificate_der();
        let (_, authority) = parse(&own)?;
        let until = seconds(now + validity).min(authority.validity().not_after.timestamp());
        let info = &request.certification_request_info;
        let to_be_signed = sequence(&[
            VERSION,
            &tlv(INTEGER, serial()?.as_ref()),
            ALGORITHM,
            authority.subject().as_raw(),
            &sequence(&[&time(seconds(now - BACKDATE))?, &time(until)?]),
            info.subject.as_raw(),
            info.subject_pki.raw,
            &tlv(0xa3, &extensions(&request, usages, &own)?),
        ]);
        let signature = self.key().sign(&to_be_signed)?;
        let certificate = sequence(&[&to_be_signed, ALGORITHM, &bits(0, &signature)]);
        Ok(pem(&certificate))
    }
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::invalid("certificate request", error)
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn extensions(
    request: &X509CertificationRequest<'_>,
    usages: &[&str],
    authority: &CertificateDer<'_>,
) -> Result<Vec<u8>, Error> {
    let unknown = |usage: &&&str| {
        !KEY_USAGES.iter().any(|(name, _)| name == *usage) && !PURPOSES.iter().any(|(name, _)| name == *usage)
    };
    if let Some(usage) = usages.iter().find(unknown) {
        return Err(invalid(format!("unknown usage {usage:?}")));
    }
    let mut all = Vec::new();
    all.extend(key_usage(usages));
    all.extend(purposes(usages));
    // basicConstraints, empty: it signs nothing.
    all.extend(extension(&[0x55, 0x1d, 19], true, &sequence(&[])));
    all.extend(authority_key(authority)?);
    all.extend(alternative_names(request));
    Ok(sequence(&[&all]))
}

/// The bits of the key's usages, the first one highest.
fn key_usage(usages: &[&str]) -> Vec<u8> {
    let named = KEY_USAGES.iter().filter(|(name, _)| usages.contains(name));
    let set = named.fold(0_u16, |bits, (_, bit)| bits | 0x8000 >> bit);
    if set == 0 {
        return Vec::new();
    }
    let bytes = set.to_be_bytes();
    let used = if bytes[1] == 0 { &bytes[..1] } else { &bytes[..] };
    let unused = used.last().map_or(0, |last| last.trailing_zeros());
    let unused = u8::try_from(unused).unwrap_or(0);
    extension(&[0x55, 0x1d, 15], true, &bits(unused, used))
}

fn purposes(usages: &[&str]) -> Vec<u8> {
    let named = PURPOSES.iter().filter(|(name, _)| usages.contains(name));
    let all: Vec<u8> = named.flat_map(|(_, oid)| tlv(OBJECT_IDENTIFIER, oid)).collect();
    if all.is_empty() {
        return Vec::new();
    }
    extension(&[0x55, 0x1d, 37], false, &sequence(&[&all]))
}

/// The authority's key by its identifier, if it has one.
fn authority_key(authority: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    let (_, authority) = parse(authority)?;
    let found = authority
        .extensions()
        .iter()
        .find_map(|each| match each.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(tlv(0x80, id.0)),
            _ => None,
        });
    Ok(found.map_or_else(Vec::new, |id| {
        extension(&[0x55, 0x1d, 35], false, &sequence(&[&id]))
    }))
}

/// The names that are asked for. They are critical where the subject is empty.
fn alternative_names(request: &X509CertificationRequest<'_>) -> Vec<u8> {
    let info = &request.certification_request_info;
    let is_names = |oid: &Oid<'_>| *oid == OID_X509_EXT_SUBJECT_ALT_NAME;
    let found = info
        .iter_attributes()
        .find_map(|attribute| match attribute.parsed_attribute() {
            ParsedCriAttribute::ExtensionRequest(asked) => asked
                .extensions
                .iter()
                .find(|each| is_names(&each.oid))
                .map(|each| each.value.to_vec()),
            _ => None,
        });
    let critical = info.subject.iter().next().is_none();
    found.map_or_else(Vec::new, |names| extension(&[0x55, 0x1d, 17], critical, &names))
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { CRITICAL } else { &[] };
    sequence(&[&tlv(OBJECT_IDENTIFIER, oid), critical, &tlv(OCTET_STRING, value)])
}

/// `UTCTime` up to 2049, `GeneralizedTime` from then on (RFC 5280 §4.1.2.5).
fn time(seconds: i64) -> Result<Vec<u8>, Error> {
    let time = ASN1Time::from_timestamp(seconds).map_err(invalid)?.to_datetime();
    let (date, clock) = (time.date(), time.time());
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    );
    Ok(match date.year() {
        year @ ..2050 => tlv(UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes()),
        year => tlv(GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes()),
    })
}

fn bits(unused: u8, bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[unused], bytes].concat())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// Tag, length and content (X.690 §8.1).
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let leading = bytes.iter().take_while(|byte| **byte == 0).count();
            let bytes = &bytes[leading..];
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0));
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientAuthorities;
    use rcgen::{CertificateParams, DnType, KeyPair};
    use rustls_pki_types::pem::PemObject;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn request(kind: &'static rcgen::SignatureAlgorithm, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "system:nodes");
        params
            .distinguished_name
            .push(DnType::CommonName, "system:node:n1");
        let key = KeyPair::generate_for(kind).unwrap();
        params.serialize_request(&key).unwrap().pem().unwrap()
    }

    #[test]
    fn a_certificate_says_what_the_request_asked_and_is_believed() {
        let now = UNIX_EPOCH + NOW;
        let authority = Authority::generate("ca", now).unwrap();
        let usages = ["digital signature", "key encipherment", "client auth"];
        for kind in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
        ] {
            let request = request(kind, &["n1.example", "10.0.0.1"]);
            let hour = Duration::from_secs(3600);
            let pem = authority.certify(request.as_bytes(), &usages, hour, now).unwrap();
            let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            let clients = ClientAuthorities::from_pem(authority.certificate_pem()).unwrap();
            let identity = clients.identify(&[der.to_vec()], now).unwrap();
            assert_eq!(
                (identity.user.as_str(), identity.groups),
                ("system:node:n1", vec!["system:nodes".to_owned()])
            );
            assert!(clients.identify(&[der.to_vec()], now + 2 * hour).is_err());
            let (_, seen) = parse(&der).unwrap();
            let usage = seen.key_usage().unwrap().unwrap().value;
            assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
            assert!(seen.extended_key_usage().unwrap().unwrap().value.client_auth);
            assert_eq!(
                seen.subject_alternative_name()
                    .unwrap()
                    .unwrap()
                    .value
                    .general_names
                    .len(),
                2
            );
            assert!(seen.authority_key_identifier_matches(&authority));
        }
    }

    /// Whether a certificate names its authority's key.
    trait NamesKey {
        fn authority_key_identifier_matches(&self, authority: &Authority) -> bool;
    }

    impl NamesKey for x509_parser::certificate::X509Certificate<'_> {
        fn authority_key_identifier_matches(&self, authority: &Authority) -> bool {
            let own = authority.certificate_der();
            let (_, own) = parse(&own).unwrap();
            let key = |certificate: &x509_parser::certificate::X509Certificate<'_>, authority: bool| {
                certificate
                    .extensions()
                    .iter()
                    .find_map(|each| match each.parsed_extension() {
                        ParsedExtension::SubjectKeyIdentifier(id) if !authority => Some(id.0.to_vec()),
                        ParsedExtension::AuthorityKeyIdentifier(id) if authority => {
                            id.key_identifier.as_ref().map(|id| id.0.to_vec())
                        }
                        _ => None,
                    })
            };
            key(self, true) == key(&own, false)
        }
    }

    #[test]
    fn it_does_not_outlive_its_authority_and_knows_its_usages() {
        let now = UNIX_EPOCH + NOW;
        let authority = Authority::generate("ca", now).unwrap();
        let request = request(&rcgen::PKCS_ECDSA_P256_SHA256, &[]);
        let century = Duration::from_secs(100 * 366 * 86400);
        let pem = authority
            .certify(request.as_bytes(), &["client auth"], century, now)
            .unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let own = authority.certificate_der();
        let end = |der: &CertificateDer<'_>| parse(der).unwrap().1.validity().not_after.timestamp();
        assert_eq!(end(&der), end(&own));
        let refused = authority.certify(request.as_bytes(), &["flying"], century, now);
        assert!(refused.unwrap_err().to_string().contains("flying"));
        assert!(authority.certify(b"nonsense", &[], century, now).is_err());
    }

    #[test]
    fn lengths_and_times_are_der() {
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
        assert_eq!(&time(1_800_000_000).unwrap()[2..], b"270115080000Z");
        assert_eq!(&time(2_600_000_000).unwrap()[2..], b"20520522141320Z");
    }
}
