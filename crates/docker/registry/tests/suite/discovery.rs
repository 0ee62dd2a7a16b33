//! Content discovery: tags, repositories, referrers.

use image::Digest;
use serde_json::{Value, json};

use super::content::{INDEX, MANIFEST, artifact, descriptor, push_manifest};
use super::{Registry, ask};

pub(crate) async fn run(registry: &dyn Registry) {
    tags(registry).await;
    catalog(registry).await;
    if registry.is_ours() {
        referrers(registry).await;
    }
}

async fn listed(registry: &dyn Registry, path: &str) -> (Value, Option<String>) {
    let got = ask("GET", path).expect(registry, 200).await;
    let link = got
        .headers
        .get("link")
        .map(|link| link.to_str().unwrap().to_owned());
    (got.json(), link)
}

/// The path of a link to the next page.
fn next(link: Option<&str>) -> String {
    let link = link.unwrap();
    assert!(link.ends_with(">; rel=\"next\""), "{link}");
    link[1..link.find('>').unwrap()].to_owned()
}

async fn tags(registry: &dyn Registry) {
    let bytes = artifact(registry, "discovery/tags", "tags", json!({})).await;
    for tag in ["v2", "v1", "latest", "a-3"] {
        push_manifest(registry, "discovery/tags", tag, &bytes).await;
    }
    let path = "/v2/discovery/tags/tags/list";
    let (mut all, link) = listed(registry, path).await;
    if !registry.is_ours() {
        // docker-registry 2.8 lists them as they lie in its directory.
        all["tags"]
            .as_array_mut()
            .unwrap()
            .sort_by_key(ToString::to_string);
    }
    assert_eq!(
        all,
        json!({"name": "discovery/tags", "tags": ["a-3", "latest", "v1", "v2"]})
    );
    assert_eq!(link, None);
    if registry.is_ours() {
        // docker-registry 2.8 has no pages of tags.
        let (first, link) = listed(registry, &format!("{path}?n=3")).await;
        assert_eq!(first["tags"], json!(["a-3", "latest", "v1"]));
        let (rest, link) = listed(registry, &next(link.as_deref())).await;
        assert_eq!((&rest["tags"], link), (&json!(["v2"]), None));
        let (after, _) = listed(registry, &format!("{path}?last=latest")).await;
        assert_eq!(after["tags"], json!(["v1", "v2"]));
        let (whole, link) = listed(registry, &format!("{path}?n=4")).await;
        assert_eq!((whole["tags"].as_array().unwrap().len(), link), (4, None));
        let (none, link) = listed(registry, &format!("{path}?n=0")).await;
        assert_eq!((&none["tags"], link), (&json!([]), None));
        let bad = ask("GET", format!("{path}?n=many")).expect(registry, 400).await;
        assert_eq!(bad.code(), "PAGINATION_NUMBER_INVALID");
    }
    let unknown = ask("GET", "/v2/discovery/nothing/tags/list")
        .expect(registry, 404)
        .await;
    assert_eq!(unknown.code(), "NAME_UNKNOWN");
}

async fn catalog(registry: &dyn Registry) {
    for name in ["a", "b", "c"] {
        let repository = format!("discovery/catalog/{name}");
        let bytes = artifact(registry, &repository, "catalog", json!({})).await;
        push_manifest(registry, &repository, "v1", &bytes).await;
    }
    let path = "/v2/_catalog?n=2&last=discovery/catalog/";
    let (first, link) = listed(registry, path).await;
    assert_eq!(
        first["repositories"],
        json!(["discovery/catalog/a", "discovery/catalog/b"])
    );
    let (rest, _) = listed(registry, &next(link.as_deref())).await;
    assert_eq!(rest["repositories"][0], json!("discovery/catalog/c"));
}

async fn referrers(registry: &dyn Registry) {
    let repository = "discovery/referrers";
    let subject = artifact(registry, repository, "subject", json!({})).await;
    push_manifest(registry, repository, "subject", &subject).await;
    let about = |kind: &str| json!({"subject": descriptor(MANIFEST, &subject), "artifactType": kind, "annotations": {"kind": kind}});
    let path = format!("/v2/{repository}/referrers/{}", Digest::of(&subject));
    let (none, _) = listed(registry, &path).await;
    assert_eq!(
        none,
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    );
    let mut pushed = Vec::new();
    for kind in ["application/vnd.test.one", "application/vnd.test.two"] {
        let bytes = artifact(registry, repository, kind, about(kind)).await;
        push_manifest(registry, repository, &Digest::of(&bytes).to_string(), &bytes).await;
        pushed.push((kind, Digest::of(&bytes).to_string(), bytes.len()));
    }
    // Without a type of its own it has its configuration's.
    let plain = artifact(
        registry,
        repository,
        "plain",
        json!({"subject": descriptor(MANIFEST, &subject)}),
    )
    .await;
    push_manifest(registry, repository, "plain", &plain).await;
    pushed.push((
        "application/vnd.gantry.test.config",
        Digest::of(&plain).to_string(),
        plain.len(),
    ));
    let got = ask("GET", &path).expect(registry, 200).await;
    assert_eq!(got.text("content-type"), INDEX);
    assert_eq!(got.json()["manifests"].as_array().unwrap().len(), 3);
    for (kind, digest, size) in &pushed {
        let filtered = ask("GET", format!("{path}?artifactType={kind}"))
            .expect(registry, 200)
            .await;
        assert_eq!(filtered.text("oci-filters-applied"), "artifactType");
        let found = filtered.json()["manifests"].clone();
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        let found = &found[0];
        assert_eq!((&found["digest"], &found["size"]), (&json!(digest), &json!(size)));
        assert_eq!(
            (&found["artifactType"], &found["mediaType"]),
            (&json!(kind), &json!(MANIFEST))
        );
        if kind.starts_with("application/vnd.test") {
            assert_eq!(found["annotations"], json!({"kind": kind}));
        }
    }
    let nobody = ask(
        "GET",
        format!("/v2/discovery/nothing/referrers/{}", Digest::of(b"x")),
    );
    assert_eq!(nobody.expect(registry, 200).await.json()["manifests"], json!([]));
    let bad = ask("GET", "/v2/discovery/referrers/referrers/sha256:bad")
        .expect(registry, 400)
        .await;
    assert_eq!(bad.code(), "DIGEST_INVALID");
    // A referrer that goes is not listed any more.
    let gone = ask("DELETE", format!("/v2/{repository}/manifests/{}", pushed[0].1));
    gone.expect(registry, 202).await;
    let (left, _) = listed(registry, &path).await;
    assert_eq!(left["manifests"].as_array().unwrap().len(), 2);
}
