//! Who asks: certificates, tokens, anonymous, impersonation. (AUTH)

use std::sync::Arc;

use auth::UserInfo;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use schema::status::Status;

use crate::server::State;
use crate::{Answer, Peer};

/// What authentication keeps between requests.
#[derive(Debug, Default)]
pub(crate) struct Authn;

impl Authn {
    /// Who sent a request: the holder of a certificate, or nobody known.
    #[expect(clippy::unused_async, reason = "tokens are checked against live objects")]
    pub(crate) async fn authenticate(
        &self,
        state: &State,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Answer<Arc<UserInfo>> {
        if headers.contains_key(AUTHORIZATION) {
            return Err(Status::unauthorized().into());
        }
        if peer.certificates.is_empty() {
            return Ok(Arc::new(anonymous()));
        }
        let found = state
            .config
            .clients
            .identify(&peer.certificates, state.env.wall());
        let identity = found.map_err(|_| Status::unauthorized())?;
        Ok(Arc::new(holder(identity)))
    }

    /// As whom a user acts.
    pub(crate) fn impersonate(
        &self,
        _state: &State,
        user: Arc<UserInfo>,
        headers: &HeaderMap,
    ) -> Answer<Arc<UserInfo>> {
        if headers
            .keys()
            .any(|name| name.as_str().starts_with("impersonate-"))
        {
            return Err(Status::bad_request("impersonation is not supported yet").into());
        }
        Ok(user)
    }
}

fn anonymous() -> UserInfo {
    UserInfo {
        name: "system:anonymous".to_owned(),
        groups: vec!["system:unauthenticated".to_owned()],
        ..UserInfo::default()
    }
}

fn holder(identity: pki::Identity) -> UserInfo {
    let mut groups = identity.groups;
    groups.push("system:authenticated".to_owned());
    UserInfo {
        name: identity.user,
        groups,
        ..UserInfo::default()
    }
}
