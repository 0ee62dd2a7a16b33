//! Who this side is in TLS: a certificate chain with its key, and the two TLS configurations made of it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::trust::{AnyHolder, AnyServer};

/// What ALPN offers, in the order of preference.
pub(crate) const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be set up from what was given.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A text is no PEM, or lacks what it should hold.
    #[error("{0}: {1}")]
    Pem(&'static str, rustls_pki_types::pem::Error),
    /// Key and certificate do not belong together, or the algorithm is not supported.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
    /// The trusted certificates are unusable.
    #[error(transparent)]
    Trust(#[from] rustls::client::VerifierBuilderError),
}

/// A certificate chain, its own first, and its key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl Identity {
    /// From PEM texts: one or more certificates, and one key (PKCS#8, SEC 1 or PKCS#1).
    ///
    /// # Errors
    /// [`TlsError::Pem`] names which of both cannot be read.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self {
            chain: certificates("certificate", chain)?,
            key: PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Pem("key", error))?,
        })
    }

    /// A server that asks for client certificates and lets everybody in. Sessions are not resumed: a
    /// certificate that has lost its trust would come back with them.
    pub(crate) fn server(self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = provider();
        let holder = Arc::new(AnyHolder::new(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(holder)
            .with_single_cert(self.chain, self.key)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// A client that trusts the authorities of `trust` (PEM) alone, and speaks HTTP/2.
pub(crate) fn client(trust: &[u8], identity: Option<Identity>) -> Result<Arc<ClientConfig>, TlsError> {
    configured(authorities(trust)?, identity, PROTOCOLS[0])
}

/// A client that speaks HTTP/1.1 and trusts the authorities of `trust` (PEM); without any, everybody.
pub(crate) fn http1_client(
    trust: Option<&[u8]>,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Some(trust) => authorities(trust)?,
        None => Arc::new(AnyServer::new(&provider())),
    };
    configured(verifier, identity, PROTOCOLS[1])
}

fn authorities(trust: &[u8]) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates("authorities", trust)? {
        roots.add(authority)?;
    }
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?)
}

pub(crate) fn configured(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<Identity>,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

pub(crate) fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if found.is_empty() => Err(TlsError::Pem(what, rustls_pki_types::pem::Error::NoItemsFound)),
        other => other.map_err(|error| TlsError::Pem(what, error)),
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
