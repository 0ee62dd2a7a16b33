//! Which references a repository's name stands for.

use serde_json::json;

use crate::setup::Setup;
use crate::suite::ask;
use crate::suite::content::artifact;

#[tokio::test]
async fn short_names_and_other_registries_are_served() {
    let setup = Setup::new(|_| {});
    let bytes = artifact(&setup, "x", "names", json!({})).await;
    let digest = setup.memory.put("docker.io/library/tool", "v1", &bytes);
    setup.memory.put("docker.io/me/tool", "v1", &bytes);
    setup.memory.put("quay.io/team/tool", "v1", &bytes);
    for path in [
        "/v2/library/tool/manifests/v1".to_owned(),
        format!("/v2/library/tool/manifests/{digest}"),
        "/v2/library/tool/manifests/v1?ns=docker.io".to_owned(),
        "/v2/me/tool/manifests/v1?ns=docker.io".to_owned(),
        "/v2/team/tool/manifests/v1?ns=quay.io".to_owned(),
    ] {
        let got = ask("GET", &path).expect(&setup, 200).await;
        assert_eq!(got.body, bytes, "{path}");
        let namespace = got
            .headers
            .get("oci-namespace")
            .map(|value| value.to_str().unwrap());
        assert_eq!(namespace, path.split_once("?ns=").map(|(_, host)| host), "{path}");
    }
    for path in [
        "/v2/me/tool/manifests/v1",
        "/v2/team/tool/manifests/v1",
        "/v2/team/tool/manifests/v1?ns=docker.io",
    ] {
        ask("GET", path).expect(&setup, 404).await;
    }
    let own = ask("GET", "/v2/library/tool/manifests/v1?ns=localhost:5000")
        .expect(&setup, 200)
        .await;
    assert!(!own.headers.contains_key("oci-namespace"));
}

#[tokio::test]
async fn a_pushed_name_goes_before_a_short_one() {
    let setup = Setup::new(|_| {});
    let (own, short) = (b"{\"own\":1}", b"{\"short\":1}");
    setup.memory.put("docker.io/library/tool", "v1", short);
    setup.memory.put("docker.io/library/tool", "v2", short);
    setup.memory.put("localhost:5000/library/tool", "v1", own);
    let body = async |tag: &str| {
        ask("GET", format!("/v2/library/tool/manifests/{tag}"))
            .expect(&setup, 200)
            .await
            .body
    };
    assert_eq!(
        (body("v1").await, body("v2").await),
        (own.as_slice().into(), short.as_slice().into())
    );
    let tags = ask("GET", "/v2/library/tool/tags/list").expect(&setup, 200).await;
    assert_eq!(tags.json()["tags"], json!(["v1", "v2"]));
    let all = ask("GET", "/v2/_catalog").expect(&setup, 200).await;
    assert_eq!(all.json()["repositories"], json!(["library/tool"]));
    // What was pushed can be deleted; the node's own image is docker's to remove.
    ask("DELETE", "/v2/library/tool/manifests/v1")
        .expect(&setup, 202)
        .await;
    let refused = ask("DELETE", "/v2/library/tool/manifests/v1")
        .expect(&setup, 405)
        .await;
    assert_eq!(refused.code(), "UNSUPPORTED");
}

#[tokio::test]
async fn another_registrys_names_are_not_written() {
    let setup = Setup::new(|_| {});
    for (method, path) in [
        ("PUT", "/v2/x/manifests/v1?ns=quay.io"),
        ("DELETE", "/v2/x/manifests/v1?ns=quay.io"),
        ("POST", "/v2/x/blobs/uploads/?ns=quay.io"),
    ] {
        let refused = ask(method, path).expect(&setup, 405).await;
        assert_eq!(refused.code(), "UNSUPPORTED", "{path}");
    }
    for host in ["a/b", "-", "x%0ay", "%00"] {
        let path = format!("/v2/x/manifests/v1?ns={host}");
        assert_eq!(
            ask("GET", &path).expect(&setup, 400).await.code(),
            "NAME_INVALID",
            "{path}"
        );
    }
}
