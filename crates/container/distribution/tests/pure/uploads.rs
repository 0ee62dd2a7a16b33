use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use distribution::{Error, FileSource, Mounted, Repository, Sent, Source};
use driver::env::Doing;
use image::Digest;

use crate::fake::{Fake, Reply, Seen, reply, repository};

/// What a registry has of an upload.
type Kept = Arc<Mutex<Vec<u8>>>;

/// A registry that keeps one upload.
struct Uploads {
    fake: Fake,
    kept: Kept,
}

/// What differs from registry to registry.
#[derive(Clone, Copy, Default)]
struct Quirks {
    /// The status of a whole blob.
    whole: Option<u16>,
    smallest: Option<u64>,
}

async fn uploads(quirks: Quirks) -> Uploads {
    let kept = Kept::default();
    let all = kept.clone();
    let fake = Fake::plain(move |seen: &Seen| answer(&all, seen, quirks)).await;
    Uploads { fake, kept }
}

fn answer(kept: &Kept, seen: &Seen, quirks: Quirks) -> Reply {
    let mut kept = kept.lock().unwrap();
    let place = format!("/v2/a/b/blobs/uploads/1?_state={}", seen.nth);
    let range = |length: usize| format!("0-{}", length.saturating_sub(1));
    match seen.method.as_str() {
        "POST" => {
            kept.clear();
            let begun = reply(202).with("location", place);
            match quirks.smallest {
                Some(smallest) => begun.with("oci-chunk-min-length", smallest),
                None => begun,
            }
        }
        "PATCH" => {
            let from = format!("{}-", kept.len());
            if !seen.header("content-range").unwrap().starts_with(&from) {
                return reply(416);
            }
            kept.extend_from_slice(&seen.body);
            reply(202)
                .with("location", place)
                .with("range", range(kept.len()))
        }
        "PUT" if !seen.body.is_empty() && quirks.whole.is_some() => reply(quirks.whole.unwrap()),
        "PUT" => {
            kept.extend_from_slice(&seen.body);
            let digest = Digest::of(&kept);
            let wanted = digest.to_string().replace(':', "%3A");
            if seen.path.ends_with(&format!("digest={wanted}")) {
                reply(201).with("docker-content-digest", digest)
            } else {
                reply(400).body(r#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]}"#)
            }
        }
        "GET" => reply(204)
            .with("location", place)
            .with("range", range(kept.len())),
        _ => reply(404),
    }
}

fn silent() -> Sent {
    Arc::new(|_| {})
}

async fn push(repository: &Repository, bytes: &'static [u8]) -> Result<(), Error> {
    let source = Arc::new(Bytes::from_static(bytes));
    repository.upload(None, Digest::of(bytes), source, silent()).await
}

fn methods(fake: &Fake) -> Vec<String> {
    fake.seen().iter().map(|seen| seen.method.to_string()).collect()
}

#[tokio::test]
async fn a_blob_goes_in_one_piece() {
    let registry = uploads(Quirks::default()).await;
    let heard = Arc::new(AtomicU64::new(0));
    let last = heard.clone();
    let sent: Sent = Arc::new(move |count| last.store(count, Ordering::Relaxed));
    let source = Arc::new(Bytes::from_static(b"bytes"));
    repository(&registry.fake)
        .upload(None, Digest::of(b"bytes"), source, sent)
        .await
        .unwrap();
    assert_eq!(*registry.kept.lock().unwrap(), b"bytes");
    assert_eq!(heard.load(Ordering::Relaxed), 5);
    let digest = Digest::of(b"bytes").to_string().replace(':', "%3A");
    assert_eq!(
        registry.fake.lines(),
        [
            "POST /v2/a/b/blobs/uploads/".to_owned(),
            format!("PUT /v2/a/b/blobs/uploads/1?_state=0&digest={digest}"),
        ]
    );
    assert_eq!(registry.fake.seen()[1].header("content-length"), Some("5"));
    push(&repository(&registry.fake), b"").await.unwrap();
}

#[tokio::test]
async fn a_file_is_read_as_it_goes() {
    let registry = uploads(Quirks::default()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..2_000_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    std::fs::write(file.path(), &bytes).unwrap();
    registry.fake.cut_after(1_000_000);
    let source = Arc::new(FileSource::new(file.path().to_owned(), bytes.len() as u64));
    repository(&registry.fake)
        .upload(None, Digest::of(&bytes), source, silent())
        .await
        .unwrap();
    assert!(*registry.kept.lock().unwrap() == bytes);
    assert_eq!(
        methods(&registry.fake),
        ["POST", "PUT", "HEAD", "GET", "PATCH", "PUT"]
    );
    let short = Arc::new(FileSource::new(file.path().to_owned(), bytes.len() as u64 + 1));
    let error = repository(&registry.fake)
        .upload(None, Digest::of(&bytes), short, silent())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Source(_)), "{error}");
}

