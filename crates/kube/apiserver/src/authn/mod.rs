//! Who asks: certificates, ServiceAccount tokens, nobody known, and as whom a user acts.
//!
//! Upstream's rule of order: a certificate that is accepted counts before a token; whoever presents a certificate
//! or a token that nobody accepts is refused and does not become anonymous.

mod holders;
mod impersonation;
pub(crate) mod issuer;
mod token;

use std::sync::Arc;

use auth::UserInfo;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use schema::status::Status;

use self::holders::Holders;
use crate::server::State;
use crate::{Answer, Peer};

/// What the id of a user's credential is told under.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// Finds out who asks.
#[derive(Debug, Default)]
pub(crate) struct Authn {
    holders: Holders,
}

impl Authn {
    /// Who sent a request.
    ///
    /// # Errors
    /// 401 for credentials that are not accepted.
    pub(crate) async fn authenticate(
        &self,
        state: &State,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Answer<Arc<UserInfo>> {
        if let Some(user) = self.holders.of(state, peer) {
            return Ok(user);
        }
        if let Some(token) = bearer(headers) {
            let found = token::authenticate(state, token, &[state.config.tokens.issuer()]).await;
            return match found {
                Ok(identified) => Ok(Arc::new(identified.user.authenticated())),
                Err(why) => Err(unauthorized(&why)),
            };
        }
        if peer.certificates.is_empty() {
            return Ok(Arc::new(UserInfo::anonymous()));
        }
        Err(unauthorized(&"the client certificate is not accepted"))
    }

    /// As whom a user acts.
    ///
    /// # Errors
    /// 403 for users, groups, uids and extras that they may not take; 400 without a user to act as.
    #[expect(
        clippy::unused_self,
        reason = "authentication is asked as one, though it keeps nothing"
    )]
    pub(crate) fn impersonate(
        &self,
        state: &State,
        user: Arc<UserInfo>,
        headers: &HeaderMap,
    ) -> Answer<Arc<UserInfo>> {
        match impersonation::wanted(headers)? {
            None => Ok(user),
            Some(wanted) => impersonation::take(state, &user, wanted).map(Arc::new),
        }
    }
}

pub(crate) use token::authenticate as authenticate_token;

/// The client hears 401 and no more; the log has the reason.
fn unauthorized(why: &dyn std::fmt::Display) -> crate::Refused {
    tracing::debug!(%why, "not authenticated");
    Status::unauthorized().into()
}

/// The token of `Authorization: Bearer TOKEN`; none if the header says anything else.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .trim()
        .split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found_where_it_stands() {
        let cases = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer ", None),
            ("Basic abc", None),
            ("abc", None),
        ];
        for (header, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            assert_eq!(bearer(&headers), expected, "{header}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
