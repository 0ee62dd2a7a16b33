//! Manifests that nobody ends take memory for some of them only.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::setup::{ANN, Setup};
use crate::suite::content::{artifact, push_manifest};

/// As many as have room: 64 MiB of 4 MiB each.
const SEATS: usize = 16;

/// A manifest of which only the beginning comes, until it is told to end; it says when more of it was wanted.
fn begin(setup: &Setup, wanted: mpsc::Sender<()>) -> (oneshot::Sender<()>, JoinHandle<u16>) {
    let (end, ended) = oneshot::channel();
    let first = Bytes::from(vec![b' '; (64 << 10) + 1]);
    let rest = async move {
        wanted.send(()).await.unwrap();
        drop(ended.await);
        Bytes::from_static(b"no manifest")
    };
    let pieces = stream::iter([first]).chain(stream::once(Box::pin(rest)));
    let body = StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece))));
    let request = Request::put("/v2/x/manifests/v1")
        .header("host", "localhost:5000")
        .header("authorization", ANN)
        .header("content-type", "application/vnd.oci.image.manifest.v1+json");
    let request = request.body(body).unwrap();
    let (service, ends) = (setup.service.clone(), setup.ends.clone());
    let answer = tokio::spawn(async move { service.answer(request, ends).await.status().as_u16() });
    (end, answer)
}

#[tokio::test]
async fn large_manifests_wait_for_those_that_nobody_ends() {
    let setup = Setup::new(|_| {});
    let (wanted, mut seated) = mpsc::channel(SEATS + 1);
    let mut unfinished = Vec::new();
    for _ in 0..SEATS {
        unfinished.push(begin(&setup, wanted.clone()));
        seated.recv().await.unwrap();
    }
    // A small one is nobody's burden.
    let bytes = artifact(&setup, "x", "small", serde_json::json!({})).await;
    push_manifest(&setup, "x", "v2", &bytes).await;
    // Those who bring nothing lose their seats for one who waits, after seconds: nothing takes as long from here on.
    let (end, late) = begin(&setup, wanted);
    assert!(seated.try_recv().is_err(), "it has no seat");
    let (first, answer) = unfinished.remove(0);
    first.send(()).unwrap();
    assert_eq!(answer.await.unwrap(), 400);
    seated.recv().await.unwrap();
    end.send(()).unwrap();
    assert_eq!(late.await.unwrap(), 400);
    // Whoever leaves gives his seat away.
    let (wanted, mut seated) = mpsc::channel(SEATS);
    for (_, answer) in unfinished {
        answer.abort();
    }
    let mut again = Vec::new();
    for _ in 0..SEATS {
        again.push(begin(&setup, wanted.clone()));
        seated.recv().await.unwrap();
    }
    for (end, answer) in again {
        end.send(()).unwrap();
        assert_eq!(answer.await.unwrap(), 400);
    }
}
