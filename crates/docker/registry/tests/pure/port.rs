//! The registry on a port: plain HTTP and TLS, and whose the connections are.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use driver::SystemClock;
use http_body_util::BodyExt;
use https::{Client, Drained, Endpoint, Identity};
use pki::{Authority, Profile, SubjectName, Usage};
use registry::{Config, Parts, Registry};

use crate::memory::Memory;
use crate::setup::config;
use crate::suite::content::{blob, push_blob};
use crate::suite::http::Remote;
use crate::suite::{self, ask};

struct Port {
    registry: Registry,
    authority: Authority,
}

#[expect(clippy::disallowed_methods, reason = "TLS goes by the real clock")]
fn open(change: impl FnOnce(&mut Config)) -> Port {
    let now = std::time::SystemTime::now();
    let authority = Authority::generate("ca", now).unwrap();
    let profile = Profile {
        common_name: "registry",
        organizations: &[],
        names: &[SubjectName::from("127.0.0.1")],
        usage: Usage::Server,
        validity: Duration::from_secs(3600),
    };
    let leaf = authority.issue(&profile, now).unwrap();
    let identity = Identity::from_pem(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config();
    change(&mut config);
    let parts = Parts {
        content: Arc::new(Memory::default()),
        clock: Arc::new(SystemClock::new()),
        upstream: None,
    };
    let registry = Registry::open(config, parts, listener, identity).unwrap();
    Port { registry, authority }
}

fn remote(address: SocketAddr) -> Remote {
    Remote {
        address,
        ours: true,
        credentials: None,
    }
}

/// Who runs the tests is root, or the group's.
fn owners(config: &mut Config) {
    config.access.owners.group = Some(rustix::process::getegid().as_raw());
}

#[tokio::test]
async fn the_protocol_over_plain_http() {
    let port = open(owners);
    suite::run(&remote(port.registry.address())).await;
    assert_eq!(port.registry.close(Duration::from_secs(5)).await, Drained::Whole);
}

#[tokio::test]
async fn tls_and_plain_http_are_on_one_port() {
    let port = open(owners);
    let address = port.registry.address();
    let bytes = blob("one port", 3 << 20);
    let digest = push_blob(&remote(address), "x", &bytes).await;
    let endpoint = Endpoint {
        authority: address.to_string(),
        trust: port.authority.certificate_pem().as_bytes().to_vec(),
        identity: None,
    };
    let request = http::Request::get(format!("/v2/x/blobs/{digest}"))
        .body(Default::default())
        .unwrap();
    let response = Client::new(endpoint).unwrap().send(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), bytes);
}

#[tokio::test]
async fn a_page_in_a_browser_is_nobody() {
    let port = open(owners);
    let remote = remote(port.registry.address());
    ask("POST", "/v2/x/blobs/uploads/").expect(&remote, 202).await;
    let post = ask("POST", "/v2/x/blobs/uploads/").header("origin", "http://localhost:5000");
    post.expect(&remote, 401).await;
}

#[tokio::test]
async fn who_is_not_in_the_group_pulls_alone() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let port = open(|_| {});
    let remote = remote(port.registry.address());
    ask("GET", "/v2/").expect(&remote, 200).await;
    ask("POST", "/v2/x/blobs/uploads/").expect(&remote, 401).await;
}
