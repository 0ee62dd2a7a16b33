//! Who a client certificate says its holder is.
//!
//! Upstream's x509 authenticator: the common name is the user, the organizations are the groups, an
//! attribute of Kubernetes' own is the uid. A certificate is verified once; what it said is kept by
//! the hash of its bytes until it expires, because a client presents it with every connection.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME, Oid, asn1_rs::oid};

use crate::{Error, authority, leaf};

/// Certificates remembered at most; when there are more, all are forgotten.
const REMEMBERED: usize = 1024;

/// The attribute of a subject that holds a user's uid.
const UID: Oid<'static> = oid!(1.3.6.1.4.1.57683.2);

/// What a client certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The common name
    pub user: String,
    /// Kubernetes' attribute `1.3.6.1.4.1.57683.2`; empty if there is none
    pub uid: String,
    /// The organizations, in order
    pub groups: Vec<String>,
    /// SHA-256 of the certificate's DER in lower-case hex: the credential's id
    pub fingerprint: String,
    /// When the certificates are valid, in seconds since 1970
    pub valid: RangeInclusive<i64>,
}

impl Identity {
    /// Whether the certificates that said so are valid at a time.
    pub fn holds_at(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.valid
            .contains(&i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
    }
}

/// The authorities that a client certificate may come from.
#[derive(Debug)]
pub struct ClientAuthorities {
    anchors: Vec<TrustAnchor<'static>>,
    known: Mutex<HashMap<[u8; 32], Identity>>,
}

impl ClientAuthorities {
    /// Authorities from PEM text (`ca.crt`).
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let anchors = authority::certificates(pem)?
            .iter()
            .map(|der| Ok(webpki::anchor_from_trusted_cert(der)?.to_owned()))
            .collect::<Result<_, webpki::Error>>()
            .map_err(|error| Error::invalid("authority", error))?;
        Ok(Self {
            anchors,
            known: Mutex::default(),
        })
    }

    /// Who presents these certificates (DER, leaf first).
    ///
    /// # Errors
    /// [`Error::Invalid`] says why the certificate is not accepted.
    pub fn identify(&self, chain: &[Vec<u8>], now: SystemTime) -> Result<Identity, Error> {
        let leaf = chain
            .first()
            .ok_or_else(|| Error::invalid("client certificate", "there is none"))?;
        let key: [u8; 32] = fingerprint(leaf);
        if let Some(known) = self.known().get(&key).filter(|known| known.holds_at(now)) {
            return Ok(known.clone());
        }
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let fresh = self.verify(chain, &key, since_epoch)?;
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, fresh.clone());
        Ok(fresh)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Identity>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify(&self, chain: &[Vec<u8>], key: &[u8; 32], now: Duration) -> Result<Identity, Error> {
        let refused = |error: &dyn std::fmt::Display| Error::invalid("client certificate", error);
        let chain: Vec<CertificateDer<'_>> = chain.iter().map(|der| der.as_slice().into()).collect();
        EndEntityCert::try_from(&chain[0])
            .map_err(|error| refused(&error))?
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.anchors,
                &chain[1..],
                UnixTime::since_unix_epoch(now),
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(|error| refused(&error))?;
        said(&chain, hex(key))
    }
}

/// What the leaf says, for as long as it and all that came with it are valid.
fn said(chain: &[CertificateDer<'_>], fingerprint: String) -> Result<Identity, Error> {
    let (mut not_before, mut not_after) = (i64::MIN, i64::MAX);
    for der in chain {
        let (_, each) = leaf::parse(der)?;
        not_before = not_before.max(each.validity().not_before.timestamp());
        not_after = not_after.min(each.validity().not_after.timestamp());
    }
    let (_, certificate) = leaf::parse(&chain[0])?;
    let identity = Identity {
        user: attributes(&certificate, &OID_X509_COMMON_NAME)
            .next_back()
            .unwrap_or_default(),
        uid: attributes(&certificate, &UID).next().unwrap_or_default(),
        groups: attributes(&certificate, &OID_X509_ORGANIZATION_NAME).collect(),
        fingerprint,
        valid: not_before..=not_after,
    };
    if identity.user.is_empty() {
        return Err(Error::invalid("client certificate", "it has no common name"));
    }
    Ok(identity)
}

fn attributes<'a>(
    certificate: &'a X509Certificate<'a>,
    oid: &'a Oid<'a>,
) -> impl DoubleEndedIterator<Item = String> + 'a {
    let texts: Vec<String> = certificate
        .subject()
        .iter_by_oid(oid)
        .filter_map(|attribute| attribute.as_str().ok())
        .map(str::to_owned)
        .collect();
    texts.into_iter()
}

fn fingerprint(der: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, der).as_ref());
    hash
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
