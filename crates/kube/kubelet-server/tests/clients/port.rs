//! The kubelet's own port: who is let in, and what is there.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use https::{Caller, Identity, ServerTrust, Target};
use pki::Usage;

use crate::cluster::{Cluster, leaf};

/// Asks the port with somebody's certificate, or with none; code and text.
fn ask(cluster: &Cluster, user: Option<(&str, &[&str])>, request: Request<Full<Bytes>>) -> (u16, String) {
    let identity = user.map(|(name, groups)| {
        let leaf = leaf(&cluster.authority, name, groups, Usage::Client);
        Identity::from_pem(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes()).unwrap()
    });
    let target = Target {
        host: ("127.0.0.1".to_owned(), cluster.kubelet.port()),
        address: Some(cluster.kubelet),
        server_name: "127.0.0.1".to_owned(),
        trust: ServerTrust::Authorities(cluster.authority.certificate_pem().to_owned().into()),
        identity: identity.is_some().then_some(0),
    };
    let caller = Caller::new(Bytes::new(), identity.into_iter().collect());
    cluster.runtime.block_on(async {
        let answer = caller.send(&target, request).await.unwrap();
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    })
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://127.0.0.1{path}"))
        .body(Full::default())
        .unwrap()
}

#[test]
fn who_asks_is_known_and_may_or_may_not() {
    let cluster = Cluster::start();
    let root: Option<(&str, &[&str])> = Some(("root", &["system:masters"]));
    assert_eq!(
        ask(&cluster, None, get("/pods")),
        (401, "Unauthorized".to_owned())
    );
    let token = Request::get("https://127.0.0.1/pods").header("authorization", "Bearer abc");
    let token = token.body(Full::default()).unwrap();
    assert_eq!(ask(&cluster, None, token), (401, "Unauthorized".to_owned()));
    let (code, text) = ask(&cluster, Some(("bob", &[])), get("/pods"));
    let forbidden = "Forbidden (user=bob, verb=get, resource=nodes, subresource(s)=[pods proxy])\n";
    assert_eq!((code, &*text), (403, forbidden));
    let (code, text) = ask(&cluster, root, get("/pods"));
    assert_eq!(code, 200);
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["double", "single", "stopped", "waiting"]);
    assert!(list["items"][0]["metadata"]["resourceVersion"].is_string());
    for (path, code, text) in [
        ("/healthz", 200, "ok"),
        ("/healthz/", 200, "ok"),
        ("/healthz/syncloop", 200, "ok"),
        (
            "/healthz?verbose",
            200,
            "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n",
        ),
        ("/nothing", 404, "404: Page Not Found"),
        ("/run/default/single/one", 405, "405: Method Not Allowed"),
        (
            "/containerLogs/default/single/one?tailLines=1&stream=Stdout",
            422,
            r#"{"message": "Invalid request."}"#,
        ),
        (
            "/containerLogs/default/single/one?stream=Stderr",
            200,
            "one one-1 line 2\none one-1 line 4\n",
        ),
        (
            "/containerLogs/default/nobody/one",
            404,
            r#"pod "nobody" does not exist"#,
        ),
        (
            "/containerLogs/default/single/x",
            404,
            r#"container "x" not found in pod "single""#,
        ),
        (
            "/exec/default/single/one?command=true",
            400,
            "you must specify at least 1 of stdin, stdout, stderr",
        ),
        ("/exec/default/nobody/one?output=1", 404, "pod does not exist"),
        (
            "/exec/default/single/one?output=1",
            400,
            "unable to upgrade: missing upgrade headers in request\n",
        ),
        (
            "/portForward/default/single",
            400,
            "unable to upgrade: missing upgrade headers in request\n",
        ),
    ] {
        assert_eq!(ask(&cluster, root, get(path)), (code, text.to_owned()), "{path}");
    }
}

#[test]
fn a_command_runs_without_a_stream() {
    let cluster = Cluster::start();
    let root: Option<(&str, &[&str])> = Some(("root", &["system:masters"]));
    let post = |path: &str| {
        Request::post(format!("https://127.0.0.1{path}"))
            .body(Full::default())
            .unwrap()
    };
    let run = |path: &str| ask(&cluster, root, post(path));
    assert_eq!(run("/run/default/single/one?cmd=echo+a"), (200, "a\n".to_owned()));
    assert_eq!(
        run("/run/default/single/one?cmd=false"),
        (500, "command 'false' exited with 1: ".to_owned())
    );
    assert_eq!(
        run("/run/default/stopped/three?cmd=true"),
        (500, r#"container not found ("three")"#.to_owned())
    );
}
