//! Docker's token specification: which token to ask for, and for how long one is good.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use form_urlencoded::Serializer;
use http::Uri;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Challenge, Credentials, basic_header};

/// How long a token is good at least ("Token Authentication Specification": for compatibility with older clients, a
/// token should never be returned with less than 60 seconds to live).
const SHORTEST: Duration = Duration::from_secs(60);

/// A token is given up a little before its end, so that it does not end on the way.
const EARLY: Duration = Duration::from_secs(5);

/// What a token service calls us.
const CLIENT: &str = "gantry";

/// What somebody wants to do with a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scope {
    /// `repository:library/busybox`, `registry:catalog`.
    resource: String,
    /// `pull`.
    actions: BTreeSet<String>,
}

impl Scope {
    pub(crate) fn repository(name: &str, actions: &[&str]) -> Self {
        Self {
            resource: format!("repository:{name}"),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
        }
    }

    pub(crate) fn catalog() -> Self {
        Self {
            resource: "registry:catalog".to_owned(),
            actions: BTreeSet::from(["*".to_owned()]),
        }
    }

    /// `TYPE:NAME:ACTION,ACTION`; a name may have colons.
    fn parse(text: &str) -> Option<Self> {
        let (resource, actions) = text.rsplit_once(':')?;
        let actions = actions.split(',').filter(|action| !action.is_empty());
        resource.contains(':').then(|| Self {
            resource: resource.to_owned(),
            actions: actions.map(str::to_owned).collect(),
        })
    }

    /// What is wanted, and what the server says it takes, each resource once.
    pub(crate) fn union(wanted: &[Self], challenge: &Challenge) -> Vec<Self> {
        let asked = challenge
            .get("scope")
            .unwrap_or_default()
            .split(' ')
            .filter_map(Self::parse);
        let mut all: Vec<Self> = wanted.to_vec();
        for scope in asked {
            match all.iter_mut().find(|each| each.resource == scope.resource) {
                Some(same) => same.actions.extend(scope.actions),
                None => all.push(scope),
            }
        }
        all.sort_unstable();
        all
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        write!(f, "{}:{}", self.resource, actions.join(","))
    }
}

/// What a token is asked for with, and what it is kept by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenRequest {
    pub(crate) realm: Uri,
    pub(crate) service: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) credentials: Credentials,
    /// Whether to ask for a refresh token, too.
    pub(crate) offline: bool,
}

impl TokenRequest {
    /// What a challenge leads to; nothing, if its realm is no address of the web.
    pub(crate) fn new(challenge: &Challenge, wanted: &[Scope], credentials: &Credentials) -> Option<Self> {
        let realm: Uri = challenge.get("realm")?.parse().ok()?;
        let is_web = matches!(realm.scheme_str(), Some("http" | "https"));
        realm.host().filter(|host| is_web && !host.is_empty())?;
        Some(Self {
            realm,
            service: challenge.get("service").unwrap_or_default().to_owned(),
            scopes: Scope::union(wanted, challenge),
            credentials: credentials.clone(),
            offline: false,
        })
    }

    /// The address to GET, and the `Authorization` to show.
    pub(crate) fn query(&self) -> Option<(Uri, Option<String>)> {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(form_urlencoded::parse(
            self.realm.query().unwrap_or_default().as_bytes(),
        ));
        if !self.service.is_empty() {
            query.append_pair("service", &self.service);
        }
        for scope in &self.scopes {
            query.append_pair("scope", &scope.to_string());
        }
        let mut authorization = None;
        if let Credentials::Basic { username, password } = &self.credentials {
            query.append_pair("account", username);
            authorization = Some(basic_header(username, password));
        }
        if self.offline {
            query
                .append_pair("offline_token", "true")
                .append_pair("client_id", CLIENT);
        }
        let path = match query.finish() {
            query if query.is_empty() => self.realm.path().to_owned(),
            query => format!("{}?{query}", self.realm.path()),
        };
        let mut parts = self.realm.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Some((Uri::from_parts(parts).ok()?, authorization))
    }

    /// The form to POST (OAuth2 grants of the refresh token, or of the password).
    pub(crate) fn form(&self) -> Option<String> {
        let mut form = Serializer::new(String::new());
        match &self.credentials {
            Credentials::IdentityToken(token) => form
                .append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", token),
            Credentials::Basic { username, password } => form
                .append_pair("grant_type", "password")
                .append_pair("username", username)
                .append_pair("password", password),
            Credentials::Anonymous | Credentials::RegistryToken(_) => return None,
        };
        if self.offline {
            form.append_pair("access_type", "offline");
        }
        let scopes: Vec<String> = self.scopes.iter().map(ToString::to_string).collect();
        form.append_pair("service", &self.service)
            .append_pair("client_id", CLIENT);
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        Some(form.finish())
    }
}

/// What a token service answers.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
    issued_at: Option<String>,
    pub(crate) refresh_token: Option<String>,
}

