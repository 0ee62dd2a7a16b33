use distribution::{Client, Kind, Subject};
use image::{Digest, media_type};

use crate::fake::{Fake, Seen, blob, configured, jane, read, reply, settings};

const MANIFEST: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

fn tag() -> Subject {
    Subject::Tag("x".to_owned())
}

async fn good() -> Fake {
    Fake::plain(|seen: &Seen| {
        if seen.path.contains("/blobs/") {
            return reply(200).body("bytes");
        }
        reply(200)
            .with("content-type", media_type::MANIFEST)
            .with("docker-content-digest", Digest::of(MANIFEST.as_bytes()))
            .body(MANIFEST)
    })
    .await
}

/// Registry `up.example.com`, which is `upstream`, with mirrors.
fn mirrored(upstream: &str, mirrors: &[&str]) -> Client {
    let mirrors: String = mirrors
        .iter()
        .map(|host| format!("[host.\"http://{host}\"]\ncapabilities = ['pull', 'resolve']\n"))
        .collect();
    let toml = format!("server = 'http://{upstream}'\n{mirrors}");
    configured(&[("certs.d/up.example.com/hosts.toml", &toml)], settings())
}

#[tokio::test]
async fn mirrors_are_asked_before_the_registry() {
    let (upstream, mirror) = (good().await, good().await);
    let client = mirrored(&upstream.host(), &[&mirror.host()]);
    let repository = client.repository("up.example.com", "a/b", jane());
    repository.resolve(&tag()).await.unwrap();
    read(&repository, &blob(b"bytes")).await.unwrap();
    assert_eq!(upstream.lines(), Vec::<String>::new());
    assert_eq!(mirror.lines()[0], "HEAD /v2/a/b/manifests/x?ns=up.example.com");
    assert!(
        mirror
            .seen()
            .iter()
            .all(|seen| seen.header("authorization").is_none())
    );
    repository
        .put_manifest(&tag(), media_type::MANIFEST, MANIFEST.into())
        .await
        .unwrap();
    assert_eq!(upstream.lines(), ["PUT /v2/a/b/manifests/x"]);
}

#[tokio::test]
async fn whatever_a_mirror_does_the_next_one_is_asked() {
    let upstream = good().await;
    let missing = Fake::plain(|_: &Seen| reply(404)).await;
    let failing = Fake::plain(|_: &Seen| reply(500)).await;
    let closed = Fake::plain(|_: &Seen| reply(401).with("www-authenticate", "Basic realm=r")).await;
    let lying = Fake::plain(|_: &Seen| {
        reply(200)
            .with("docker-content-digest", Digest::of(b"x"))
            .body("{}")
    })
    .await;
    let mirrors = [missing.host(), failing.host(), closed.host(), lying.host()];
    let client = mirrored(&upstream.host(), &mirrors.each_ref().map(String::as_str));
    let repository = client.repository("up.example.com", "a/b", jane());
    repository.manifest(&tag()).await.unwrap();
    assert_eq!(upstream.lines(), ["GET /v2/a/b/manifests/x"]);
    // Who fails is asked twice, since there are others.
    assert_eq!(
        (missing.seen().len(), failing.seen().len(), closed.seen().len()),
        (1, 2, 1)
    );
}

#[tokio::test]
async fn a_mirror_that_is_not_there_is_left_alone_for_a_while() {
    let upstream = good().await;
    let gone = good().await.host();
    let later = good().await;
    let client = mirrored(&upstream.host(), &[&gone, &later.host()]);
    for _ in 0..3 {
        let repository = client.repository("up.example.com", "a/b", jane());
        repository.manifest(&tag()).await.unwrap();
    }
    assert_eq!(later.seen().len(), 3);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_mirror_that_lies_is_asked_once() {
    let upstream = good().await;
    let lying = Fake::plain(|_: &Seen| reply(200).body("bites")).await;
    let client = mirrored(&upstream.host(), &[&lying.host()]);
    let repository = client.repository("up.example.com", "a/b", jane());
    read(&repository, &blob(b"bytes")).await.unwrap_err();
    assert_eq!(read(&repository, &blob(b"bytes")).await.unwrap(), b"bytes");
    assert_eq!(lying.seen().len(), 1);
}

#[tokio::test]
async fn a_blob_goes_on_with_the_next_one() {
    let upstream = Fake::plain(|seen: &Seen| match seen.header("range") {
        Some("bytes=2-") => reply(206).with("content-range", "bytes 2-4/5").body("tes"),
        _ => reply(500),
    })
    .await;
    let breaking = Fake::plain(|seen: &Seen| {
        if seen.nth == 0 {
            reply(200).body("bytes").broken_after(2)
        } else {
            reply(404)
        }
    })
    .await;
    let client = mirrored(&upstream.host(), &[&breaking.host()]);
    let repository = client.repository("up.example.com", "a/b", jane());
    assert_eq!(read(&repository, &blob(b"bytes")).await.unwrap(), b"bytes");
}

#[tokio::test]
async fn what_the_registry_says_counts() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    let upstream = Fake::plain(move |_: &Seen| reply(403).body(denied)).await;
    let missing = Fake::plain(|_: &Seen| reply(404)).await;
    let client = mirrored(&upstream.host(), &[&missing.host()]);
    let error = client
        .repository("up.example.com", "a/b", jane())
        .manifest(&tag())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_repository_has_another_name_at_a_mirror() {
    let mirror = good().await;
    let yaml = format!(
        "mirrors: {{up.example.com: {{endpoint: ['http://{}/proxy'], rewrite: {{'^a/(.*)': 'all/$1'}}}}}}",
        mirror.host()
    );
    let client = configured(&[("registries.yaml", &yaml)], settings());
    let repository = client.repository("up.example.com", "a/b", jane());
    repository.manifest(&tag()).await.unwrap();
    assert_eq!(mirror.lines(), ["GET /proxy/all/b/manifests/x?ns=up.example.com"]);
}

#[tokio::test]
async fn an_endpoint_is_asked_for_what_it_may_be() {
    let (upstream, mirror) = (good().await, good().await);
    let toml = format!(
        "server = 'http://{}'\ncapabilities = ['resolve']\n[host.\"http://{}\"]\ncapabilities = ['pull']",
        upstream.host(),
        mirror.host()
    );
    let client = configured(&[("certs.d/up.example.com/hosts.toml", &toml)], settings());
    let repository = client.repository("up.example.com", "a/b", jane());
    repository.resolve(&tag()).await.unwrap();
    read(&repository, &blob(b"bytes")).await.unwrap();
    assert_eq!((upstream.seen().len(), mirror.seen().len()), (1, 1));
    let error = repository.has_blob(Digest::of(b"x")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no endpoint of registry up.example.com may push: see its hosts.toml"
    );
}
