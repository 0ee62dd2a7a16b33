//! What webhooks hear.

use std::time::Duration;

use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use https::ServerTrust;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use registry::Webhook;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, channel};

use crate::setup::Setup;
use crate::suite::ask;
use crate::suite::content::{MANIFEST, artifact, push_manifest};

/// Answers the first `refusals` requests with 500, and tells of all that it took.
async fn receiver(refusals: usize) -> (http::Uri, Receiver<(HeaderMap, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let (told, heard) = channel(64);
    tokio::spawn(async move {
        let left = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(refusals));
        while let Ok((stream, _)) = listener.accept().await {
            let (told, left) = (told.clone(), left.clone());
            let service = service_fn(move |request: http::Request<Incoming>| {
                let (told, left) = (told.clone(), left.clone());
                async move {
                    use std::sync::atomic::Ordering::SeqCst;
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let refused = left
                        .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
                        .is_ok();
                    if !refused {
                        told.send((head.headers, serde_json::from_slice(&body).unwrap()))
                            .await
                            .unwrap();
                    }
                    let status = if refused { 500 } else { 200 };
                    http::Response::builder()
                        .status(status)
                        .body(Full::new(bytes::Bytes::new()))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, heard)
}

fn webhook(url: http::Uri) -> Webhook {
    Webhook {
        url,
        headers: HeaderMap::from_iter([("x-key".parse().unwrap(), "secret".parse().unwrap())]),
        trust: ServerTrust::Plain,
        timeout: Duration::from_secs(30),
        retry: Duration::from_millis(1),
        attempts: 5,
        ignore: vec!["pull".to_owned()],
    }
}

/// Actions with the repository and the tag or media type, until so many have come.
async fn actions(heard: &mut Receiver<(HeaderMap, Value)>, count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < count {
        let (headers, envelope) = heard.recv().await.unwrap();
        assert_eq!(
            headers["content-type"],
            "application/vnd.docker.distribution.events.v2+json"
        );
        assert_eq!(headers["x-key"], "secret");
        for event in envelope["events"].as_array().unwrap() {
            all.push(json!([
                event["action"],
                event["target"]["repository"],
                event["target"]["tag"]
            ]));
        }
    }
    all
}

#[tokio::test]
async fn pushes_mounts_and_deletions_are_told_in_order() {
    // It is told again what it did not take.
    let (url, mut heard) = receiver(2).await;
    let setup = Setup::new(|config| config.webhooks = vec![webhook(url)]);
    let bytes = artifact(&setup, "a", "hooks", json!({})).await;
    push_manifest(&setup, "a", "v1", &bytes).await;
    ask("GET", "/v2/a/manifests/v1")
        .header("accept", MANIFEST)
        .expect(&setup, 200)
        .await;
    let config = image::Digest::of(b"{}");
    ask("POST", format!("/v2/b/blobs/uploads/?mount={config}&from=a"))
        .expect(&setup, 201)
        .await;
    ask("DELETE", "/v2/a/manifests/v1").expect(&setup, 202).await;
    let expected = json!([
        ["push", "a", null],
        ["push", "a", null],
        ["push", "a", "v1"],
        ["mount", "b", null],
        ["delete", "a", "v1"],
    ]);
    assert_eq!(json!(actions(&mut heard, 5).await), expected);
}

#[tokio::test]
async fn nobody_waits_for_a_receiver() {
    // Nobody listens there, and one that does never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}/", deaf.local_addr().unwrap()).parse().unwrap();
    let setup = Setup::new(|config| {
        config.webhooks = vec![webhook("http://127.0.0.1:1/".parse().unwrap()), webhook(silent)];
    });
    for number in 0..3000 {
        let path = format!(
            "/v2/a/blobs/uploads/?digest={}",
            image::Digest::of(format!("{number}").as_bytes())
        );
        ask("POST", path)
            .body(format!("{number}"))
            .expect(&setup, 201)
            .await;
    }
}
