//! ServiceAccount tokens: signed by this cluster, and their account and what they are bound to still there.

use auth::UserInfo;
use pki::{Claims, ObjectName};

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
    let verified = state.config.tokens.verify(token, state.env.wall());
    let claims = verified.map_err(|error| error.to_string())?;
    let wanted = audiences
        .iter()
        .filter(|audience| claims.aud.iter().any(|each| each == **audience));
    let matching: Vec<String> = wanted.map(|audience| (*audience).to_owned()).collect();
    if matching.is_empty() {
        return Err(format!(
            "token audiences {:?} is invalid for the target audiences {audiences:?}",
            claims.aud
        ));
    }
    check_objects(state, &claims).await?;
    Ok(Identified {
        user: user(&claims),
        audiences: matching,
    })
}

/// The account, and the pod, node or secret that the token is bound to, must be the very ones it was made for.
async fn check_objects(state: &State, claims: &Claims) -> Result<(), String> {
    let claim = &claims.kubernetes;
    let below = |object: &ObjectName| format!("{}/{}", claim.namespace, object.name);
    check(
        state,
        "/registry/serviceaccounts/",
        &below(&claim.serviceaccount),
        &claim.serviceaccount,
    )
    .await?;
    if let Some(pod) = &claim.pod {
        check(state, "/registry/pods/", &below(pod), pod).await?;
    }
    if let Some(secret) = &claim.secret {
        check(state, "/registry/secrets/", &below(secret), secret).await?;
    }
    match (&claim.node, &claim.pod) {
        // A node beside a pod is told for information; the token does not die with it.
        (Some(node), None) => check(state, "/registry/minions/", &node.name, node).await,
        _ => Ok(()),
    }
}

async fn check(state: &State, prefix: &str, key: &str, expected: &ObjectName) -> Result<(), String> {
    let found = state
        .cache
        .get(prefix, key)
        .await
        .map_err(|error| error.to_string())?;
    let alive = found
        .is_some_and(|object| *object.meta.uid == *expected.uid && object.meta.deletion_timestamp.is_none());
    if alive {
        Ok(())
    } else {
        Err("service account token has been invalidated".to_owned())
    }
}

fn user(claims: &Claims) -> UserInfo {
    let claim = &claims.kubernetes;
    let mut user = UserInfo::service_account(
        &claim.namespace,
        &claim.serviceaccount.name,
        &claim.serviceaccount.uid,
    );
    let mut tell = |key: &str, value: String| {
        if !value.is_empty() {
            user.extra.insert(key.to_owned(), vec![value]);
        }
    };
    if !claims.jti.is_empty() {
        tell(CREDENTIAL, format!("JTI={}", claims.jti));
    }
    for (kind, object) in [("pod", &claim.pod), ("node", &claim.node)] {
        if let Some(object) = object {
            tell(
                &format!("authentication.kubernetes.io/{kind}-name"),
                object.name.clone(),
            );
            tell(
                &format!("authentication.kubernetes.io/{kind}-uid"),
                object.uid.clone(),
            );
        }
    }
    user
}
