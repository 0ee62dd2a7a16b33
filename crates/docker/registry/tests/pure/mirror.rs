//! The pull-through cache, before a registry that counts what it is asked and can be cut off.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use image::{Digest, Reference, ServedManifest, media_type};
use registry::{BlobStream, MirrorConfig, Upstream, UpstreamError};

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
    ) -> BoxFuture<'static, Result<Option<BlobStream>, UpstreamError>> {
        let this = self.clone();
        Box::pin(async move {
            this.0.gets.fetch_add(1, Ordering::SeqCst);
            this.reached()?;
            let found = this.0.blobs.lock().unwrap().get(&digest).cloned();
            Ok(found.map(|bytes| {
                let pieces: Vec<_> = bytes
                    .chunks(3)
                    .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                    .collect();
                futures_util::stream::iter(pieces).boxed()
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
    // What is not what it is called is not kept.
    ask("GET", format!("/v2/library/tool/blobs/{wrong}"))
        .expect(&setup, 404)
        .await;
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
