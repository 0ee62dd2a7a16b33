use std::time::Duration;

use distribution::{Error, Kind, Settings};
use futures_util::{StreamExt, TryStreamExt};
use image::Hasher;

use crate::fake::{Fake, JANE, Seen, blob, configured, impatient, jane, read, reply, repository, settings};

const TEXT: &[u8] = b"0123456789";

/// An answer to a range, as it should be.
fn rest(seen: &Seen) -> crate::fake::Reply {
    match seen
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
    {
        Some(from) => {
            let from: usize = from;
            reply(206)
                .with("content-range", format!("bytes {from}-9/10"))
                .body(&TEXT[from..])
        }
        None => reply(200).body(TEXT),
    }
}

fn hurried(fake: &Fake) -> distribution::Repository {
    configured(&[], impatient()).repository(&fake.host(), "a/b", distribution::Credentials::Anonymous)
}

fn ranges(fake: &Fake) -> Vec<Option<String>> {
    fake.seen()
        .iter()
        .map(|seen| seen.header("range").map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn a_blob_is_what_its_digest_says() {
    let fake = Fake::plain(rest).await;
    let repository = repository(&fake);
    assert_eq!(read(&repository, &blob(TEXT)).await.unwrap(), TEXT);
    assert_eq!(fake.lines(), [format!("GET /v2/a/b/blobs/{}", blob(TEXT).digest)]);
    let stream = repository.blob(&blob(TEXT), Hasher::default()).into_stream();
    let pieces: Vec<_> = stream.boxed().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), TEXT);
    let empty = Fake::plain(|_: &Seen| reply(200)).await;
    assert_eq!(
        read(&crate::fake::repository(&empty), &blob(b"")).await.unwrap(),
        b""
    );
}

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_was() {
    let fake = Fake::plain(|seen: &Seen| {
        if seen.nth == 0 {
            rest(seen).broken_after(4)
        } else {
            rest(seen)
        }
    })
    .await;
    assert_eq!(read(&repository(&fake), &blob(TEXT)).await.unwrap(), TEXT);
    assert_eq!(ranges(&fake), [None, Some("bytes=4-".to_owned())]);
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_is_read_from_the_beginning() {
    let whole = |seen: &Seen| {
        let whole = reply(200).body(TEXT);
        if seen.nth == 0 {
            whole.broken_after(4)
        } else {
            whole
        }
    };
    let fake = Fake::plain(whole).await;
    assert_eq!(read(&repository(&fake), &blob(TEXT)).await.unwrap(), TEXT);
    // One that answers with more of it than was asked for, too.
    let early = |seen: &Seen| match seen.nth {
        0 => reply(200).body(TEXT).broken_after(4),
        _ => reply(206).with("content-range", "bytes 2-9/10").body(&TEXT[2..]),
    };
    let fake = Fake::plain(early).await;
    assert_eq!(read(&repository(&fake), &blob(TEXT)).await.unwrap(), TEXT);
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let fake = Fake::plain(|seen: &Seen| {
        if seen.nth == 0 {
            rest(seen).stalled_after(7)
        } else {
            rest(seen)
        }
    })
    .await;
    assert_eq!(read(&hurried(&fake), &blob(TEXT)).await.unwrap(), TEXT);
    assert_eq!(ranges(&fake), [None, Some("bytes=7-".to_owned())]);
    let dead = Fake::plain(|seen: &Seen| rest(seen).stalled_after(0)).await;
    let error = read(&hurried(&dead), &blob(TEXT)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("no progress"), "{error}");
    assert_eq!(dead.seen().len(), 3);
}

#[tokio::test]
async fn what_was_there_before_is_not_asked_for() {
    let fake = Fake::plain(rest).await;
    let mut before = Hasher::default();
    before.update(&TEXT[..6]);
    let mut stream = repository(&fake).blob(&blob(TEXT), before);
    assert_eq!(stream.position(), 6);
    assert_eq!(stream.piece().await.unwrap().unwrap(), &TEXT[6..]);
    assert_eq!(stream.piece().await.unwrap(), None);
    assert_eq!(ranges(&fake), [Some("bytes=6-".to_owned())]);
    let mut whole = Hasher::default();
    whole.update(TEXT);
    assert_eq!(
        repository(&fake).blob(&blob(TEXT), whole).piece().await.unwrap(),
        None
    );
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn other_bytes_are_refused() {
    let fake = Fake::plain(|_: &Seen| reply(200).body("9876543210")).await;
    let error = read(&repository(&fake), &blob(TEXT)).await.unwrap_err();
    let found = blob(b"9876543210").digest;
    let expected = format!(
        "content does not match its digest: expected {}, received {found}",
        blob(TEXT).digest
    );
    assert_eq!(error.to_string(), expected);
    let mut unchecked = repository(&fake).blob(&blob(TEXT), Hasher::default()).unchecked();
    while unchecked.piece().await.unwrap().is_some() {}
}

#[tokio::test]
async fn more_or_fewer_bytes_are_refused() {
    // Announced.
    let fake = Fake::plain(|_: &Seen| reply(200).body("01234567890")).await;
    let error = read(&repository(&fake), &blob(TEXT)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Length {
                expected: 10,
                found: 11,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 1, "a lie is not asked for again");
    // Not announced.
    for (text, found) in [("01234567890", 11), ("012345678", 9)] {
        let fake = Fake::plain(move |_: &Seen| reply(200).with("content-length", "none").body(text)).await;
        let error = read(&repository(&fake), &blob(TEXT)).await.unwrap_err();
        let Error::Length { found: length, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(length, found);
    }
}

#[tokio::test]
async fn a_redirect_is_followed_without_credentials() {
    let store = Fake::plain(|seen: &Seen| {
        if seen.nth == 0 {
            rest(seen).broken_after(4)
        } else {
            rest(seen)
        }
    })
    .await;
    let location = format!("http://{}/bucket/x?signature=1", store.host());
    let registry = Fake::plain(move |seen: &Seen| match seen.header("authorization") {
        Some(JANE) => reply(307).with("location", &location),
        _ => reply(401).with("www-authenticate", "Basic realm=r"),
    })
    .await;
    let toml = format!(
        "[host.\"http://{0}\"]\n[host.\"http://{0}\".header]\nx-secret = 'key'",
        registry.host()
    );
    let directory = format!("certs.d/{}/hosts.toml", registry.host());
    let client = configured(&[(&directory, &toml)], settings());
    let repository = client.repository(&registry.host(), "a/b", jane());
    assert_eq!(read(&repository, &blob(TEXT)).await.unwrap(), TEXT);
    assert_eq!(ranges(&store), [None, Some("bytes=4-".to_owned())]);
    for seen in store.seen() {
        assert_eq!(seen.path, "/bucket/x?signature=1");
        assert_eq!(
            (seen.header("authorization"), seen.header("x-secret")),
            (None, None)
        );
    }
    assert!(
        registry
            .seen()
            .iter()
            .all(|seen| seen.header("x-secret") == Some("key"))
    );
}

/// Docker follows a redirect to any host of the web, and so do we; to nothing else.
#[tokio::test]
async fn a_redirect_leads_to_the_web_alone() {
    for location in [
        "file:///etc/passwd",
        "unix:///run/docker.sock",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1:70/x",
        "data:text/plain,x",
        "javascript:x",
        "http://",
        "http:///etc/passwd",
    ] {
        let fake = Fake::plain(move |seen: &Seen| match seen.path.contains("/blobs/") {
            true if seen.path.ends_with(&blob(TEXT).digest.to_string()) => {
                reply(307).with("location", location)
            }
            _ => reply(404),
        })
        .await;
        read(&repository(&fake), &blob(TEXT)).await.expect_err(location);
        // What has no host is at most a path of the same server.
        assert!(fake.seen().len() <= 2, "{location}: {:?}", fake.lines());
    }
}

#[tokio::test]
async fn redirects_end() {
    let fake = Fake::plain(|_: &Seen| reply(302).with("location", "/again")).await;
    let error = read(&repository(&fake), &blob(TEXT)).await.unwrap_err();
    assert!(
        error.to_string().ends_with("stopped after 10 redirects"),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 11);
    let nowhere = Fake::plain(|_: &Seen| reply(302)).await;
    let error = read(&repository(&nowhere), &blob(TEXT)).await.unwrap_err();
    assert!(error.to_string().contains("which is no address"), "{error}");
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_when_it_says() {
    // By itself the client would wait for an hour.
    let slow = Settings {
        backoff: Duration::from_secs(3600),
        ..settings()
    };
    let busy = |status: u16, wait: &'static str| {
        Fake::plain(move |seen: &Seen| match seen.nth {
            0 => reply(status)
                .with("retry-after", wait)
                .body(r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"later"}]}"#),
            _ => rest(seen),
        })
    };
    for status in [429, 503] {
        let fake = busy(status, "0").await;
        let client = configured(&[], slow.clone());
        let repository = client.repository(&fake.host(), "a/b", jane());
        assert_eq!(read(&repository, &blob(TEXT)).await.unwrap(), TEXT);
    }
    let fake = busy(429, "3600").await;
    let error = read(&repository(&fake), &blob(TEXT)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::TooManyRequests, "toomanyrequests: later")
    );
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_registry_that_fails_is_asked_again_and_one_that_refuses_is_not() {
    let fake = Fake::plain(|seen: &Seen| if seen.nth < 2 { reply(502) } else { rest(seen) }).await;
    assert_eq!(read(&repository(&fake), &blob(TEXT)).await.unwrap(), TEXT);
    let down = Fake::plain(|_: &Seen| reply(500)).await;
    let error = read(&repository(&down), &blob(TEXT)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "received unexpected HTTP status: 500 Internal Server Error"
    );
    assert_eq!(down.seen().len(), 3);
    let missing = Fake::plain(|_: &Seen| reply(404).body(r#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#)).await;
    let error = read(&repository(&missing), &blob(TEXT)).await.unwrap_err();
    assert_eq!(error.to_string(), "blob unknown: blob unknown to registry");
    assert_eq!((error.kind(), missing.seen().len()), (Kind::NotFound, 1));
}

/// A server could keep us for ever with a byte at a time.
#[tokio::test]
async fn a_server_that_always_breaks_is_given_up() {
    let fake = Fake::plain(|seen: &Seen| rest(seen).broken_after(1)).await;
    read(&repository(&fake), &blob(TEXT)).await.unwrap_err();
    assert_eq!(fake.seen().len(), 3);
}
