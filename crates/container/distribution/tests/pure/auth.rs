use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use distribution::auth::AuthConfig;
use distribution::{Credentials, Kind, Subject};

use crate::fake::{Fake, JANE, Seen, authority, client, configured, jane, reply, settings};

const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;

fn latest() -> Subject {
    Subject::Tag("latest".to_owned())
}

fn unauthorized() -> &'static str {
    r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#
}

/// A registry that takes one `Authorization` and asks for it with one challenge.
async fn guarded(challenge: String, wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Fake {
    Fake::plain(move |seen: &Seen| {
        if seen.header("authorization").is_some_and(&wanted) {
            return reply(200)
                .with("content-type", "application/vnd.oci.image.manifest.v1+json")
                .body(MANIFEST);
        }
        reply(401)
            .with("www-authenticate", &challenge)
            .body(unauthorized())
    })
    .await
}

/// A token service that numbers its tokens.
async fn service(expected: Option<&'static str>) -> (Fake, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let fake = Fake::plain(move |seen: &Seen| {
        if seen.header("authorization") != expected && seen.method == "GET" {
            return reply(401).body(r#"{"details":"incorrect username or password"}"#);
        }
        let nth = counter.fetch_add(1, Ordering::Relaxed);
        reply(200).body(format!(
            r#"{{"token":"t{nth}","expires_in":300,"refresh_token":"refresh"}}"#
        ))
    })
    .await;
    (fake, given)
}

fn bearer(service: &Fake) -> String {
    format!(
        r#"Bearer realm="http://{}/token",service="reg",scope="repository:a/b:pull""#,
        service.host()
    )
}

