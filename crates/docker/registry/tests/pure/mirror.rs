//! The pull-through cache, before a registry that counts what it is asked and can be cut off.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use image::{Digest, Reference, ServedManifest, media_type};
use registry::{Content, MirrorConfig, Upstream, UpstreamBlob, UpstreamError};

use tokio::sync::oneshot;

use crate::setup::Setup;
use crate::suite::ask;

#[derive(Clone, Default)]
struct Elsewhere(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tags: Mutex<BTreeMap<String, Bytes>>,
    blobs: Mutex<BTreeMap<Digest, Bytes>>,
    heads: AtomicUsize,
    manifests: AtomicUsize,
    gets: AtomicUsize,
    offline: AtomicBool,
    /// What the next blob is said to have.
    says: Mutex<Option<u64>>,
    /// Of the next blob so many pieces come at once, and the rest when it is let go.
    held: Mutex<Option<(usize, oneshot::Receiver<()>)>>,
}

impl Elsewhere {
    fn reached(&self) -> Result<(), UpstreamError> {
        if self.0.offline.load(Ordering::SeqCst) {
            return Err("no way".into());
        }
        Ok(())
    }

    fn find(&self, reference: &Reference) -> Option<Bytes> {
        let tags = self.0.tags.lock().unwrap();
        if let Some(digest) = reference.digest {
            return tags.values().find(|bytes| Digest::of(bytes) == digest).cloned();
        }
        tags.get(&reference.to_string()).cloned()
    }

    fn put(&self, reference: &str, bytes: &'static [u8]) {
        self.0
            .tags
            .lock()
            .unwrap()
            .insert(reference.to_owned(), Bytes::from_static(bytes));
    }

    fn asked(&self) -> [usize; 3] {
        [&self.0.heads, &self.0.manifests, &self.0.gets].map(|count| count.load(Ordering::SeqCst))
    }
}

impl Upstream for Elsewhere {
    fn head(&self, reference: Reference) -> BoxFuture<'static, Result<Option<Digest>, UpstreamError>> {
        let this = self.clone();
        Box::pin(async move {
            this.0.heads.fetch_add(1, Ordering::SeqCst);
            this.reached()?;
            Ok(this.find(&reference).map(|bytes| Digest::of(&bytes)))
        })
    }

    fn manifest(
        &self,
        reference: Reference,
    ) -> BoxFuture<'static, Result<Option<ServedManifest>, UpstreamError>> {
        let this = self.clone();
        Box::pin(async move {
            this.0.manifests.fetch_add(1, Ordering::SeqCst);
            this.reached()?;
            Ok(this.find(&reference).map(|bytes| ServedManifest {
                digest: Digest::of(&bytes),
                media_type: media_type::MANIFEST.to_owned(),
                bytes,
            }))
        })
    }

    fn blob(
        &self,
        _repository: String,
        digest: Digest,
    ) -> BoxFuture<'static, Result<Option<UpstreamBlob>, UpstreamError>> {
        let this = self.clone();
        Box::pin(async move {
            this.0.gets.fetch_add(1, Ordering::SeqCst);
            this.reached()?;
            let found = this.0.blobs.lock().unwrap().get(&digest).cloned();
            let held = this.0.held.lock().unwrap().take();
            Ok(found.map(|bytes| {
                let pieces: Vec<_> = bytes
                    .chunks(3)
                    .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                    .collect();
                let pieces = futures_util::stream::iter(pieces);
                let size = this.0.says.lock().unwrap().take().unwrap_or(bytes.len() as u64);
                let Some((first, rest)) = held else {
                    return UpstreamBlob {
                        size,
                        bytes: pieces.boxed(),
                    };
                };
                // Some come at once; the rest when the test lets it.
                let go = futures_util::stream::once(async move { drop(rest.await) });
                let late = pieces.skip(first);
                let none = go.filter_map(|()| async { None });
                let pieces: Vec<_> = bytes
                    .chunks(3)
                    .take(first)
                    .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                    .collect();
                let bytes = futures_util::stream::iter(pieces).chain(none).chain(late).boxed();
                UpstreamBlob { size, bytes }
            }))
        })
    }
}

