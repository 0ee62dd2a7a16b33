//! Pulls and inspections from registries that mean harm: what they serve is refused before much of it is fetched.

use std::sync::Arc;

use distribution::{Credentials, Progress, Pull, Registries};
use driver::SystemClock;
use image::{Digest, DigestAlgorithm, Images, Inline, media_type};
use serde_json::{Value, json};
use store::{Embedded, Options, Snapshot};
use tempfile::TempDir;

use crate::fake::{Fake, Seen, client, reply};

/// Documents by what stands behind `/manifests/` or `/blobs/`.
type Served = Vec<(String, &'static str, Vec<u8>)>;

fn registries() -> (Registries, TempDir) {
    let (registries, _, directory) = node(None);
    (registries, directory)
}

/// A node's content, and the registries that it sees; `own` is its registry's port.
pub(crate) fn node(own: Option<u16>) -> (Registries, Images, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let store = Embedded::fork(Snapshot::default(), clock.clone(), Options::default());
    let config = image::Config {
        content: directory.path().join("content"),
        snapshots: directory.path().join("snapshots"),
        limits: image::Limits::default(),
    };
    let images = Images::open(config, Arc::new(store.unwrap()), Arc::new(Inline), clock).unwrap();
    (Registries::new(client(), images.clone(), own), images, directory)
}

async fn serve(served: Served) -> Fake {
    Fake::plain(move |seen: &Seen| {
        let last = seen.path.rsplit('/').next().unwrap_or_default();
        let found = served.iter().find(|(name, ..)| name == last);
        found.map_or_else(
            || reply(404),
            |(_, kind, bytes)| reply(200).with("content-type", kind).body(bytes.clone()),
        )
    })
    .await
}

fn named(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": named(bytes), "size": bytes.len()})
}

fn manifest(config: &Value, layers: &[Value]) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": layers,
    });
    manifest.to_string().into_bytes()
}

fn index(kind: &str, child: &[u8]) -> Vec<u8> {
    let mut child = descriptor(kind, child);
    child["platform"] = json!({"os": "linux", "architecture": image::Platform::host().architecture});
    let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [child]});
    index.to_string().into_bytes()
}

