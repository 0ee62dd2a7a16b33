//! TLS to servers that are not ours: the machine's authorities and somebody's own, client certificates, HTTP/1.1.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::parse_x509_certificate;

use crate::doubt::{Doubt, is_within};
use crate::identity::{PROTOCOLS, certificates, configured, provider};
use crate::trust::AnyServer;
use crate::{Identity, TlsError};

/// Why there is no TLS with a server.
#[derive(Debug, thiserror::Error)]
pub enum SecureError {
    /// Its certificate is not accepted.
    #[error(transparent)]
    Certificate(Doubt),
    /// It speaks something else.
    #[error("the server does not speak TLS")]
    NotTls,
    /// TLS failed otherwise, or the connection did.
    #[error(transparent)]
    Other(io::Error),
}

impl SecureError {
    fn new(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::InvalidCertificate(CertificateError::Other(other))) => {
                match other.0.downcast_ref::<Doubt>() {
                    Some(doubt) => Self::Certificate(doubt.clone()),
                    None => Self::Other(error),
                }
            }
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            _ => Self::Other(error),
        }
    }
}

/// How to speak TLS with servers of one kind. Made once: the machine's authorities take a millisecond to read.
#[derive(Clone)]
pub struct ClientTls(TlsConnector);

impl ClientTls {
    /// Trusts the authorities of the machine and those of `own`, both PEM. Of the machine's, what cannot be read is left
    /// out, as everybody does; in `own` it is an error.
    ///
    /// A server may show a certificate that is itself among `own`, whether or not it says that it is an authority: that
    /// is what people make with one call of openssl, and what Go takes.
    ///
    /// # Errors
    /// What is wrong with `own`, or with the identity; and that nobody is trusted at all.
    pub fn new(machine: &[u8], own: &[u8], identity: Option<Identity>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(machine).flatten());
        let own = match own {
            [] => Vec::new(),
            own => certificates("authorities", own)?,
        };
        for authority in &own {
            roots.add(authority.clone())?;
        }
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
        let pinned = own.into_iter().collect();
        Self::verified(Arc::new(Pinned { inner, pinned }), identity)
    }

    /// Trusts every server that holds the key of the certificate it shows.
    ///
    /// # Errors
    /// What is wrong with the identity.
    pub fn anyone(identity: Option<Identity>) -> Result<Self, TlsError> {
        Self::verified(Arc::new(AnyServer::new(&provider())), identity)
    }

    fn verified(verifier: Arc<dyn ServerCertVerifier>, identity: Option<Identity>) -> Result<Self, TlsError> {
        let config = configured(verifier, identity, PROTOCOLS[1])?;
        Ok(Self(TlsConnector::from(config)))
    }

    /// Speaks TLS on a stream; the certificate has to name `host`, a name or an address.
    ///
    /// # Errors
    /// See [`SecureError`].
    pub async fn connect<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, SecureError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| SecureError::Other(io::Error::other(error)))?;
        let connected = self.0.connect(name, stream).await;
        connected.map_err(SecureError::new)
    }
}

/// The usual verification, and certificates that are trusted by themselves.
#[derive(Debug)]
struct Pinned {
    inner: Arc<WebPkiServerVerifier>,
    pinned: HashSet<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = if self.pinned.contains(shown) {
            by_itself(shown, name, now)
        } else {
            self.inner
                .verify_server_cert(shown, intermediates, name, ocsp, now)
        };
        verified.map_err(|error| match error {
            Error::InvalidCertificate(why) => {
                let doubt = Doubt::of(shown, name, now, &why);
                let said = doubt.map(|doubt| CertificateError::Other(OtherError(Arc::new(doubt))));
                Error::InvalidCertificate(said.unwrap_or(why))
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Verifies a certificate that needs nobody else's signature.
fn by_itself(
    shown: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let encoding = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, certificate) = parse_x509_certificate(shown).map_err(|_| encoding())?;
    if !is_within(&certificate, now).ok_or_else(encoding)? {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
    Ok(ServerCertVerified::assertion())
}