fn setup(elsewhere: &Elsewhere, default: Option<&str>) -> Setup {
    let mirror = MirrorConfig {
        hosts: vec!["docker.io".to_owned()],
        default: default.map(str::to_owned),
        fresh: Duration::from_secs(60),
    };
    Setup::with_upstream(|config| config.mirror = mirror, Some(Arc::new(elsewhere.clone())))
}

const PATH: &str = "/v2/library/tool/manifests/v1?ns=docker.io";

#[tokio::test]
async fn a_tag_is_fetched_once_and_asked_about_when_it_is_old() {
    let elsewhere = Elsewhere::default();
    elsewhere.put("docker.io/library/tool:v1", b"{\"first\":1}");
    let setup = setup(&elsewhere, None);
    for _ in 0..3 {
        assert_eq!(
            ask("GET", PATH).expect(&setup, 200).await.body,
            &b"{\"first\":1}"[..]
        );
    }
    assert_eq!(elsewhere.asked(), [0, 1, 0]);
    setup.clock.advance(Duration::from_secs(61));
    ask("GET", PATH).expect(&setup, 200).await;
    ask("GET", PATH).expect(&setup, 200).await;
    assert_eq!(elsewhere.asked(), [1, 1, 0]);
    elsewhere.put("docker.io/library/tool:v1", b"{\"second\":1}");
    setup.clock.advance(Duration::from_secs(61));
    assert_eq!(
        ask("GET", PATH).expect(&setup, 200).await.body,
        &b"{\"second\":1}"[..]
    );
    assert_eq!(elsewhere.asked(), [2, 2, 0]);
    // Cut off, what is here is served.
    elsewhere.0.offline.store(true, Ordering::SeqCst);
    setup.clock.advance(Duration::from_secs(61));
    assert_eq!(
        ask("GET", PATH).expect(&setup, 200).await.body,
        &b"{\"second\":1}"[..]
    );
    ask("GET", "/v2/library/other/manifests/v1?ns=docker.io")
        .expect(&setup, 404)
        .await;
}

#[tokio::test]
async fn the_nodes_own_tags_stay_what_they_are() {
    let elsewhere = Elsewhere::default();
    elsewhere.put("docker.io/library/tool:v1", b"{\"new\":1}");
    let setup = setup(&elsewhere, None);
    setup.memory.put("docker.io/library/tool", "v1", b"{\"own\":1}");
    assert_eq!(
        ask("GET", PATH).expect(&setup, 200).await.body,
        &b"{\"new\":1}"[..]
    );
    let own = ask("GET", "/v2/library/tool/manifests/v1")
        .expect(&setup, 200)
        .await;
    assert_eq!(own.body, &b"{\"own\":1}"[..]);
    // Other registries are not asked.
    ask("GET", "/v2/library/tool/manifests/v1?ns=quay.io")
        .expect(&setup, 404)
        .await;
    assert_eq!(elsewhere.asked(), [0, 1, 0]);
}

#[tokio::test]
async fn a_blob_is_fetched_once_however_many_want_it() {
    let elsewhere = Elsewhere::default();
    let (bytes, wrong) = (Bytes::from_static(b"a layer"), Digest::of(b"wrong"));
    let digest = Digest::of(&bytes);
    elsewhere
        .0
        .blobs
        .lock()
        .unwrap()
        .extend([(digest, bytes.clone()), (wrong, bytes.clone())]);
    let setup = setup(&elsewhere, Some("docker.io"));
    let path = format!("/v2/library/tool/blobs/{digest}");
    let all = (0..8).map(|_| ask("GET", &path).expect(&setup, 200));
    for got in futures_util::future::join_all(all).await {
        assert_eq!(got.body, bytes);
    }
    assert_eq!(elsewhere.asked()[2], 1);
    // What is not what it is called is not kept, and nobody has its last byte.
    assert!(answer(&setup, &wrong).await.collect().await.is_err());
    assert!(
        setup
            .memory
            .blob("docker.io.mirror.invalid/library/tool", &wrong)
            .unwrap()
            .is_none()
    );
    ask(
        "GET",
        format!("/v2/library/tool/blobs/{}", Digest::of(b"nowhere")),
    )
    .expect(&setup, 404)
    .await;
}

