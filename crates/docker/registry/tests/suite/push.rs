//! Push: blobs in every way, manifests, and every error on the way.

use bytes::Bytes;
use image::{Digest, DigestAlgorithm};
use serde_json::json;

use super::content::{INDEX, MANIFEST, artifact, blob, descriptor, push_blob, push_manifest};
use super::{Registry, ask, with};

pub(crate) async fn run(registry: &dyn Registry) {
    monolithic(registry).await;
    chunked(registry).await;
    wrong_digests(registry).await;
    cancelled(registry).await;
    mounted(registry).await;
    manifests(registry).await;
    refused_manifests(registry).await;
    if registry.is_ours() {
        single_post(registry).await;
        out_of_order(registry).await;
        tags_and_subject(registry).await;
        algorithms(registry).await;
    }
}

async fn pulled(registry: &dyn Registry, repository: &str, bytes: &[u8]) {
    let path = format!("/v2/{repository}/blobs/{}", Digest::of(bytes));
    let got = ask("GET", &path).expect(registry, 200).await;
    assert_eq!(got.body, bytes);
    let head = ask("HEAD", &path).expect(registry, 200).await;
    assert_eq!(head.text("content-length"), bytes.len().to_string());
    assert_eq!(head.text("docker-content-digest"), Digest::of(bytes).to_string());
}

async fn monolithic(registry: &dyn Registry) {
    for (seed, size) in [("post+put", 5000), ("large", 3 << 20), ("", 0)] {
        let bytes = blob(seed, size);
        let digest = push_blob(registry, "push/blobs", &bytes).await;
        pulled(registry, "push/blobs", &bytes).await;
        // Once more: it is there already.
        assert_eq!(push_blob(registry, "push/blobs", &bytes).await, digest);
    }
    let begun = ask("POST", "/v2/push/blobs/blobs/uploads/")
        .expect(registry, 202)
        .await;
    assert_eq!(begun.text("docker-distribution-api-version"), "registry/2.0");
    assert_eq!(begun.text("range"), "0-0");
    assert_eq!(begun.text("docker-upload-uuid").len(), 36);
}

async fn single_post(registry: &dyn Registry) {
    let bytes = blob("post only", 700);
    let path = format!("/v2/push/single/blobs/uploads/?digest={}", Digest::of(&bytes));
    let got = ask("POST", &path).body(bytes.clone()).expect(registry, 201).await;
    assert_eq!(
        got.location(),
        format!("/v2/push/single/blobs/{}", Digest::of(&bytes))
    );
    pulled(registry, "push/single", &bytes).await;
    let wrong = ask("POST", &path)
        .body("something else")
        .expect(registry, 400)
        .await;
    assert_eq!(wrong.code(), "DIGEST_INVALID");
}

async fn chunked(registry: &dyn Registry) {
    for (seed, put_last) in [("patched", false), ("put last", true)] {
        let bytes = blob(seed, 3000);
        let begun = ask("POST", "/v2/push/chunks/blobs/uploads/")
            .expect(registry, 202)
            .await;
        let (mut location, chunks) = (begun.location(), [(0, 1023), (1024, 2047), (2048, 2999)]);
        let digest = Digest::of(&bytes);
        for (at, (first, last)) in chunks.into_iter().enumerate() {
            let (end, chunk) = (put_last && at == 2, bytes[first..=last].to_vec());
            let path = if end {
                with(&location, &format!("digest={digest}"))
            } else {
                location.clone()
            };
            let sent = ask(if end { "PUT" } else { "PATCH" }, path)
                .header("content-range", format!("{first}-{last}"))
                .header("content-type", "application/octet-stream")
                .body(chunk);
            let got = sent.expect(registry, if end { 201 } else { 202 }).await;
            if !end {
                assert_eq!(got.text("range"), format!("0-{last}"));
            }
            location = got.location();
        }
        if !put_last {
            let put = ask("PUT", with(&location, &format!("digest={digest}")));
            put.expect(registry, 201).await;
        }
        pulled(registry, "push/chunks", &bytes).await;
    }
    // As docker does it: one PATCH of unknown length.
    let bytes = blob("streamed", 100_000);
    let begun = ask("POST", "/v2/push/chunks/blobs/uploads/")
        .expect(registry, 202)
        .await;
    let patch = ask("PATCH", begun.location()).body(bytes.clone()).streamed();
    let location = patch.expect(registry, 202).await.location();
    let status = ask("GET", &location).expect(registry, 204).await;
    assert_eq!(status.text("range"), "0-99999");
    let put = with(&status.location(), &format!("digest={}", Digest::of(&bytes)));
    ask("PUT", put).expect(registry, 201).await;
    pulled(registry, "push/chunks", &bytes).await;
}

