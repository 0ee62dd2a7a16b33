//! What is pushed.

use image::Digest;
use serde_json::{Value, json};

use super::{Registry, ask, with};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// A blob that is not like any other.
pub(crate) fn blob(seed: &str, size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = seed.bytes().cycle().take(size).collect();
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte ^= u8::try_from(at % 251).unwrap();
    }
    bytes
}

/// Pushes a blob in one piece.
pub(crate) async fn push_blob(registry: &dyn Registry, repository: &str, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let begun = ask("POST", format!("/v2/{repository}/blobs/uploads/"))
        .expect(registry, 202)
        .await;
    let put = ask("PUT", with(&begun.location(), &format!("digest={digest}")));
    put.header("content-type", "application/octet-stream")
        .body(bytes.to_vec())
        .expect(registry, 201)
        .await;
    digest
}

/// A manifest whose blobs have been pushed: an artifact, as far as a node is concerned.
pub(crate) async fn artifact(registry: &dyn Registry, repository: &str, seed: &str, more: Value) -> Vec<u8> {
    let (config, layer) = (b"{}".to_vec(), blob(seed, 100));
    push_blob(registry, repository, &config).await;
    push_blob(registry, repository, &layer).await;
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.gantry.test.config", &config),
        "layers": [descriptor("application/vnd.gantry.test.layer", &layer)],
    });
    manifest
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    manifest.to_string().into_bytes()
}

/// Pushes a manifest under a tag or its digest.
pub(crate) async fn push_manifest(
    registry: &dyn Registry,
    repository: &str,
    reference: &str,
    bytes: &[u8],
) -> super::Got {
    let kind: Value = serde_json::from_slice(bytes).unwrap();
    let kind = kind["mediaType"].as_str().unwrap().to_owned();
    let put = ask("PUT", format!("/v2/{repository}/manifests/{reference}")).header("content-type", kind);
    put.body(bytes.to_vec()).expect(registry, 201).await
}