#[tokio::test]
async fn what_was_pushed_goes_before_what_is_elsewhere() {
    let elsewhere = Elsewhere::default();
    elsewhere.put("docker.io/tool:v1", b"{}");
    elsewhere.put("docker.io/library/tool:v1", b"{\"elsewhere\":1}");
    let setup = setup(&elsewhere, Some("docker.io"));
    let path = "/v2/library/tool/manifests/v1";
    assert_eq!(
        ask("GET", path).expect(&setup, 200).await.body,
        &b"{\"elsewhere\":1}"[..]
    );
    setup
        .memory
        .put("localhost:5000/library/tool", "v1", b"{\"pushed\":1}");
    assert_eq!(
        ask("GET", path).expect(&setup, 200).await.body,
        &b"{\"pushed\":1}"[..]
    );
}

async fn answer(setup: &Setup, digest: &Digest) -> registry::Body {
    let path = format!("/v2/library/tool/blobs/{digest}");
    let request = crate::suite::http::request(&ask("GET", path).header("authorization", crate::setup::ANN));
    let response = setup.service.answer(request, setup.ends.clone()).await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

#[tokio::test]
async fn who_asks_has_the_bytes_as_they_come() {
    let elsewhere = Elsewhere::default();
    let bytes = Bytes::from_static(b"nine and three");
    let digest = Digest::of(&bytes);
    elsewhere.0.blobs.lock().unwrap().insert(digest, bytes.clone());
    let (go, held) = oneshot::channel();
    *elsewhere.0.held.lock().unwrap() = Some((3, held));
    let setup = setup(&elsewhere, Some("docker.io"));
    let mut first = answer(&setup, &digest).await;
    // Who comes later has them, too, and one that leaves takes nothing with it.
    let mut second = answer(&setup, &digest).await;
    drop(answer(&setup, &digest).await);
    for body in [&mut first, &mut second] {
        let mut got = Vec::new();
        while got.len() < 9 {
            got.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(got, b"nine and ");
    }
    go.send(()).unwrap();
    for body in [first, second] {
        assert_eq!(body.collect().await.unwrap().to_bytes(), &b"three"[..]);
    }
    assert_eq!(elsewhere.asked()[2], 1);
    // It is here now.
    elsewhere.0.offline.store(true, Ordering::SeqCst);
    let whole = answer(&setup, &digest).await.collect().await.unwrap().to_bytes();
    assert_eq!(whole, bytes);
}

#[tokio::test]
async fn what_breaks_off_ends_with_an_error_and_is_fetched_again() {
    let elsewhere = Elsewhere::default();
    let bytes = Bytes::from_static(b"a whole layer");
    let digest = Digest::of(&bytes);
    // Shorter and longer than it says.
    for wrong in [&bytes[..5], b"a whole layer and more"] {
        let setup = setup(&elsewhere, Some("docker.io"));
        elsewhere
            .0
            .blobs
            .lock()
            .unwrap()
            .insert(digest, Bytes::copy_from_slice(wrong));
        *elsewhere.0.says.lock().unwrap() = Some(bytes.len() as u64);
        assert!(answer(&setup, &digest).await.collect().await.is_err());
        elsewhere.0.blobs.lock().unwrap().insert(digest, bytes.clone());
        let whole = answer(&setup, &digest).await.collect().await.unwrap().to_bytes();
        assert_eq!(whole, bytes);
    }
}