#[tokio::test]
async fn a_token_is_fetched_once_and_the_password_goes_to_its_service_alone() {
    let (tokens, given) = service(Some(JANE)).await;
    let registry = guarded(bearer(&tokens), |shown| shown == "Bearer t0").await;
    let client = client();
    let repository = client.repository(&registry.host(), "a/b", jane());
    for _ in 0..3 {
        repository.manifest(&latest()).await.unwrap();
    }
    let again = client.repository(&registry.host(), "a/b", jane());
    again.manifest(&latest()).await.unwrap();
    assert_eq!(given.load(Ordering::Relaxed), 1);
    assert_eq!(
        tokens.lines(),
        ["GET /token?service=reg&scope=repository%3Aa%2Fb%3Apull&account=jane"]
    );
    let shown: Vec<_> = registry
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").map(str::to_owned))
        .collect();
    let token = Some("Bearer t0".to_owned());
    assert_eq!(shown, [None, token.clone(), token.clone(), token.clone(), token]);
    // Somebody else needs a token of their own.
    let other = client.repository(&registry.host(), "a/b", Credentials::Anonymous);
    assert_eq!(
        other.manifest(&latest()).await.unwrap_err().kind(),
        Kind::Unauthorized
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_again() {
    let (tokens, given) = service(None).await;
    let registry = guarded(bearer(&tokens), |shown| shown == "Bearer t0").await;
    let client = client();
    let repository = client.repository(&registry.host(), "a/b", Credentials::Anonymous);
    repository.manifest(&latest()).await.unwrap();
    let later = guarded(bearer(&tokens), |shown| shown == "Bearer t1").await;
    let repository = client.repository(&later.host(), "a/b", Credentials::Anonymous);
    repository.manifest(&latest()).await.unwrap();
    assert_eq!(given.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn many_who_want_the_same_token_wait_for_one() {
    let (tokens, given) = service(None).await;
    let registry = guarded(bearer(&tokens), |shown| shown == "Bearer t0").await;
    let repository = client().repository(&registry.host(), "a/b", Credentials::Anonymous);
    let subject = latest();
    let all = (0..8).map(|_| repository.manifest(&subject));
    for found in futures_util::future::join_all(all).await {
        found.unwrap();
    }
    assert_eq!(given.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn passwords_are_shown_to_a_registry_that_asks_for_them() {
    let registry = guarded("Basic realm=\"r\"".to_owned(), |shown| shown == JANE).await;
    let client = client();
    let repository = client.repository(&registry.host(), "a/b", jane());
    repository.manifest(&latest()).await.unwrap();
    repository.manifest(&latest()).await.unwrap();
    assert_eq!(registry.seen().len(), 3, "the second time without being asked");
    let wrong = Credentials::of_user("jane".to_owned(), "wrong".to_owned());
    let error = client
        .repository(&registry.host(), "a/b", wrong)
        .manifest(&latest())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "unauthorized: authentication required");
    assert_eq!(error.kind(), Kind::Unauthorized);
    let nobody = client.repository(&registry.host(), "a/b", Credentials::Anonymous);
    let error = nobody.manifest(&latest()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("/v2/a/b/manifests/latest\": no basic auth credentials"),
        "{error}"
    );
}

#[tokio::test]
async fn who_may_not_is_told_so_in_dockers_words() {
    let (tokens, _) = service(None).await;
    let challenge = format!(r#"{},error="insufficient_scope""#, bearer(&tokens));
    let registry = guarded(challenge, |_| false).await;
    let repository = client().repository(&registry.host(), "a/b", Credentials::Anonymous);
    let error = repository.manifest(&latest()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    let reference = image::Reference::parse("a/b").unwrap();
    assert_eq!(
        error.pulling(&reference),
        "pull access denied for a/b, repository does not exist or may require 'docker login': denied: requested access \
         to the resource is denied"
    );
}

#[tokio::test]
async fn an_identity_token_is_granted_a_token() {
    let (tokens, _) = service(None).await;
    let registry = guarded(bearer(&tokens), |shown| shown == "Bearer t0").await;
    let identity = Credentials::IdentityToken("long".to_owned());
    let repository = client().repository(&registry.host(), "a/b", identity);
    repository.manifest(&latest()).await.unwrap();
    let asked = &tokens.seen()[0];
    assert_eq!(asked.line(), "POST /token");
    assert_eq!(
        asked.body,
        "grant_type=refresh_token&refresh_token=long&service=reg&client_id=gantry&scope=repository%3Aa%2Fb%3Apull"
    );
}

#[tokio::test]
async fn a_registry_token_goes_as_it_is() {
    let registry = guarded("Bearer realm=\"http://127.0.0.1:1/\"".to_owned(), |shown| {
        shown == "Bearer mine"
    })
    .await;
    let token = Credentials::RegistryToken("mine".to_owned());
    let repository = client().repository(&registry.host(), "a/b", token);
    repository.manifest(&latest()).await.unwrap();
    let wrong = Credentials::RegistryToken("other".to_owned());
    let repository = client().repository(&registry.host(), "a/b", wrong);
    assert_eq!(
        repository.manifest(&latest()).await.unwrap_err().kind(),
        Kind::Unauthorized
    );
}

#[tokio::test]
async fn a_service_that_knows_only_grants_is_asked_by_them() {
    let tokens = Fake::plain(|seen: &Seen| match seen.method.as_str() {
        "GET" => reply(405),
        _ => reply(200).body(r#"{"access_token":"granted"}"#),
    })
    .await;
    let registry = guarded(bearer(&tokens), |shown| shown == "Bearer granted").await;
    let repository = client().repository(&registry.host(), "a/b", jane());
    repository.manifest(&latest()).await.unwrap();
    assert!(
        tokens.seen()[1]
            .body
            .starts_with(b"grant_type=password&username=jane&password=secret")
    );
}

#[tokio::test]
async fn what_is_no_token_is_none() {
    for (body, error) in [
        ("<html>", "the token service's answer is not JSON"),
        ("{}", "did not include a token"),
        (r#"{"token":"a\nb"}"#, "did not include a token"),
    ] {
        let tokens = Fake::plain(move |_: &Seen| reply(200).body(body)).await;
        let registry = guarded(bearer(&tokens), |_| false).await;
        let found = client()
            .repository(&registry.host(), "a/b", jane())
            .manifest(&latest())
            .await;
        let found = found.unwrap_err().to_string();
        assert!(found.contains(error), "{found}");
    }
    let tokens = Fake::plain(|_: &Seen| reply(200).body(vec![b' '; 2 << 20])).await;
    let registry = guarded(bearer(&tokens), |_| false).await;
    let found = client()
        .repository(&registry.host(), "a/b", jane())
        .manifest(&latest())
        .await;
    assert_eq!(
        found.unwrap_err().to_string(),
        "the token service's answer is larger than 1048576 bytes"
    );
}

/// A registry says where tokens are had; nothing is opened or asked but what speaks HTTP.
#[tokio::test]
async fn tokens_come_from_the_web_alone() {
    let (tokens, _) = service(Some(JANE)).await;
    for realm in [
        "ftp://HOST/token",
        "unix://HOST/token",
        "http+unix://HOST/token",
        "file:///etc/passwd",
        "HOST/token",
    ] {
        let challenge = format!(
            "Bearer realm=\"{}\",service=\"reg\"",
            realm.replace("HOST", &tokens.host())
        );
        let registry = guarded(challenge, |_| true).await;
        let found = client()
            .repository(&registry.host(), "a/b", jane())
            .manifest(&latest())
            .await;
        let kind = found.unwrap_err().kind();
        assert!(
            matches!(kind, Kind::Unauthorized | Kind::Invalid),
            "{realm}: {kind:?}"
        );
        let shown = registry
            .seen()
            .into_iter()
            .filter(|seen| seen.header("authorization").is_some());
        assert_eq!(shown.count(), 0, "{realm}");
    }
    assert_eq!(tokens.lines(), Vec::<String>::new());
}

/// A token service could send whoever asks elsewhere, with the password.
#[tokio::test]
async fn a_password_does_not_follow_a_token_service() {
    let elsewhere = Fake::plain(|_: &Seen| reply(200).body(r#"{"token":"x"}"#)).await;
    let location = format!("http://{}/", elsewhere.host());
    let tokens = Fake::plain(move |_: &Seen| reply(307).with("location", &location)).await;
    let registry = guarded(bearer(&tokens), |_| true).await;
    let found = client()
        .repository(&registry.host(), "a/b", jane())
        .manifest(&latest())
        .await;
    found.unwrap_err();
    assert_eq!(elsewhere.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_password_does_not_leave_tls() {
    let (tokens, _) = service(Some(JANE)).await;
    let challenge = bearer(&tokens);
    let registry = Fake::tls(&authority(), "127.0.0.1", move |_: &Seen| {
        reply(401).with("www-authenticate", &challenge)
    });
    let client = client();
    // Who has no password has nothing to lose; what the client learns of the service must not change that.
    let nobody = client.repository(&registry.host(), "a/b", Credentials::Anonymous);
    nobody.manifest(&latest()).await.unwrap_err();
    assert_eq!(tokens.seen().len(), 1);
    for _ in 0..2 {
        let found = client
            .repository(&registry.host(), "a/b", jane())
            .manifest(&latest())
            .await;
        let found = found.unwrap_err().to_string();
        assert!(found.contains("credentials are not sent there"), "{found}");
    }
    assert_eq!(tokens.seen().len(), 1);
}

fn who(fake: &Fake, credentials: Credentials) -> AuthConfig {
    AuthConfig {
        credentials,
        server_address: fake.host(),
    }
}

#[tokio::test]
async fn a_login_gives_the_token_that_is_kept() {
    let (tokens, _) = service(Some(JANE)).await;
    let registry = guarded(bearer(&tokens), |shown| shown == "Bearer t0").await;
    let client = client();
    let login = client.login(&who(&registry, jane())).await.unwrap();
    assert_eq!(login.identity_token, "refresh");
    assert_eq!(registry.lines(), ["GET /v2/", "GET /v2/"]);
    assert_eq!(
        tokens.lines(),
        [
            "GET /token?service=reg&scope=repository%3Aa%2Fb%3Apull&account=jane&offline_token=true&client_id=gantry"
        ]
    );
    let wrong = Credentials::of_user("jane".to_owned(), "x".to_owned());
    let error = client.login(&who(&registry, wrong)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized);
    assert!(
        error
            .to_string()
            .ends_with("/v2/\": unauthorized: incorrect username or password"),
        "{error}"
    );
}

#[tokio::test]
async fn a_login_by_password_is_tried() {
    let registry = guarded("Basic realm=\"r\"".to_owned(), |shown| shown == JANE).await;
    let login = client().login(&who(&registry, jane())).await.unwrap();
    assert_eq!(login.identity_token, "");
    let wrong = Credentials::of_user("jane".to_owned(), "x".to_owned());
    let error = client().login(&who(&registry, wrong)).await.unwrap_err();
    let expected = format!(
        "login attempt to https://{}/v2/ failed with status: 401 Unauthorized",
        registry.host()
    );
    assert_eq!(error.to_string(), expected);
    let open = Fake::plain(|_: &Seen| reply(200)).await;
    client().login(&who(&open, jane())).await.unwrap();
    assert_eq!(open.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_node_has_credentials_where_nobody_says_who_they_are() {
    let registry = guarded("Basic realm=\"r\"".to_owned(), |shown| shown == JANE).await;
    let yaml = format!(
        "configs: {{'{}': {{auth: {{username: jane, password: secret}}}}}}",
        registry.host()
    );
    let client = configured(&[("registries.yaml", &yaml)], settings());
    let repository = client.repository(&registry.host(), "a/b", Credentials::Anonymous);
    repository.manifest(&latest()).await.unwrap();
}