async fn out_of_order(registry: &dyn Registry) {
    let begun = ask("POST", "/v2/push/order/blobs/uploads/")
        .expect(registry, 202)
        .await;
    let patch = |location: &str, range: &str, body: &str| {
        ask("PATCH", location)
            .header("content-range", range)
            .header("content-type", "application/octet-stream")
            .body(body.to_owned())
    };
    patch(&begun.location(), "5-9", "56789")
        .expect(registry, 416)
        .await;
    let first = patch(&begun.location(), "0-4", "01234")
        .expect(registry, 202)
        .await;
    for range in ["0-4", "4-8", "6-10"] {
        patch(&first.location(), range, "xxxxx")
            .expect(registry, 416)
            .await;
    }
    let status = ask("GET", first.location()).expect(registry, 204).await;
    assert_eq!(status.text("range"), "0-4");
    let digest = Digest::of(b"0123456789");
    let put = with(&status.location(), &format!("digest={digest}"));
    let last = ask("PUT", &put).header("content-range", "6-10").body("56789");
    last.expect(registry, 416).await;
    let last = ask("PUT", &put).header("content-range", "5-9").body("56789");
    last.expect(registry, 201).await;
    pulled(registry, "push/order", b"0123456789").await;
}

async fn wrong_digests(registry: &dyn Registry) {
    let begin = || ask("POST", "/v2/push/wrong/blobs/uploads/").expect(registry, 202);
    for digest in [
        "sha256:baddigeststring",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "nonsense",
        "",
    ] {
        let location = begin().await.location();
        let put = ask("PUT", with(&location, &format!("digest={digest}"))).body("x");
        assert_eq!(
            put.expect(registry, 400).await.code(),
            "DIGEST_INVALID",
            "{digest}"
        );
    }
    let location = begin().await.location();
    let other = Digest::of(b"other");
    let put = ask("PUT", with(&location, &format!("digest={other}"))).body("x");
    assert_eq!(put.expect(registry, 400).await.code(), "DIGEST_INVALID");
    let got = ask("GET", format!("/v2/push/wrong/blobs/{other}"))
        .expect(registry, 404)
        .await;
    assert_eq!(got.code(), "BLOB_UNKNOWN");
    // It is over with that upload; docker-registry has another word for it.
    let put = ask("PUT", with(&location, &format!("digest={}", Digest::of(b"x")))).body("x");
    let gone = put.expect(registry, 404).await.code();
    assert!(gone == "BLOB_UPLOAD_UNKNOWN" || !registry.is_ours(), "{gone}");
}

async fn cancelled(registry: &dyn Registry) {
    let begun = ask("POST", "/v2/push/cancel/blobs/uploads/")
        .expect(registry, 202)
        .await;
    ask("DELETE", begun.location()).expect(registry, 204).await;
    for method in ["GET", "DELETE", "PATCH"] {
        let gone = ask(method, begun.location()).expect(registry, 404).await;
        assert_eq!(gone.code(), "BLOB_UPLOAD_UNKNOWN", "{method}");
    }
    if registry.is_ours() {
        for id in ["nonsense", "00000000-0000-4000-8000-000000000000"] {
            let path = format!("/v2/push/cancel/blobs/uploads/{id}");
            assert_eq!(
                ask("GET", path).expect(registry, 404).await.code(),
                "BLOB_UPLOAD_UNKNOWN"
            );
        }
    }
}

