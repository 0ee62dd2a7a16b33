//! ServiceAccount tokens as `serviceaccounts/token` makes them.

use auth::UserInfo;
use pki::{Claims, ObjectName};

use super::{CREDENTIAL, Identified, ended, find};
use crate::server::State;

const INVALIDATED: &str = "service account token has been invalidated";

/// Whose token it is.
///
/// # Errors
/// A sentence.
pub(super) async fn authenticate(
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
            "token audiences {} is invalid for the target audiences {}",
            quoted(&claims.aud),
            quoted(audiences)
        ));
    }
    check_objects(state, &claims).await?;
    Ok(Identified {
        user: user(&claims),
        audiences: matching,
    })
}

/// Go's `%q` of a list.
fn quoted(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{:?}", text.as_ref())).collect();
    format!("[{}]", texts.join(" "))
}

/// The account, and the pod, node or secret that the token is bound to, must be the very ones it was made for.
async fn check_objects(state: &State, claims: &Claims) -> Result<(), String> {
    let claim = &claims.kubernetes;
    let account = &claim.serviceaccount;
    let below = |object: &ObjectName| format!("{}/{}", claim.namespace, object.name);
    check(
        state,
        "/registry/serviceaccounts/",
        &below(account),
        account,
        "service account",
    )
    .await?;
    if let Some(secret) = &claim.secret {
        check(state, "/registry/secrets/", &below(secret), secret, "secret").await?;
    }
    match (&claim.pod, &claim.node) {
        // A node beside a pod is told for information; the token does not die with it.
        (Some(pod), _) => check(state, "/registry/pods/", &below(pod), pod, "pod").await,
        (None, Some(node)) => check(state, "/registry/minions/", &node.name, node, "node").await,
        (None, None) => Ok(()),
    }
}

async fn check(state: &State, prefix: &str, key: &str, named: &ObjectName, what: &str) -> Result<(), String> {
    let Some(object) = find(state, prefix, key).await? else {
        return Err(INVALIDATED.to_owned());
    };
    if *object.meta.uid != *named.uid {
        let found = &object.meta.uid;
        return Err(match what {
            "service account" => format!(
                "service account UID ({found}) does not match claim ({})",
                named.uid
            ),
            what => format!(
                "{what} UID ({found}) does not match service account {what} ref claim ({})",
                named.uid
            ),
        });
    }
    if ended(state, &object.meta) {
        return Err(INVALIDATED.to_owned());
    }
    Ok(())
}

fn user(claims: &Claims) -> UserInfo {
    let claim = &claims.kubernetes;
    let account = &claim.serviceaccount;
    let mut user = UserInfo::service_account(&claim.namespace, &account.name, &account.uid);
    let mut tell = |key: String, value: String| {
        if !value.is_empty() {
            user.extra.insert(key, vec![value]);
        }
    };
    if !claims.jti.is_empty() {
        tell(CREDENTIAL.to_owned(), format!("JTI={}", claims.jti));
    }
    for (kind, object) in [("pod", &claim.pod), ("node", &claim.node)] {
        if let Some(object) = object {
            tell(
                format!("authentication.kubernetes.io/{kind}-name"),
                object.name.clone(),
            );
            tell(
                format!("authentication.kubernetes.io/{kind}-uid"),
                object.uid.clone(),
            );
        }
    }
    user
}
