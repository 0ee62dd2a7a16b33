//! Bearer tokens: of ServiceAccounts, signed by this cluster or kept in a secret of it, and those by which nodes join.
//!
//! What a token was made for must still be there each time it is used: the very account, and the very pod, node or
//! secret that it is bound to.

mod bootstrap;
mod bound;
mod legacy;

use auth::UserInfo;
use pki::{LegacyClaims, issuer_of};
use schema::object::{Meta, Obj};

use super::CREDENTIAL;
use crate::server::State;

/// A token that was accepted.
#[derive(Debug)]
pub(crate) struct Identified {
    /// Whose it is.
    pub(crate) user: UserInfo,
    /// Those of the wanted audiences that it is for.
    pub(crate) audiences: Vec<String>,
}

/// Whose token it is. It must be for one of the audiences.
///
/// # Errors
/// A sentence for the log, and for a TokenReview's status.
pub(crate) async fn authenticate(
    state: &State,
    token: &str,
    audiences: &[&str],
) -> Result<Identified, String> {
    if let Some((id, secret)) = bootstrap::parts(token) {
        return own(
            state,
            audiences,
            bootstrap::authenticate(state, id, secret).await?,
        );
    }
    if issuer_of(token).as_deref() == Some(LegacyClaims::ISSUER) {
        return own(state, audiences, legacy::authenticate(state, token).await?);
    }
    bound::authenticate(state, token, audiences).await
}

/// What names no audience is for this server.
fn own(state: &State, audiences: &[&str], user: UserInfo) -> Result<Identified, String> {
    let issuer = state.config.tokens.issuer();
    let wanted = audiences.iter().filter(|audience| **audience == issuer);
    let audiences: Vec<String> = wanted.map(|audience| (*audience).to_owned()).collect();
    if audiences.is_empty() {
        return Err("the token is for this server alone".to_owned());
    }
    Ok(Identified { user, audiences })
}

/// An object of the core group as it is now.
async fn find(state: &State, prefix: &str, key: &str) -> Result<Option<std::sync::Arc<Obj>>, String> {
    let found = state.cache.get(prefix, key).await;
    found.map_err(|error| error.to_string())
}

/// Clocks of two machines may differ by this much, and what ends may take as long.
const LEEWAY: i64 = 60;

/// Whether an object's end is past. A pod that still has its grace keeps its token.
fn ended(state: &State, meta: &Meta) -> bool {
    let at = meta
        .deletion_timestamp
        .as_deref()
        .map(str::parse::<jiff::Timestamp>);
    let now = jiff::Timestamp::try_from(state.env.wall()).unwrap_or_default();
    match at {
        None => false,
        Some(Ok(at)) => at.as_second() < now.as_second() - LEEWAY,
        Some(Err(_)) => true,
    }
}