/// A token, and for how long from its arrival.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) value: String,
    pub(crate) life: Duration,
}

impl TokenAnswer {
    /// The token, if there is one. `date` is what the answer's header says the time is: by the service's own clock a
    /// token that it has kept for others may be old already, and this machine's clock need not agree with it.
    pub(crate) fn token(self, date: Option<&str>) -> Option<Token> {
        let given = [self.token, self.access_token].into_iter().flatten();
        let value = given.into_iter().find(|value| !value.is_empty())?;
        let life = self
            .expires_in
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let life = life.unwrap_or(SHORTEST).max(SHORTEST);
        let age = date.zip(self.issued_at.as_deref()).and_then(|(date, issued)| {
            let now = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
            let issued: Timestamp = issued.parse().ok()?;
            Duration::try_from(now.duration_since(issued)).ok()
        });
        Some(Token {
            value,
            life: life.saturating_sub(age.unwrap_or_default()).saturating_sub(EARLY),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::challenges;
    use super::*;
    use http::HeaderMap;

    fn challenge(text: &str) -> Challenge {
        let mut headers = HeaderMap::new();
        headers.insert("www-authenticate", text.parse().unwrap());
        challenges(&headers).remove(0)
    }

    fn user() -> Credentials {
        Credentials::of_user("jane".to_owned(), "a b".to_owned())
    }

    #[test]
    fn a_token_is_asked_for_what_is_wanted_and_what_the_server_says() {
        let challenge = challenge(
            r#"Bearer realm="https://auth.example.com/token?x=1",service="reg",scope="repository:a:pull repository:b:pull,push""#,
        );
        let wanted = [Scope::repository("a", &["push", "pull"])];
        let request = TokenRequest::new(&challenge, &wanted, &user()).unwrap();
        let (uri, authorization) = request.query().unwrap();
        assert_eq!(
            uri.to_string(),
            "https://auth.example.com/token?x=1&service=reg&scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull%2Cpush&account=jane"
        );
        assert_eq!(authorization.unwrap(), "Basic amFuZTphIGI=");
        assert_eq!(
            request.form().unwrap(),
            "grant_type=password&username=jane&password=a+b&service=reg&client_id=gantry&scope=repository%3Aa%3Apull%2Cpush+repository%3Ab%3Apull%2Cpush"
        );
        let offline = TokenRequest {
            offline: true,
            scopes: Vec::new(),
            ..request
        };
        let (uri, _) = offline.query().unwrap();
        assert_eq!(
            uri.to_string(),
            "https://auth.example.com/token?x=1&service=reg&account=jane&offline_token=true&client_id=gantry"
        );
    }

    #[test]
    fn a_refresh_token_is_granted() {
        let challenge = challenge(r#"Bearer realm="https://a/t",service="s""#);
        let credentials = Credentials::IdentityToken("r".to_owned());
        let request = TokenRequest::new(&challenge, &[], &credentials).unwrap();
        assert_eq!(
            request.form().unwrap(),
            "grant_type=refresh_token&refresh_token=r&service=s&client_id=gantry"
        );
    }

    #[test]
    fn a_realm_that_is_no_address_leads_nowhere() {
        for realm in [
            "",
            "token",
            "/token",
            "https://",
            "ftp://a/t",
            "file:///etc/passwd",
            "unix://a/t",
            "http:///t",
        ] {
            let challenge = challenge(&format!("Bearer realm=\"{realm}\""));
            assert_eq!(
                TokenRequest::new(&challenge, &[], &Credentials::Anonymous),
                None,
                "{realm}"
            );
        }
    }

    #[test]
    fn a_token_is_good_for_as_long_as_the_service_says() {
        let check = |json: &str, date: Option<&str>, seconds: Option<u64>| {
            let answer: TokenAnswer = serde_json::from_str(json).unwrap();
            let life = answer.token(date).map(|token| token.life.as_secs());
            assert_eq!(life, seconds, "{json}");
        };
        check(r#"{}"#, None, None);
        check(r#"{"token":""}"#, None, None);
        check(r#"{"token":"t"}"#, None, Some(55));
        check(r#"{"access_token":"t","expires_in":10}"#, None, Some(55));
        check(r#"{"token":"t","expires_in":300}"#, None, Some(295));
        check(r#"{"token":"t","expires_in":-1}"#, None, Some(55));
        check(r#"{"token":"t","expires_in":1e300}"#, None, Some(55));
        let old = r#"{"token":"t","expires_in":300,"issued_at":"2026-01-01T00:00:00Z"}"#;
        check(old, None, Some(295));
        check(old, Some("Thu, 01 Jan 2026 00:01:40 GMT"), Some(195));
        check(old, Some("Thu, 01 Jan 2026 01:00:00 GMT"), Some(0));
        check(old, Some("Wed, 31 Dec 2025 01:00:00 GMT"), Some(295));
    }
}
