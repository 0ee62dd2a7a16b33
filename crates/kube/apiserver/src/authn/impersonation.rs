//! Acting as someone else: the `Impersonate-…` headers, each of which needs a right of its own.

use std::collections::BTreeMap;

use auth::{Attributes, UserInfo};
use http::{HeaderMap, HeaderValue};
use schema::status::Status;

use crate::Answer;
use crate::server::State;

/// What all the headers begin with.
const PREFIX: &str = "impersonate-";
const EXTRA: &str = "impersonate-extra-";
const GROUP: &str = "authentication.k8s.io";

/// Who is to be impersonated; none if no header asks for it.
///
/// # Errors
/// 500 as upstream answers where a user's name is missing; 400 for what is not UTF-8: a header that cannot be read must
/// not leave the caller acting as himself.
pub(super) fn wanted(headers: &HeaderMap) -> Answer<Option<UserInfo>> {
    // Nearly nobody: one look at each name.
    if !headers.keys().any(|name| name.as_str().starts_with(PREFIX)) {
        return Ok(None);
    }
    let name = first(headers, "impersonate-user")?;
    let groups = headers.get_all("impersonate-group").iter().map(text);
    let groups = groups.collect::<Answer<Vec<String>>>()?;
    let uid = first(headers, "impersonate-uid")?;
    let extra = extra(headers)?;
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

fn first(headers: &HeaderMap, name: &str) -> Answer<String> {
    headers.get(name).map_or(Ok(String::new()), text)
}

/// Any UTF-8, not only what is ASCII: names are in all languages.
fn text(value: &HeaderValue) -> Answer<String> {
    let text = std::str::from_utf8(value.as_bytes()).map(str::to_owned);
    text.map_err(|_| Status::bad_request("impersonation headers must be UTF-8").into())
}

fn extra(headers: &HeaderMap) -> Answer<BTreeMap<String, Vec<String>>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let Some(key) = name.as_str().strip_prefix(EXTRA) else {
            continue;
        };
        let key = percent_encoding::percent_decode_str(key)
            .decode_utf8_lossy()
            .into_owned();
        extra.entry(key).or_default().push(text(value)?);
    }
    Ok(extra)
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
    fn no_header_is_passed_over() {
        let with = |name: &'static str, value: &[u8]| {
            let mut headers = headers(&[("impersonate-user", "a")]);
            headers.insert(name, HeaderValue::from_bytes(value).unwrap());
            wanted(&headers).map(Option::unwrap)
        };
        let name = "jürg".as_bytes();
        assert_eq!(with("impersonate-user", name).unwrap().name, "jürg");
        assert_eq!(with("impersonate-uid", name).unwrap().uid, "jürg");
        assert_eq!(with("impersonate-group", name).unwrap().groups, ["jürg"]);
        assert_eq!(with("impersonate-extra-k", name).unwrap().extra["k"], ["jürg"]);
        for header in [
            "impersonate-user",
            "impersonate-uid",
            "impersonate-group",
            "impersonate-extra-k",
        ] {
            assert_eq!(with(header, b"j\xfcrg").unwrap_err().0.code, 400, "{header}");
        }
    }

    #[test]
    fn nothing_is_taken_without_a_user() {
        assert!(wanted(&HeaderMap::new()).unwrap().is_none());
        assert!(wanted(&headers(&[("impersonate-group", "g")])).is_err());
    }
}
