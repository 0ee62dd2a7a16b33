use distribution::{Error, Kind, Subject};
use image::{Digest, media_type};

use crate::fake::{Fake, Reply, Seen, reply, repository};

const MANIFEST: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

fn tag() -> Subject {
    Subject::Tag("x".to_owned())
}

fn manifest() -> Reply {
    reply(200)
        .with("content-type", format!("{}; charset=utf-8", media_type::MANIFEST))
        .with("docker-content-digest", Digest::of(MANIFEST.as_bytes()))
        .body(MANIFEST)
}

#[tokio::test]
async fn a_tag_is_resolved_by_head() {
    let fake = Fake::plain(|_: &Seen| {
        manifest()
            .with("ratelimit-limit", "100;w=60")
            .with("ratelimit-remaining", "7;w=60")
            .with("warning", "299 - \"old\"")
    })
    .await;
    let repository = repository(&fake);
    let found = repository.resolve(&tag()).await.unwrap();
    assert_eq!(
        found,
        image::Descriptor::new(media_type::MANIFEST, Digest::of(MANIFEST.as_bytes()), 43)
    );
    assert_eq!(fake.lines(), ["HEAD /v2/a/b/manifests/x"]);
    let accepts: Vec<_> = fake.seen()[0]
        .headers
        .get_all("accept")
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(accepts.len(), 5);
    let limit = repository.rate_limit().unwrap();
    assert_eq!((limit.limit, limit.remaining), (Some(100), Some(7)));
    assert_eq!(repository.warnings(), ["old"]);
}

#[tokio::test]
async fn what_head_does_not_say_is_found_out_by_get() {
    let check = async |head: Reply| {
        let fake = Fake::plain(move |seen: &Seen| {
            if seen.method == "HEAD" {
                head.clone()
            } else {
                reply(200).body(MANIFEST)
            }
        })
        .await;
        let found = repository(&fake).resolve(&tag()).await.unwrap();
        assert_eq!(
            found,
            image::Descriptor::new(media_type::MANIFEST, Digest::of(MANIFEST.as_bytes()), 43)
        );
    };
    check(
        reply(200)
            .with("content-type", media_type::MANIFEST)
            .body(MANIFEST),
    )
    .await;
    check(
        reply(200)
            .with("docker-content-digest", Digest::of(b"x"))
            .body(MANIFEST),
    )
    .await;
    check(reply(405)).await;
    check(reply(404)).await;
}

#[tokio::test]
async fn a_manifest_is_what_its_digest_says() {
    let fake = Fake::plain(|_: &Seen| manifest()).await;
    let repository = repository(&fake);
    let digest = Digest::of(MANIFEST.as_bytes());
    let found = repository.manifest(&Subject::Digest(digest)).await.unwrap();
    assert_eq!(
        (found.bytes.as_ref(), found.descriptor.digest),
        (MANIFEST.as_bytes(), digest)
    );
    let other = Digest::of(b"other");
    let error = repository.manifest(&Subject::Digest(other)).await.unwrap_err();
    assert!(matches!(error, Error::Digest { expected, found } if (expected, found) == (other, digest)));
    let error = repository.resolve(&Subject::Digest(other)).await.unwrap_err();
    assert!(matches!(error, Error::Digest { .. }));
    let lying = Fake::plain(|_: &Seen| manifest().body("{}")).await;
    let error = crate::fake::repository(&lying)
        .manifest(&tag())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_dockers_words() {
    let reference = image::Reference::parse("localhost:5000/a/b:x").unwrap();
    let expected = "manifest for localhost:5000/a/b:x not found: manifest unknown: manifest unknown";
    for body in [
        r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
        "<html>",
    ] {
        let fake = Fake::plain(move |_: &Seen| reply(404).body(body)).await;
        let error = repository(&fake).resolve(&tag()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(error.pulling(&reference), expected);
    }
}

#[tokio::test]
async fn what_nobody_can_use_is_refused() {
    let check = async |reply: Reply, expected: &str| {
        let fake = Fake::plain(move |_: &Seen| reply.clone()).await;
        for error in [
            repository(&fake).manifest(&tag()).await.unwrap_err(),
            repository(&fake).resolve(&tag()).await.unwrap_err(),
        ] {
            assert!(error.to_string().contains(expected), "{error}");
        }
    };
    let first = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let digest = Digest::of(b"{}");
    check(
        reply(200)
            .with("content-type", first)
            .with("docker-content-digest", digest)
            .body("{}"),
        "schema 1",
    )
    .await;
    check(reply(200).body("<html>"), "not JSON").await;
    check(
        reply(200).body(vec![b' '; (4 << 20) + 1]),
        "the manifest is larger than 4194304 bytes",
    )
    .await;
}

#[tokio::test]
async fn a_manifest_is_stored_and_removed() {
    let fake = Fake::plain(|seen: &Seen| match seen.method.as_str() {
        "PUT" => reply(201).with("oci-subject", "sha256:x"),
        _ => reply(202),
    })
    .await;
    let repository = repository(&fake);
    let stored = repository
        .put_manifest(&tag(), media_type::MANIFEST, MANIFEST.into())
        .await
        .unwrap();
    assert_eq!(
        (stored.digest, stored.subject),
        (Digest::of(MANIFEST.as_bytes()), true)
    );
    let put = &fake.seen()[0];
    assert_eq!(
        (put.line().as_str(), put.header("content-type")),
        ("PUT /v2/a/b/manifests/x", Some(media_type::MANIFEST))
    );
    assert_eq!(put.body, MANIFEST);
    repository
        .delete_manifest(&Subject::Digest(stored.digest))
        .await
        .unwrap();
    assert_eq!(
        fake.lines()[1],
        format!("DELETE /v2/a/b/manifests/{}", stored.digest)
    );
    let lying = Fake::plain(|_: &Seen| reply(201).with("docker-content-digest", Digest::of(b"x"))).await;
    let error = crate::fake::repository(&lying)
        .put_manifest(&tag(), media_type::MANIFEST, MANIFEST.into())
        .await;
    assert!(matches!(error.unwrap_err(), Error::Digest { .. }));
}

#[tokio::test]
async fn a_tag_is_no_path() {
    let fake = Fake::plain(|_: &Seen| manifest()).await;
    let evil = Subject::Tag("../../secret?x=1#y".to_owned());
    repository(&fake).resolve(&evil).await.unwrap();
    assert_eq!(
        fake.lines(),
        ["HEAD /v2/a/b/manifests/..%2F..%2Fsecret%3Fx%3D1%23y"]
    );
}

#[tokio::test]
async fn a_limit_is_not_asked_for_again_by_get() {
    let fake = Fake::plain(|_: &Seen| reply(429).with("retry-after", "3600")).await;
    let error = repository(&fake).resolve(&tag()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TooManyRequests);
    assert_eq!(fake.lines(), ["HEAD /v2/a/b/manifests/x"]);
}
