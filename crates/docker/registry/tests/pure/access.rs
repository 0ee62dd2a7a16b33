//! Who may do what.

use registry::Rules;

use crate::setup::{ANN, Setup, ends};
use crate::suite::content::{blob, push_blob};
use crate::suite::{Ask, Registry, ask};

/// `Basic` of `ann:wrong`, and of `eve:secret`.
const WRONG: [&str; 4] = [
    "Basic YW5uOndyb25n",
    "Basic ZXZlOnNlY3JldA==",
    "Basic !",
    "Basic ",
];

fn bare(mut setup: Setup, client: &str) -> Setup {
    setup.credentials = None;
    setup.ends = ends(client);
    setup
}

#[tokio::test]
async fn others_than_loopback_show_who_they_are() {
    let setup = bare(Setup::new(|_| {}), "192.0.2.7:1");
    for (method, path) in [
        ("GET", "/v2/"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/a/tags/list"),
        ("GET", "/v2/a/manifests/v1"),
        ("HEAD", "/v2/a/manifests/v1"),
        ("POST", "/v2/a/blobs/uploads/"),
        ("POST", "/v2/_gantry/registry/collect"),
    ] {
        let refused = ask(method, path).expect(&setup, 401).await;
        assert_eq!(
            refused.text("www-authenticate"),
            "Basic realm=\"Gantry\"",
            "{path}"
        );
        if method != "HEAD" {
            assert_eq!(refused.code(), "UNAUTHORIZED", "{path}");
        }
    }
    let login = |credentials: &str| ask("GET", "/v2/").header("authorization", credentials);
    login(ANN).expect(&setup, 200).await;
    for wrong in WRONG {
        login(wrong).expect(&setup, 401).await;
    }
}

#[tokio::test]
async fn loopback_pulls_and_does_no_more() {
    let setup = bare(Setup::new(|_| {}), "127.0.0.1:1");
    for path in ["/v2/", "/v2/_catalog"] {
        ask("GET", path).expect(&setup, 200).await;
    }
    ask("GET", "/v2/a/tags/list").expect(&setup, 404).await;
    // Whose connection that is nobody knows: there is none.
    let push = ask("POST", "/v2/a/blobs/uploads/").expect(&setup, 401).await;
    assert_eq!(push.code(), "UNAUTHORIZED");
    ask("DELETE", "/v2/a/manifests/v1").expect(&setup, 401).await;
    // Wrong credentials are not overlooked, though nothing was asked that would need any.
    for wrong in WRONG {
        ask("GET", "/v2/")
            .header("authorization", wrong)
            .expect(&setup, 401)
            .await;
    }
    let closed = bare(
        Setup::new(|config| config.access.anonymous_pull = false),
        "[::1]:1",
    );
    ask("GET", "/v2/").expect(&closed, 401).await;
    ask("GET", "/v2/a/tags/list").expect(&closed, 401).await;
}

/// A page that leads a browser here by a name of its own reads nothing, though it is this host's browser that asks.
#[tokio::test]
async fn a_strangers_name_is_not_loopback() {
    let setup = bare(Setup::new(|_| {}), "127.0.0.1:1");
    setup.memory.put("localhost:5000/x", "v1", b"{}");
    for (host, status) in [
        ("localhost:5000", 200),
        ("127.0.0.1:5000", 200),
        ("rebind.evil.com:5000", 401),
    ] {
        for path in ["/v2/", "/v2/_catalog", "/v2/x/manifests/v1"] {
            ask("GET", path).header("host", host).expect(&setup, status).await;
        }
    }
    // Credentials are no browser's to send.
    let login = ask("GET", "/v2/").header("host", "rebind.evil.com");
    login.header("authorization", ANN).expect(&setup, 200).await;
}

/// What the node has pulled from elsewhere, maybe with somebody's credentials, is not for everybody on this host.
#[tokio::test]
async fn what_was_pulled_elsewhere_is_not_for_everybody() {
    let setup = Setup::new(|_| {});
    setup.memory.put("quay.io/secret/app", "v1", b"{}");
    let path = "/v2/secret/app/manifests/v1?ns=quay.io";
    ask("GET", path).expect(&setup, 200).await;
    let setup = bare(setup, "127.0.0.1:1");
    for path in [path, "/v2/secret/app/tags/list?ns=quay.io"] {
        ask("GET", path).expect(&setup, 401).await;
    }
}

#[tokio::test]
async fn users_have_rights_for_each_repository() {
    let rules = "[[rule]]\nusers = ['ann']\nrepositories = ['team/*']\nrights = ['pull', 'push']\n";
    let setup = Setup::new(|config| config.access.rules = Rules::parse(rules).unwrap());
    let digest = push_blob(&setup, "team/x", &blob("rights", 10)).await;
    for (method, path, status) in [
        ("GET", format!("/v2/team/x/blobs/{digest}"), 200),
        ("DELETE", format!("/v2/team/x/blobs/{digest}"), 403),
        ("GET", format!("/v2/other/blobs/{digest}"), 403),
        ("POST", "/v2/other/blobs/uploads/".to_owned(), 403),
        ("POST", "/v2/_gantry/registry/collect".to_owned(), 403),
    ] {
        let got = ask(method, &path).expect(&setup, status).await;
        if status == 403 {
            assert_eq!(got.code(), "DENIED", "{path}");
        }
    }
    // What it may not see it does not find in the catalogue, and cannot mount from.
    setup.memory.put("localhost:5000/other", "v1", b"{}");
    setup.memory.put("localhost:5000/team/y", "v1", b"{}");
    let seen = ask("GET", "/v2/_catalog").expect(&setup, 200).await;
    assert_eq!(seen.json()["repositories"], serde_json::json!(["team/y"]));
    let hidden = image::Digest::of(b"{}");
    let path = format!("/v2/team/x/blobs/uploads/?mount={hidden}&from=other");
    ask("POST", path).expect(&setup, 202).await;
}

#[tokio::test]
async fn a_read_only_registry_takes_nothing() {
    let setup = Setup::new(|config| config.read_only = true);
    setup.memory.put("localhost:5000/x", "v1", b"{}");
    ask("GET", "/v2/x/manifests/v1").expect(&setup, 200).await;
    for (method, path) in [
        ("PUT", "/v2/x/manifests/v1"),
        ("DELETE", "/v2/x/manifests/v1"),
        ("POST", "/v2/x/blobs/uploads/"),
    ] {
        let refused = ask(method, path).expect(&setup, 405).await;
        assert_eq!(refused.code(), "UNSUPPORTED", "{path}");
    }
}

#[tokio::test]
async fn an_upload_is_its_repositorys_and_there_are_not_many() {
    let setup = Setup::new(|config| config.limits.uploads_of_one_client = 2);
    let begin = || async {
        setup
            .send(Ask {
                method: "POST",
                path: "/v2/a/blobs/uploads/".into(),
                ..Ask::default()
            })
            .await
    };
    let first = begin().await;
    let elsewhere = first.location().replace("/v2/a/", "/v2/b/");
    assert_eq!(
        ask("GET", elsewhere).expect(&setup, 404).await.code(),
        "BLOB_UPLOAD_UNKNOWN"
    );
    begin().await;
    let refused = begin().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (429, "TOOMANYREQUESTS")
    );
    assert_eq!(refused.text("retry-after"), "10");
    ask("DELETE", first.location()).expect(&setup, 204).await;
    assert_eq!(begin().await.status.as_u16(), 202);
}
