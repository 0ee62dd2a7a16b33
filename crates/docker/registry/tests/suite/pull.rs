//! Pull: manifests and blobs, whole and in part, and what is not there.

use image::Digest;
use serde_json::json;

use super::content::{MANIFEST, artifact, blob, push_blob, push_manifest};
use super::{Registry, ask};

pub(crate) async fn run(registry: &dyn Registry) {
    for path in ["/v2/", "/v2"] {
        // docker-registry sends /v2 on to /v2/.
        if path == "/v2/" || registry.is_ours() {
            let got = ask("GET", path).expect(registry, 200).await;
            assert_eq!(got.text("docker-distribution-api-version"), "registry/2.0");
        }
    }
    manifests(registry).await;
    ranges(registry).await;
    conditions(registry).await;
    missing(registry).await;
}

async fn manifests(registry: &dyn Registry) {
    let bytes = artifact(registry, "pull/a", "pull", json!({"annotations": {"a": "b"}})).await;
    let digest = Digest::of(&bytes).to_string();
    push_manifest(registry, "pull/a", "v1", &bytes).await;
    for reference in ["v1", &digest] {
        let path = format!("/v2/pull/a/manifests/{reference}");
        for method in ["GET", "HEAD"] {
            let got = ask(method, &path)
                .header("accept", MANIFEST)
                .expect(registry, 200)
                .await;
            assert_eq!(got.text("content-type"), MANIFEST);
            assert_eq!(got.text("content-length"), bytes.len().to_string());
            assert_eq!(got.text("docker-content-digest"), digest);
            assert_eq!(got.text("etag"), format!("\"{digest}\""));
            let expected = if method == "GET" { &bytes[..] } else { b"" };
            assert_eq!(got.body, expected);
        }
    }
}

async fn ranges(registry: &dyn Registry) {
    let bytes = blob("ranges", 2048);
    let digest = push_blob(registry, "pull/ranges", &bytes).await;
    let path = format!("/v2/pull/ranges/blobs/{digest}");
    for (range, first, last) in [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, 2047),
        ("bytes=-500", 1548, 2047),
        ("bytes=2000-5000", 2000, 2047),
        ("bytes=0-0", 0, 0),
    ] {
        let got = ask("GET", &path)
            .header("range", range)
            .expect(registry, 206)
            .await;
        assert_eq!(got.body, bytes[first..=last], "{range}");
        assert_eq!(got.text("content-range"), format!("bytes {first}-{last}/2048"));
        assert_eq!(got.text("content-length"), (last - first + 1).to_string());
        assert_eq!(got.text("docker-content-digest"), digest.to_string());
    }
    for range in ["bytes=500-0", "bytes=5000-10000", "bytes=2048-"] {
        let got = ask("GET", &path)
            .header("range", range)
            .expect(registry, 416)
            .await;
        if range != "bytes=500-0" {
            assert_eq!(got.text("content-range"), "bytes */2048");
        }
    }
    let whole = ask("GET", &path).expect(registry, 200).await;
    assert_eq!((whole.text("accept-ranges"), whole.body.len()), ("bytes", 2048));
    if registry.is_ours() {
        // Several ranges are answered with all there is; so is a part of something else.
        let several = ask("GET", &path)
            .header("range", "bytes=0-1,4-5")
            .expect(registry, 200)
            .await;
        assert_eq!(several.body, bytes);
        let other = ask("GET", &path)
            .header("range", "bytes=0-1")
            .header("if-range", "\"other\"");
        other.expect(registry, 200).await;
    }
    let same = ask("GET", &path)
        .header("range", "bytes=0-1")
        .header("if-range", format!("\"{digest}\""));
    same.expect(registry, 206).await;
}

async fn conditions(registry: &dyn Registry) {
    let bytes = blob("conditions", 64);
    let digest = push_blob(registry, "pull/conditions", &bytes).await;
    let path = format!("/v2/pull/conditions/blobs/{digest}");
    let got = ask("GET", &path).expect(registry, 200).await;
    assert_eq!(got.text("etag"), format!("\"{digest}\""));
    assert_eq!(got.text("cache-control"), "max-age=31536000");
    let manifest = artifact(registry, "pull/conditions", "conditions", json!({})).await;
    push_manifest(registry, "pull/conditions", "v1", &manifest).await;
    let manifest_path = "/v2/pull/conditions/manifests/v1".to_owned();
    for (path, digest) in [(path, digest), (manifest_path, Digest::of(&manifest))] {
        let tag = format!("\"{digest}\"");
        let got = ask("GET", &path)
            .header("accept", MANIFEST)
            .header("if-none-match", &tag)
            .expect(registry, 304)
            .await;
        assert_eq!(got.body, "");
        let other = ask("GET", &path)
            .header("accept", MANIFEST)
            .header("if-none-match", "\"other\"");
        other.expect(registry, 200).await;
    }
}

async fn missing(registry: &dyn Registry) {
    let nowhere = Digest::of(b"nowhere");
    for (path, code) in [
        (format!("/v2/pull/a/blobs/{nowhere}"), "BLOB_UNKNOWN"),
        (format!("/v2/pull/a/manifests/{nowhere}"), "MANIFEST_UNKNOWN"),
        ("/v2/pull/a/manifests/missing".to_owned(), "MANIFEST_UNKNOWN"),
        ("/v2/pull/no/such/manifests/v1".to_owned(), "MANIFEST_UNKNOWN"),
    ] {
        assert_eq!(
            ask("GET", &path).expect(registry, 404).await.code(),
            code,
            "{path}"
        );
        let head = ask("HEAD", &path).expect(registry, 404).await;
        assert_eq!(head.body, "", "{path}");
    }
    ask("GET", "/v2/pull/a/manifests/.INVALID")
        .expect(registry, 404)
        .await;
    if registry.is_ours() {
        for (path, status, code) in [
            ("/v2/pull/a/blobs/sha256:baddigeststring", 400, "DIGEST_INVALID"),
            (
                "/v2/pull/a/manifests/sha256:baddigeststring",
                400,
                "DIGEST_INVALID",
            ),
            ("/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
            ("/v2/a/../b/manifests/v1", 400, "NAME_INVALID"),
        ] {
            assert_eq!(
                ask("GET", path).expect(registry, status).await.code(),
                code,
                "{path}"
            );
        }
        for path in ["/", "/v1/", "/v2/x", "/metrics"] {
            ask("GET", path).expect(registry, 404).await;
        }
        let got = ask("PATCH", "/v2/pull/a/manifests/v1")
            .expect(registry, 405)
            .await;
        assert_eq!(
            (got.code().as_str(), got.text("allow")),
            ("UNSUPPORTED", "GET, HEAD, PUT, DELETE")
        );
    }
}