#[tokio::test]
async fn a_registry_that_takes_no_whole_blob_gets_chunks() {
    for whole in [405, 404, 413] {
        let quirks = Quirks {
            whole: Some(whole),
            smallest: Some(100),
        };
        let registry = uploads(quirks).await;
        push(&repository(&registry.fake), b"bytes").await.unwrap();
        assert_eq!(*registry.kept.lock().unwrap(), b"bytes");
        assert_eq!(methods(&registry.fake), ["POST", "PUT", "POST", "PATCH", "PUT"]);
        assert_eq!(registry.fake.seen()[3].header("content-range"), Some("0-4"));
    }
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_the_registry_is() {
    let registry = uploads(Quirks::default()).await;
    registry.fake.cut_after(3);
    push(&repository(&registry.fake), b"bytes").await.unwrap();
    assert_eq!(*registry.kept.lock().unwrap(), b"bytes");
    assert_eq!(
        methods(&registry.fake),
        ["POST", "PUT", "HEAD", "GET", "PATCH", "PUT"]
    );
    assert_eq!(registry.fake.seen()[4].header("content-range"), Some("3-4"));
}

/// The answer may be what was lost.
#[tokio::test]
async fn a_blob_that_arrived_is_not_sent_again() {
    let fake = Fake::plain(|seen: &Seen| match seen.method.as_str() {
        "POST" => reply(202).with("location", "/u"),
        "PUT" => reply(502),
        _ => reply(200),
    })
    .await;
    push(&repository(&fake), b"bytes").await.unwrap();
    assert_eq!(methods(&fake), ["POST", "PUT", "HEAD"]);
}

#[tokio::test]
async fn a_registry_that_forgot_an_upload_gets_a_new_one() {
    let fake = Fake::plain(|seen: &Seen| match (seen.method.as_str(), seen.nth) {
        ("POST", _) => reply(202).with("location", "/u"),
        ("PUT", 1) => reply(500),
        ("PUT", _) => reply(201),
        _ => reply(404),
    })
    .await;
    push(&repository(&fake), b"bytes").await.unwrap();
    assert_eq!(methods(&fake), ["POST", "PUT", "HEAD", "GET", "POST", "PUT"]);
}

#[tokio::test]
async fn a_wrong_digest_is_not_tried_again() {
    let registry = uploads(Quirks::default()).await;
    let source = Arc::new(Bytes::from_static(b"bytes"));
    let error = repository(&registry.fake)
        .upload(None, Digest::of(b"other"), source, silent())
        .await
        .unwrap_err();
    assert_eq!(
        error.pushing(),
        "digest invalid: provided digest did not match uploaded content"
    );
    assert_eq!(methods(&registry.fake), ["POST", "PUT"]);
}

#[tokio::test]
async fn a_blob_is_mounted_or_an_upload_begins() {
    let digest = Digest::of(b"bytes");
    let mounting = Fake::plain(|_: &Seen| reply(201)).await;
    assert_eq!(
        repository(&mounting).mount(digest, "c/d").await.unwrap(),
        Mounted::Yes
    );
    let name = digest.to_string().replace(':', "%3A");
    assert_eq!(
        mounting.lines(),
        [format!("POST /v2/a/b/blobs/uploads/?mount={name}&from=c%2Fd")]
    );
    let registry = uploads(Quirks::default()).await;
    let repository = repository(&registry.fake);
    let Mounted::No(upload) = repository.mount(digest, "c/d").await.unwrap() else {
        panic!("mounted");
    };
    let source = Arc::new(Bytes::from_static(b"bytes"));
    repository
        .upload(Some(upload), digest, source, silent())
        .await
        .unwrap();
    assert_eq!(methods(&registry.fake), ["POST", "PUT"]);
    let refusing = Fake::plain(|seen: &Seen| match seen.nth {
        0 => reply(403),
        _ => reply(202).with("location", "/u"),
    })
    .await;
    let found = crate::fake::repository(&refusing)
        .mount(digest, "c/d")
        .await
        .unwrap();
    assert!(matches!(found, Mounted::No(_)));
}

#[tokio::test]
async fn a_registry_knows_what_it_has() {
    let fake = Fake::plain(|seen: &Seen| match seen.method.as_str() {
        "HEAD" if seen.nth == 0 => reply(200).body("bytes"),
        "HEAD" => reply(404),
        _ => reply(202),
    })
    .await;
    let repository = repository(&fake);
    assert_eq!(repository.has_blob(Digest::of(b"bytes")).await.unwrap(), Some(5));
    assert_eq!(repository.has_blob(Digest::of(b"bytes")).await.unwrap(), None);
    repository.delete_blob(Digest::of(b"bytes")).await.unwrap();
    assert_eq!(methods(&fake), ["HEAD", "HEAD", "DELETE"]);
}

/// What can be read only in part.
struct Failing;

impl Source for Failing {
    fn size(&self) -> u64 {
        5
    }

    fn open(&self, _: u64) -> Doing<std::io::Result<distribution::Reader>> {
        Box::pin(async { Err(std::io::ErrorKind::NotFound.into()) })
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_said_so() {
    let registry = uploads(Quirks::default()).await;
    let sending = repository(&registry.fake);
    let error = sending
        .upload(None, Digest::of(b"bytes"), Arc::new(Failing), silent())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Source(_)), "{error}");
}
