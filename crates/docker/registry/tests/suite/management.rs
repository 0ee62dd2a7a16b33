//! Content management: deleting.

use image::Digest;
use serde_json::json;

use super::content::{MANIFEST, artifact, blob, push_blob, push_manifest};
use super::{Registry, ask};

pub(crate) async fn run(registry: &dyn Registry) {
    manifests(registry).await;
    blobs(registry).await;
    if registry.is_ours() {
        tags(registry).await;
    }
}

async fn tags(registry: &dyn Registry) {
    let bytes = artifact(registry, "management/tags", "tags", json!({})).await;
    let digest = Digest::of(&bytes);
    push_manifest(registry, "management/tags", "v1", &bytes).await;
    push_manifest(registry, "management/tags", &digest.to_string(), &bytes).await;
    let tag = "/v2/management/tags/manifests/v1";
    ask("DELETE", tag).expect(registry, 202).await;
    assert_eq!(
        ask("GET", tag).expect(registry, 404).await.code(),
        "MANIFEST_UNKNOWN"
    );
    assert_eq!(
        ask("DELETE", tag).expect(registry, 404).await.code(),
        "MANIFEST_UNKNOWN"
    );
    // The manifest was pushed under its digest, too.
    ask("GET", format!("/v2/management/tags/manifests/{digest}"))
        .expect(registry, 200)
        .await;
}

async fn manifests(registry: &dyn Registry) {
    let repository = "management/manifests";
    let bytes = artifact(registry, repository, "manifests", json!({})).await;
    for tag in ["v1", "v2"] {
        push_manifest(registry, repository, tag, &bytes).await;
    }
    let digest = format!("/v2/{repository}/manifests/{}", Digest::of(&bytes));
    ask("DELETE", &digest).expect(registry, 202).await;
    for path in [
        digest.clone(),
        format!("/v2/{repository}/manifests/v1"),
        format!("/v2/{repository}/manifests/v2"),
    ] {
        let gone = ask("GET", path)
            .header("accept", MANIFEST)
            .expect(registry, 404)
            .await;
        assert_eq!(gone.code(), "MANIFEST_UNKNOWN");
    }
    assert_eq!(
        ask("DELETE", digest).expect(registry, 404).await.code(),
        "MANIFEST_UNKNOWN"
    );
    // What it named can be pushed again and is whole.
    let again = artifact(registry, repository, "manifests", json!({})).await;
    push_manifest(registry, repository, "v3", &again).await;
}

async fn blobs(registry: &dyn Registry) {
    let bytes = blob("deleted", 400);
    let digest = push_blob(registry, "management/blobs", &bytes).await;
    let path = format!("/v2/management/blobs/blobs/{digest}");
    ask("DELETE", &path).expect(registry, 202).await;
    assert_eq!(
        ask("GET", &path).expect(registry, 404).await.code(),
        "BLOB_UNKNOWN"
    );
    assert_eq!(
        ask("DELETE", &path).expect(registry, 404).await.code(),
        "BLOB_UNKNOWN"
    );
    push_blob(registry, "management/blobs", &bytes).await;
    ask("GET", &path).expect(registry, 200).await;
    // Of another repository's it is not this one's to delete.
    push_blob(registry, "management/other", &bytes).await;
    ask("DELETE", &path).expect(registry, 202).await;
    ask("GET", format!("/v2/management/other/blobs/{digest}"))
        .expect(registry, 200)
        .await;
}