async fn mounted(registry: &dyn Registry) {
    let bytes = blob("mounted", 900);
    let digest = push_blob(registry, "push/from", &bytes).await;
    let path = format!("/v2/push/to/blobs/uploads/?mount={digest}&from=push/from");
    let got = ask("POST", path).expect(registry, 201).await;
    assert_eq!(got.location(), format!("/v2/push/to/blobs/{digest}"));
    pulled(registry, "push/to", &bytes).await;
    let missing = Digest::of(b"nowhere");
    let path = format!("/v2/push/to/blobs/uploads/?mount={missing}&from=push/from");
    ask("POST", path).expect(registry, 202).await;
    if registry.is_ours() {
        let path = format!("/v2/push/anonymous/blobs/uploads/?mount={digest}");
        ask("POST", path).expect(registry, 201).await;
        pulled(registry, "push/anonymous", &bytes).await;
        let path = format!("/v2/push/anonymous/blobs/uploads/?mount={missing}");
        ask("POST", path).expect(registry, 202).await;
    }
}

/// An upload's algorithm is told at its beginning, or known only at its end; what it is called by counts.
async fn algorithms(registry: &dyn Registry) {
    let repository = "/v2/push/algorithm";
    let path = |algorithm| format!("{repository}/blobs/uploads/?digest-algorithm={algorithm}");
    for algorithm in ["sha384", "md5", "SHA256"] {
        let refused = ask("POST", path(algorithm)).expect(registry, 400).await;
        assert_eq!(refused.code(), "DIGEST_INVALID");
    }
    for (at, begin) in [
        path("sha256"),
        path("sha512"),
        format!("{repository}/blobs/uploads/"),
    ]
    .into_iter()
    .enumerate()
    {
        for algorithm in DigestAlgorithm::ALL {
            let bytes = blob(&format!("algorithm {at}"), 2000);
            let digest = Digest::by(algorithm, &bytes);
            let begun = ask("POST", &begin).expect(registry, 202).await;
            let patch = ask("PATCH", begun.location()).body(bytes[..1500].to_vec());
            let location = patch.streamed().expect(registry, 202).await.location();
            let wrong = Digest::by(algorithm, b"other");
            let put = ask("PUT", with(&location, &format!("digest={digest}")));
            let got = put.body(bytes[1500..].to_vec()).expect(registry, 201).await;
            assert_eq!(got.text("docker-content-digest"), digest.to_string());
            let path = format!("{repository}/blobs/{digest}");
            assert_eq!(got.location(), path);
            let got = ask("GET", &path).expect(registry, 200).await;
            assert_eq!(
                (got.text("docker-content-digest"), &got.body[..]),
                (&*digest.to_string(), &bytes[..])
            );
            let mount = format!("/v2/push/algorithms/blobs/uploads/?mount={digest}&from=push/algorithm");
            ask("POST", mount).expect(registry, 201).await;
            ask("HEAD", format!("/v2/push/algorithms/blobs/{digest}"))
                .expect(registry, 200)
                .await;
            ask("DELETE", &path).expect(registry, 202).await;
            ask("HEAD", &path).expect(registry, 404).await;
            let begun = ask("POST", &begin).expect(registry, 202).await;
            let put = ask("PUT", with(&begun.location(), &format!("digest={wrong}")));
            let refused = put.body(bytes).expect(registry, 400).await;
            assert_eq!(refused.code(), "DIGEST_INVALID");
        }
    }
    let short = format!("digest=sha512:{}", "0".repeat(64));
    let begun = ask("POST", path("sha512")).expect(registry, 202).await;
    let refused = ask("PUT", with(&begun.location(), &short))
        .expect(registry, 400)
        .await;
    assert_eq!(refused.code(), "DIGEST_INVALID");
    manifests_by_sha512(registry).await;
}

