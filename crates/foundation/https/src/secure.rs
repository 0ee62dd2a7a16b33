//! TLS to servers that are not ours: the machine's authorities and somebody's own, client certificates, HTTP/1.1.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

use crate::identity::{PROTOCOLS, certificates, configured, provider};
use crate::trust::AnyServer;
use crate::{Identity, TlsError};

/// Why there is no TLS with a server.
#[derive(Debug, thiserror::Error)]
pub enum SecureError {
    /// Nobody who is trusted has signed its certificate.
    #[error("certificate signed by unknown authority")]
    UnknownAuthority,
    /// Its certificate was or will be good.
    #[error("certificate has expired or is not yet valid")]
    Time,
    /// Its certificate is somebody else's.
    #[error("certificate is not valid for {0}")]
    Name(String),
    /// It speaks something else.
    #[error("the server does not speak TLS")]
    NotTls,
    /// TLS failed otherwise, or the connection did.
    #[error(transparent)]
    Other(io::Error),
}

impl SecureError {
    fn new(host: &str, error: io::Error) -> Self {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
            NotValidYetContext, UnknownIssuer,
        };
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            // Of two authorities with one name the other one was tried.
            Some(Error::InvalidCertificate(UnknownIssuer | BadSignature)) => Self::UnknownAuthority,
            Some(Error::InvalidCertificate(
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
            )) => Self::Time,
            Some(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Self::Name(host.to_owned())
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
        connected.map_err(|error| SecureError::new(host, error))
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
        if !self.pinned.contains(shown) {
            return self
                .inner
                .verify_server_cert(shown, intermediates, name, ocsp, now);
        }
        valid(shown, now)?;
        verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
        Ok(ServerCertVerified::assertion())
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

/// Whether a certificate is neither too young nor too old.
fn valid(shown: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let encoding = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, certificate) = parse_x509_certificate(shown).map_err(|_| encoding())?;
    let seconds = i64::try_from(now.as_secs()).map_err(|_| encoding())?;
    let now = ASN1Time::from_timestamp(seconds).map_err(|_| encoding())?;
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}
