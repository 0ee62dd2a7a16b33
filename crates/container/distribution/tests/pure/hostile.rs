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

pub(crate) fn registries() -> (Registries, TempDir) {
    registries_with(image::Limits::default())
}

fn registries_with(limits: image::Limits) -> (Registries, TempDir) {
    let (registries, _, directory) = limited(None, limits);
    (registries, directory)
}

/// A node's content, and the registries that it sees; `own` is its registry's port.
pub(crate) fn node(own: Option<u16>) -> (Registries, Images, TempDir) {
    limited(own, image::Limits::default())
}

fn limited(own: Option<u16>, limits: image::Limits) -> (Registries, Images, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let store = Embedded::fork(Snapshot::default(), clock.clone(), Options::default());
    let config = image::Config {
        content: directory.path().join("content"),
        snapshots: directory.path().join("snapshots"),
        limits,
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

pub(crate) fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": named(bytes), "size": bytes.len()})
}

pub(crate) fn manifest(config: &Value, layers: &[Value]) -> Vec<u8> {
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
    config_of(&diff_ids)
}

pub(crate) fn config_of(diff_ids: &[String]) -> Vec<u8> {
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

/// Little that becomes much is given up when it is more than an image may have; nothing of it stays.
#[tokio::test]
async fn bombs_are_given_up_and_leave_nothing() {
    let mut builder = tar::Builder::new(Vec::new());
    for name in 0..8 {
        let mut header = tar::Header::new_ustar();
        header.set_size(1 << 20);
        header.set_mode(0o644);
        let bytes = vec![0; 1 << 20];
        builder
            .append_data(&mut header, name.to_string(), &*bytes)
            .unwrap();
    }
    let archive = builder.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &archive).unwrap();
    let zstd = zstd::encode_all(&*archive, 1).unwrap();
    for (kind, layer) in [
        (media_type::LAYER_GZIP, gzip.finish().unwrap()),
        (media_type::LAYER_ZSTD, zstd),
    ] {
        assert!(layer.len() < 64 << 10, "{}", layer.len());
        let architecture = image::Platform::host().architecture;
        let config = json!({
            "os": "linux", "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": [named(&archive)]},
        });
        let config = config.to_string().into_bytes();
        let manifest = manifest(
            &descriptor(media_type::CONFIG, &config),
            &[descriptor(kind, &layer)],
        );
        let fake = serve(vec![
            tagged(media_type::MANIFEST, &manifest),
            by_digest("application/octet-stream", &config),
            by_digest("application/octet-stream", &layer),
        ])
        .await;
        let limits = image::Limits {
            bytes: 4 << 20,
            ..image::Limits::default()
        };
        let (registries, directory) = registries_with(limits);
        let wish = Pull {
            reference: format!("{}/a/b:v1", fake.host()).parse().unwrap(),
            platform: None,
            credentials: Credentials::Anonymous,
        };
        let (told, _listening) = tokio::sync::mpsc::channel(1000);
        let error = registries.pull(&wish, &Progress(told)).await.unwrap_err();
        let error = error.pulling(&wish.reference);
        assert!(error.contains("more than 4194304 bytes"), "{kind}: {error}");
        let mut left = Vec::new();
        // What no image has is made when the store is opened.
        for place in [
            "content/blobs/sha256",
            "content/ingest",
            "content/beginnings",
            "snapshots",
        ] {
            let entries = std::fs::read_dir(directory.path().join(place)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            left.extend(names.filter(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit())));
        }
        assert_eq!(left, Vec::<String>::new(), "{kind}");
    }
}