/// A manifest has the name that it was pushed under; by a tag alone it is SHA-256's.
async fn manifests_by_sha512(registry: &dyn Registry) {
    let repository = "push/algorithm";
    let subject = artifact(registry, repository, "subject", json!({})).await;
    let named = Digest::by(DigestAlgorithm::Sha512, &subject).to_string();
    let path = |reference: &str| format!("/v2/{repository}/manifests/{reference}");
    let put = ask("PUT", path(&format!("{named}?tag=long&tag=longer")));
    let put = put.header("content-type", MANIFEST).body(subject.clone());
    let got = put.expect(registry, 201).await;
    assert_eq!(
        (got.text("docker-content-digest"), got.location()),
        (&*named, path(&named))
    );
    assert_eq!(got.headers.get_all("oci-tag").iter().count(), 2);
    for reference in [&*named, "long", "longer"] {
        for method in ["GET", "HEAD"] {
            let got = ask(method, path(reference)).expect(registry, 200).await;
            assert_eq!(got.text("docker-content-digest"), named);
        }
    }
    let short = Digest::of(&subject).to_string();
    ask("GET", path(&short)).expect(registry, 404).await;
    let about = json!({"mediaType": MANIFEST, "digest": named, "size": subject.len()});
    let about = artifact(registry, repository, "about", json!({"subject": about})).await;
    let referrer = Digest::by(DigestAlgorithm::Sha512, &about).to_string();
    let got = push_manifest(registry, repository, &referrer, &about).await;
    assert_eq!(got.text("oci-subject"), named);
    let got = ask("GET", format!("/v2/{repository}/referrers/{named}"))
        .expect(registry, 200)
        .await;
    assert_eq!(got.json()["manifests"][0]["digest"], *referrer);
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{"mediaType": MANIFEST, "digest": named, "size": subject.len()}],
    });
    push_manifest(registry, repository, "index", index.to_string().as_bytes()).await;
    let wrong = Digest::by(DigestAlgorithm::Sha512, b"other").to_string();
    let put = ask("PUT", path(&wrong))
        .header("content-type", MANIFEST)
        .body(subject.clone());
    assert_eq!(put.expect(registry, 400).await.code(), "DIGEST_INVALID");
    push_manifest(registry, repository, "short", &subject).await;
    ask("GET", path(&short)).expect(registry, 200).await;
    // What an index lists stays for it.
    let index = Digest::of(index.to_string().as_bytes()).to_string();
    for gone in [&*index, &named] {
        ask("DELETE", path(gone)).expect(registry, 202).await;
    }
    for gone in [&*named, "long", "longer"] {
        ask("HEAD", path(gone)).expect(registry, 404).await;
    }
    ask("GET", path("short")).expect(registry, 200).await;
}

async fn manifests(registry: &dyn Registry) {
    let bytes = artifact(registry, "push/manifests", "manifests", json!({})).await;
    let digest = Digest::of(&bytes).to_string();
    for reference in ["v1", &digest] {
        let got = push_manifest(registry, "push/manifests", reference, &bytes).await;
        assert_eq!(got.text("docker-content-digest"), digest);
        assert_eq!(got.location(), format!("/v2/push/manifests/manifests/{digest}"));
        let got = ask("GET", got.location())
            .header("accept", MANIFEST)
            .expect(registry, 200)
            .await;
        assert_eq!((got.text("content-type"), &got.body[..]), (MANIFEST, &bytes[..]));
    }
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [descriptor(MANIFEST, &bytes)],
    });
    push_manifest(registry, "push/manifests", "index", index.to_string().as_bytes()).await;
}