/// A configuration of so many layers.
fn config(layers: usize) -> Vec<u8> {
    let diff_ids: Vec<String> = (0..layers).map(|at| named(&at.to_le_bytes())).collect();
    let architecture = image::Platform::host().architecture;
    let config = json!({
        "os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    config.to_string().into_bytes()
}

/// What a pull of the tag `v1` fails with, and what was asked for.
async fn pulled(served: Served) -> (String, Vec<String>) {
    let fake = serve(served).await;
    let (registries, directory) = registries();
    let wish = Pull {
        reference: format!("{}/a/b:v1", fake.host()).parse().unwrap(),
        platform: None,
        credentials: Credentials::Anonymous,
    };
    let (told, _listening) = tokio::sync::mpsc::channel(1000);
    let error = registries.pull(&wish, &Progress(told)).await.unwrap_err();
    drop(directory);
    (error.pulling(&wish.reference), fake.lines())
}

fn tagged(kind: &'static str, bytes: &[u8]) -> (String, &'static str, Vec<u8>) {
    ("v1".to_owned(), kind, bytes.to_vec())
}

fn by_digest(kind: &'static str, bytes: &[u8]) -> (String, &'static str, Vec<u8>) {
    (named(bytes), kind, bytes.to_vec())
}

#[tokio::test]
async fn more_layers_than_can_be_mounted_are_not_brought() {
    let config = config(200);
    let layer = descriptor(media_type::LAYER_GZIP, b"layer");
    let manifest = manifest(&descriptor(media_type::CONFIG, &config), &vec![layer; 200]);
    let blob = by_digest("application/octet-stream", &config);
    let (error, asked) = pulled(vec![tagged(media_type::MANIFEST, &manifest), blob]).await;
    assert_eq!(error, "max depth exceeded");
    let layers = asked.iter().filter(|line| line.contains(&named(b"layer")));
    assert_eq!(layers.count(), 0, "{asked:?}");
}

#[tokio::test]
async fn sizes_that_nothing_has_are_refused() {
    let layer = descriptor(media_type::LAYER_GZIP, b"layer");
    for (size, asked_for_blobs) in [(u64::MAX, 0), (1 << 63, 0), (1 << 40, 0)] {
        let mut of_config = descriptor(media_type::CONFIG, &config(1));
        of_config["size"] = size.into();
        let manifest = manifest(&of_config, std::slice::from_ref(&layer));
        let fake = serve(vec![tagged(media_type::MANIFEST, &manifest)]).await;
        let reference = format!("{}/a/b:v1", fake.host()).parse().unwrap();
        let (registries, _directory) = registries();
        let inspected = registries.inspect(&reference, &Credentials::Anonymous).await;
        assert!(inspected.is_err(), "{size}");
        let blobs = |lines: &[String]| lines.iter().filter(|line| line.contains("/blobs/")).count();
        assert_eq!(blobs(&fake.lines()), asked_for_blobs, "{size}");
        let (_, asked) = pulled(vec![tagged(media_type::MANIFEST, &manifest)]).await;
        assert_eq!(blobs(&asked), asked_for_blobs, "{size}");
    }
}

#[tokio::test]
async fn an_index_does_not_go_on_for_ever() {
    let mut bytes = manifest(&descriptor(media_type::CONFIG, &config(0)), &[]);
    let mut served = vec![by_digest(media_type::MANIFEST, &bytes)];
    let mut kind = media_type::MANIFEST;
    for _ in 0..20 {
        bytes = index(kind, &bytes);
        kind = media_type::INDEX;
        served.push(by_digest(kind, &bytes));
    }
    served.push(tagged(kind, &bytes));
    let (_, asked) = pulled(served).await;
    assert!(asked.len() < 6, "{asked:?}");
}

/// What is a manifest to one reader and an index to another is neither (CVE-2021-41190).
#[tokio::test]
async fn a_document_is_one_thing() {
    let config = descriptor(media_type::CONFIG, &config(0));
    let mut both: Value = serde_json::from_slice(&manifest(&config, &[])).unwrap();
    both["manifests"] = json!([]);
    let undeclared = |mut value: Value| {
        value.as_object_mut().unwrap().remove("mediaType");
        value.to_string().into_bytes()
    };
    let honest: Value = serde_json::from_slice(&manifest(&config, &[])).unwrap();
    for (kind, bytes) in [
        (media_type::MANIFEST, both.to_string().into_bytes()),
        (media_type::INDEX, both.to_string().into_bytes()),
        (media_type::MANIFEST, undeclared(both.clone())),
        (media_type::INDEX, undeclared(both.clone())),
        ("", undeclared(both)),
        (media_type::INDEX, honest.to_string().into_bytes()),
        (media_type::INDEX, undeclared(honest)),
    ] {
        let (error, asked) = pulled(vec![tagged(kind, &bytes)]).await;
        assert!(
            asked.iter().all(|line| !line.contains("/blobs/")),
            "{kind} {error}"
        );
    }
}

/// What an index names is had under that digest or not at all, by whichever algorithm.
#[tokio::test]
async fn what_a_digest_names_is_nothing_else() {
    let honest = manifest(&descriptor(media_type::CONFIG, &config(0)), &[]);
    for algorithm in DigestAlgorithm::ALL {
        let mut listing: Value = serde_json::from_slice(&index(media_type::MANIFEST, &honest)).unwrap();
        let digest = Digest::by(algorithm, b"another manifest");
        listing["manifests"][0]["digest"] = digest.to_string().into();
        let child = (digest.to_string(), media_type::MANIFEST, honest.clone());
        let listing = listing.to_string().into_bytes();
        let (error, _) = pulled(vec![tagged(media_type::INDEX, &listing), child]).await;
        assert!(error.contains("digest"), "{error}");
    }
}
