//! Bootstrap tokens, by which a new node shows that it may join: `ID.SECRET` of a secret `bootstrap-token-ID` in
//! `kube-system` (upstream's `plugin/pkg/auth/authenticator/token/bootstrap`).

use auth::UserInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::json::pick;
use schema::object::Obj;

use super::{ended, find};
use crate::server::State;

const TYPE: &str = "bootstrap.kubernetes.io/token";

/// The group of all who come with such a token.
const GROUP: &str = "system:bootstrappers";

/// Id and secret, if the token has the form of one.
pub(super) fn parts(token: &str) -> Option<(&str, &str)> {
    let plain = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    token
        .split_once('.')
        .filter(|(id, secret)| plain(id, 6) && plain(secret, 16))
}

/// Whose token it is.
///
/// # Errors
/// A sentence for the log; a client must not learn what it has guessed right.
pub(super) async fn authenticate(state: &State, id: &str, secret: &str) -> Result<UserInfo, String> {
    let refused = |why: &str| format!("bootstrap token {id}: {why}");
    let key = format!("kube-system/bootstrap-token-{id}");
    let object = find(state, "/registry/secrets/", &key).await?;
    let object = object.filter(|object| !ended(state, &object.meta));
    let object = object.ok_or_else(|| refused("there is none"))?;
    if pick(object.body(), &["type"]).as_deref() != Some(TYPE) {
        return Err(refused("the secret is of another type"));
    }
    let text = |member| data(&object, member);
    if !same(&text("token-secret"), secret) || text("token-id") != id {
        return Err(refused("it is another"));
    }
    if expired(state, &text("expiration")) {
        return Err(refused("it has expired"));
    }
    if text("usage-bootstrap-authentication") != "true" {
        return Err(refused("it is not for authentication"));
    }
    let groups = groups(&text("auth-extra-groups"))
        .map_err(|group| refused(&format!("group {group:?} is none of its")))?;
    Ok(UserInfo {
        name: format!("system:bootstrap:{id}"),
        groups,
        ..UserInfo::default()
    })
}

/// A member of the secret's data, as text.
fn data(object: &Obj, member: &str) -> String {
    let encoded = pick(object.body(), &["data", member]).unwrap_or_default();
    let decoded = STANDARD.decode(encoded.as_bytes()).unwrap_or_default();
    String::from_utf8(decoded).unwrap_or_default()
}

/// Whether two secrets are equal, in a time that does not tell where they differ.
fn same(one: &str, other: &str) -> bool {
    let differ = one
        .bytes()
        .zip(other.bytes())
        .fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == other.len() && differ == 0
}

/// What cannot be read counts as past.
fn expired(state: &State, expiration: &str) -> bool {
    let now = jiff::Timestamp::try_from(state.env.wall()).unwrap_or_default();
    !expiration.is_empty()
        && expiration
            .parse::<jiff::Timestamp>()
            .map_or(true, |end| now >= end)
}

/// The groups of a token, sorted; the first that is not below [`GROUP`] if there is one.
fn groups(extra: &str) -> Result<Vec<String>, String> {
    let mut all = vec![GROUP.to_owned()];
    for group in extra.split(',').filter(|group| !group.is_empty()) {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":-".contains(&byte);
        let rest = group.strip_prefix("system:bootstrappers:");
        let fits = |rest: &str| {
            (1..=256).contains(&rest.len()) && rest.bytes().all(allowed) && !rest.ends_with([':', '-'])
        };
        if !rest.is_some_and(fits) {
            return Err(group.to_owned());
        }
        all.push(group.to_owned());
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_an_id_and_a_secret() {
        let cases = [
            ("abcdef.0123456789abcdef", true),
            ("abcdef.0123456789abcde", false),
            ("ABCDEF.0123456789abcdef", false),
            ("abcdef0123456789abcdef", false),
            ("a.b.c", false),
        ];
        for (token, expected) in cases {
            assert_eq!(parts(token).is_some(), expected, "{token}");
        }
    }

    #[test]
    fn extra_groups_are_below_the_first() {
        let found = groups("system:bootstrappers:kubeadm:default-node-token,system:bootstrappers:a").unwrap();
        assert_eq!(
            found,
            [
                GROUP,
                "system:bootstrappers:a",
                "system:bootstrappers:kubeadm:default-node-token"
            ]
        );
        for wrong in [
            "system:masters",
            "system:bootstrappers:",
            "system:bootstrappers:A",
            "system:bootstrappers:a-",
        ] {
            assert_eq!(groups(wrong), Err(wrong.to_owned()));
        }
    }
}