async fn refused_manifests(registry: &dyn Registry) {
    let bytes = artifact(registry, "push/refused", "refused", json!({})).await;
    let put = |reference: &str, kind: &str, body: Bytes| {
        let put = ask("PUT", format!("/v2/push/refused/manifests/{reference}"));
        put.header("content-type", kind).body(body)
    };
    let other = Digest::of(b"other").to_string();
    let lacking = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.gantry.test", b"not pushed"), "layers": [],
    });
    for (reference, kind, body, status, code) in [
        ("v1", MANIFEST, Bytes::from("{"), 400, "MANIFEST_INVALID"),
        ("v1", MANIFEST, Bytes::from("nonsense"), 400, "MANIFEST_INVALID"),
        (
            "v1",
            MANIFEST,
            lacking.to_string().into(),
            400,
            "MANIFEST_BLOB_UNKNOWN",
        ),
        (&other, MANIFEST, bytes.clone().into(), 400, "DIGEST_INVALID"),
        (
            "sha256:baddigeststring",
            MANIFEST,
            bytes.clone().into(),
            400,
            "DIGEST_INVALID",
        ),
    ] {
        // docker-registry has other words for some of these, and answers 500 to a digest that is none.
        let got = registry.send(put(reference, kind, body)).await;
        assert!(got.status.as_u16() >= 400, "{reference} {code}: {got:?}");
        if registry.is_ours() {
            assert_eq!(
                (got.status.as_u16(), got.code().as_str()),
                (status, code),
                "{reference}"
            );
        }
    }
    ask("GET", "/v2/push/refused/manifests/v1")
        .expect(registry, 404)
        .await;
    if registry.is_ours() {
        let got = ask("PUT", "/v2/push/refused/manifests/v1")
            .body(bytes)
            .expect(registry, 400)
            .await;
        assert_eq!(got.code(), "MANIFEST_INVALID");
        let large = put("v1", MANIFEST, vec![b' '; (4 << 20) + 1].into());
        assert_eq!(large.expect(registry, 413).await.code(), "MANIFEST_INVALID");
        let tag = put(".INVALID", MANIFEST, Bytes::from("{}"));
        assert_eq!(tag.expect(registry, 400).await.code(), "MANIFEST_INVALID");
    }
}

async fn tags_and_subject(registry: &dyn Registry) {
    let bytes = artifact(registry, "push/tags", "tags", json!({})).await;
    let digest = Digest::of(&bytes).to_string();
    let tags: Vec<String> = (0..10).map(|number| format!("1.{number}")).collect();
    let parameters: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
    let path = format!("/v2/push/tags/manifests/{digest}?{}", parameters.join("&"));
    let put = |path: &str| {
        ask("PUT", path)
            .header("content-type", MANIFEST)
            .body(bytes.clone())
    };
    let got = put(&path).expect(registry, 201).await;
    let told: Vec<&str> = got
        .headers
        .get_all("oci-tag")
        .iter()
        .map(|tag| tag.to_str().unwrap())
        .collect();
    assert_eq!(told, tags);
    for tag in &tags {
        let got = ask("HEAD", format!("/v2/push/tags/manifests/{tag}"))
            .expect(registry, 200)
            .await;
        assert_eq!(got.text("docker-content-digest"), digest);
    }
    let many: Vec<String> = (0..101).map(|number| format!("tag=t{number}")).collect();
    let path = format!("/v2/push/tags/manifests/{digest}?{}", many.join("&"));
    put(&path).expect(registry, 414).await;
    let bad = put(&format!("/v2/push/tags/manifests/{digest}?tag=.x"))
        .expect(registry, 400)
        .await;
    assert_eq!(bad.code(), "MANIFEST_INVALID");
    let subject = json!({"subject": descriptor(MANIFEST, b"not there yet")});
    let about = artifact(registry, "push/tags", "about", subject).await;
    let got = push_manifest(registry, "push/tags", "about", &about).await;
    assert_eq!(got.text("oci-subject"), Digest::of(b"not there yet").to_string());
}
