//! What the node has can be pulled, and what is pushed is an image of the node.

use image::{Digest, media_type};

use crate::serve::Served;
use crate::suite::ask;
use crate::suite::content::{push_blob, push_manifest};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_was_made_here_is_pulled_and_pushed_again() {
    let served = Served::open();
    let id = served.import("docker.io/library/tool:v1");
    let remote = served.remote();
    let manifest = ask("GET", "/v2/library/tool/manifests/v1")
        .expect(&remote, 200)
        .await;
    let again = ask("GET", "/v2/library/tool/manifests/v1")
        .expect(&remote, 200)
        .await;
    assert_eq!(manifest.body, again.body, "it has one manifest");
    let parsed = manifest.json();
    assert_eq!(parsed["config"]["digest"], id.to_string());
    let blob = async |descriptor: &serde_json::Value| {
        let path = format!(
            "/v2/library/tool/blobs/{}",
            descriptor["digest"].as_str().unwrap()
        );
        let got = ask("GET", &path).expect(&remote, 200).await;
        assert_eq!(descriptor["digest"], Digest::of(&got.body).to_string());
        assert_eq!(descriptor["size"], got.body.len());
        got.body
    };
    let config = blob(&parsed["config"]).await;
    push_blob(&remote, "team/tool", &config).await;
    for layer in parsed["layers"].as_array().unwrap() {
        push_blob(&remote, "team/tool", &blob(layer).await).await;
    }
    push_manifest(&remote, "team/tool", "v2", &manifest.body).await;
    let pushed = format!("{}/team/tool:v2", served.domain()).parse().unwrap();
    assert_eq!(served.images.target(&pushed).unwrap().image, Some(id));
    let all = ask("GET", "/v2/_catalog").expect(&remote, 200).await;
    assert_eq!(
        all.json()["repositories"],
        serde_json::json!(["library/tool", "team/tool"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_that_only_an_image_has_is_deleted_in_the_registry() {
    let served = Served::open();
    let id = served.import(&format!("{}/tool:v1", served.domain()));
    let remote = served.remote();
    let manifest = ask("GET", "/v2/tool/manifests/v1").expect(&remote, 200).await;
    let layer = manifest.json()["layers"][0]["digest"].clone();
    let path = format!("/v2/tool/blobs/{}", layer.as_str().unwrap());
    ask("HEAD", &path).expect(&remote, 200).await;
    ask("DELETE", &path).expect(&remote, 202).await;
    for method in ["HEAD", "GET", "DELETE"] {
        ask(method, &path).expect(&remote, 404).await;
    }
    let image = served.images.get(&id).unwrap();
    let digest = image.layers[0].blob.as_ref().unwrap().digest;
    let blob = served.images.open_blob(&digest).unwrap();
    assert!(blob.is_some(), "docker has it still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_goes_beside_what_is_named() {
    let served = Served::open();
    let remote = served.remote();
    let config = push_blob(&remote, "x", b"{}").await;
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "layers": [],
        "config": {"mediaType": "application/vnd.gantry.test", "digest": config.to_string(), "size": 2},
    });
    push_manifest(&remote, "x", "v1", manifest.to_string().as_bytes()).await;
    let garbage = push_blob(&remote, "x", b"nobody names it").await;
    // Not while it is young.
    let collected = served.registry.service().collect().await.unwrap();
    assert_eq!(collected.blobs, 0);
    for digest in [config, garbage] {
        ask("GET", format!("/v2/x/blobs/{digest}"))
            .expect(&remote, 200)
            .await;
    }
}
