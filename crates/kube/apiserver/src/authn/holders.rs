//! Holders of client certificates, remembered by connection: who asks a hundred times is looked at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use auth::UserInfo;
use pki::Identity;

use super::CREDENTIAL;
use crate::Peer;
use crate::server::State;

/// Connections remembered at most; when there are more, those that have ended are forgotten, or all.
const REMEMBERED: usize = 4096;

/// Who holds the certificates of a connection.
#[derive(Debug, Default)]
pub(super) struct Holders(Mutex<HashMap<usize, Holder>>);

#[derive(Debug)]
struct Holder {
    /// Keeps the allocation, and with it the address that is the entry's key, from being another connection's.
    chain: Weak<[Vec<u8>]>,
    identity: Identity,
    user: Arc<UserInfo>,
}

impl Holders {
    /// The holder of the certificates that a peer has shown; none if they are not accepted, or there are none.
    pub(super) fn of(&self, state: &State, peer: &Peer) -> Option<Arc<UserInfo>> {
        if peer.certificates.is_empty() {
            return None;
        }
        let (now, key) = (state.env.wall(), Arc::as_ptr(&peer.certificates).addr());
        if let Some(holder) = self.holders().get(&key).filter(|it| it.identity.holds_at(now)) {
            return Some(holder.user.clone());
        }
        let identity = match state.config.clients.identify(&peer.certificates, now) {
            Ok(identity) => identity,
            Err(error) => {
                tracing::debug!(%error, "a client certificate is not accepted");
                return None;
            }
        };
        let user = Arc::new(user(&identity).authenticated());
        let holder = Holder {
            chain: Arc::downgrade(&peer.certificates),
            identity,
            user: user.clone(),
        };
        self.remember(key, holder);
        Some(user)
    }

    fn remember(&self, key: usize, holder: Holder) {
        let mut holders = self.holders();
        if holders.len() >= REMEMBERED {
            holders.retain(|_, holder| holder.chain.strong_count() > 0);
        }
        if holders.len() >= REMEMBERED {
            holders.clear();
        }
        holders.insert(key, holder);
    }

    fn holders(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn user(identity: &Identity) -> UserInfo {
    let fingerprint = format!("X509SHA256={}", identity.fingerprint);
    UserInfo {
        name: identity.user.clone(),
        uid: identity.uid.clone(),
        groups: identity.groups.clone(),
        extra: [(CREDENTIAL.to_owned(), vec![fingerprint])].into(),
    }
}
