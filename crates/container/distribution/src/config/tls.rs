//! How TLS is spoken with one server.

use bytes::Bytes;
use https::{ClientTls, Identity, TlsError};

/// Whom to trust, and who this side is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tls {
    /// Trusted beside the machine's authorities, PEM.
    pub(crate) authorities: Bytes,
    /// The client's certificate and key, PEM.
    pub(crate) client: Option<(Bytes, Bytes)>,
    pub(crate) verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            authorities: Bytes::new(),
            client: None,
            verify: true,
        }
    }
}

impl Tls {
    /// With what another file says beside it.
    pub(crate) fn and(self, other: Self) -> Self {
        let authorities = match (self.authorities.is_empty(), other.authorities.is_empty()) {
            (_, true) => self.authorities,
            (true, false) => other.authorities,
            (false, false) => [&self.authorities[..], b"\n", &other.authorities[..]]
                .concat()
                .into(),
        };
        Self {
            authorities,
            client: self.client.or(other.client),
            verify: self.verify && other.verify,
        }
    }

    /// What speaks it; `machine` are the machine's own authorities.
    pub(crate) fn connector(&self, machine: &[u8]) -> Result<ClientTls, TlsError> {
        let identity = match &self.client {
            Some((certificate, key)) => Some(Identity::from_pem(certificate, key)?),
            None => None,
        };
        if self.verify {
            ClientTls::new(machine, &self.authorities, identity)
        } else {
            ClientTls::anyone(identity)
        }
    }
}
