//! Acting as someone else: the `Impersonate-…` headers, each of which needs a right of its own.

use std::collections::BTreeMap;

use auth::{Attributes, UserInfo};
use http::HeaderMap;
use schema::status::Status;

use crate::Answer;
use crate::server::State;

const EXTRA: &str = "impersonate-extra-";
const GROUP: &str = "authentication.k8s.io";

/// Who is to be impersonated; none if no header asks for it.
///
/// # Errors
/// 500 as upstream answers where a user's name is missing.
pub(super) fn wanted(headers: &HeaderMap) -> Answer<Option<UserInfo>> {
    let name = text(headers, "impersonate-user");
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    let uid = text(headers, "impersonate-uid");
    let extra = extra(headers);
    if name.is_empty() {
        if groups.is_empty() && extra.is_empty() && uid.is_empty() {
            return Ok(None);
        }
        return Err(Status::internal("requested impersonation without impersonating a user name").into());
    }
    Ok(Some(UserInfo {
        name,
        uid,
        groups,
        extra,
    }))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn extra(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let Some(key) = name.as_str().strip_prefix(EXTRA) else {
            continue;
        };
        let key = percent_encoding::percent_decode_str(key)
            .decode_utf8_lossy()
            .into_owned();
        let value = value.to_str().unwrap_or_default().to_owned();
        extra.entry(key).or_default().push(value);
    }
    extra
}

/// Lets `user` be `wanted`, if each thing about them is allowed.
///
/// # Errors
/// 403
pub(super) fn take(state: &State, user: &UserInfo, wanted: UserInfo) -> Answer<UserInfo> {
    for asked in questions(user, &wanted) {
        state.authz.require(state, &asked)?;
    }
    let mut taken = wanted;
    if taken.groups.is_empty()
        && let Some((namespace, _)) = taken.as_service_account()
    {
        taken.groups = UserInfo::service_account_groups(namespace).to_vec();
    }
    if taken.name == UserInfo::ANONYMOUS && !taken.in_group(UserInfo::UNAUTHENTICATED) {
        taken.groups.push(UserInfo::UNAUTHENTICATED.to_owned());
    }
    Ok(taken.authenticated())
}

/// One question for each thing that is taken.
fn questions<'a>(user: &'a UserInfo, wanted: &'a UserInfo) -> Vec<Attributes<'a>> {
    let ask = |group, resource| Attributes::of(user, "impersonate", group, resource);
    let mut questions = vec![match wanted.as_service_account() {
        Some((namespace, name)) => Attributes {
            namespace,
            name,
            ..ask("", "serviceaccounts")
        },
        None => Attributes {
            name: &wanted.name,
            ..ask("", "users")
        },
    }];
    questions.extend(wanted.groups.iter().map(|name| Attributes {
        name,
        ..ask("", "groups")
    }));
    for (subresource, values) in &wanted.extra {
        questions.extend(values.iter().map(|name| Attributes {
            subresource,
            name,
            ..ask(GROUP, "userextras")
        }));
    }
    if !wanted.uid.is_empty() {
        questions.push(Attributes {
            name: &wanted.uid,
            ..ask(GROUP, "uids")
        });
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn each_thing_that_is_taken_is_asked_for() {
        let wanted = wanted(&headers(&[
            ("impersonate-user", "system:serviceaccount:n:a"),
            ("impersonate-group", "g"),
            ("impersonate-group", "h"),
            ("impersonate-extra-acme.com%2Fscope", "s"),
            ("impersonate-uid", "1"),
        ]));
        let wanted = wanted.unwrap().unwrap();
        let user = UserInfo::default();
        let asked: Vec<String> = questions(&user, &wanted)
            .iter()
            .map(|asked| format!("{}/{} {}", asked.combined_resource(), asked.name, asked.namespace))
            .collect();
        assert_eq!(
            asked,
            [
                "serviceaccounts/a n",
                "groups/g ",
                "groups/h ",
                "userextras/acme.com/scope/s ",
                "uids/1 "
            ]
        );
    }

    #[test]
    fn nothing_is_taken_without_a_user() {
        assert!(wanted(&HeaderMap::new()).unwrap().is_none());
        assert!(wanted(&headers(&[("impersonate-group", "g")])).is_err());
    }
}
