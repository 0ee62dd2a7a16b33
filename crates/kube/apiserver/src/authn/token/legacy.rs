//! Tokens that are kept in a secret of type `kubernetes.io/service-account-token`. They do not end; they die with the
//! secret, and with the account.

use auth::UserInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::json::pick;

use super::{ended, find};
use crate::server::State;

/// Set on a secret whose token has not been used for a year (upstream's `LegacyServiceAccountTokenCleanUp`).
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// Whose token it is.
///
/// # Errors
/// A sentence.
pub(super) async fn authenticate(state: &State, token: &str) -> Result<UserInfo, String> {
    let verified = state.config.tokens.verify_legacy(token);
    let claims = verified.map_err(|error| error.to_string())?;
    let own = format!("system:serviceaccount:{}:{}", claims.namespace, claims.account);
    if claims.sub != own || claims.secret.is_empty() || claims.account.is_empty() || claims.uid.is_empty() {
        return Err("token claims are incomplete".to_owned());
    }
    let key = |name: &str| format!("{}/{name}", claims.namespace);
    let secret = find(state, "/registry/secrets/", &key(&claims.secret)).await?;
    let secret = secret.filter(|secret| !ended(state, &secret.meta));
    let secret = secret.ok_or("service account token has been invalidated")?;
    let kept = pick(secret.body(), &["data", "token"]).and_then(|kept| STANDARD.decode(kept.as_bytes()).ok());
    if kept.as_deref() != Some(token.as_bytes()) {
        return Err("token does not match server's copy".to_owned());
    }
    if let Some(since) = secret.meta.label(INVALID_SINCE) {
        let why = format!(
            "the token in secret {}/{} for service account {}/{} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '{INVALID_SINCE}' label from the secret to temporarily allow use of this token (since {since})",
            claims.namespace, claims.secret, claims.namespace, claims.account
        );
        return Err(why);
    }
    let account = find(state, "/registry/serviceaccounts/", &key(&claims.account)).await?;
    let account = account.filter(|account| !ended(state, &account.meta));
    let account = account.ok_or_else(|| format!("serviceaccounts {:?} not found", claims.account))?;
    if *account.meta.uid != *claims.uid {
        let found = &account.meta.uid;
        return Err(format!(
            "ServiceAccount UID ({found}) does not match claim ({})",
            claims.uid
        ));
    }
    Ok(UserInfo::service_account(
        &claims.namespace,
        &claims.account,
        &claims.uid,
    ))
}
