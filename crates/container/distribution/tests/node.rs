//! Whose the client's connections are. Root: a process of nobody's has nothing to give away.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use distribution::{Client, Config, Credentials, Settings, Subject};
use driver::Rng;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use image::{Descriptor, Digest, Hasher, media_type};
use tokio::net::TcpListener;

const NOBODY: u32 = 65534;

/// What was asked, and by whom.
type Seen = Arc<Mutex<Vec<(String, u32)>>>;

/// A server on the loopback that asks the kernel whose each request's connection is, as our registry does.
async fn serve(
    seen: &Seen,
    answer: impl Fn(&Request<()>) -> Response<String> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let here = listener.local_addr().unwrap();
    let (seen, answer) = (seen.clone(), Arc::new(answer));
    tokio::spawn(async move {
        loop {
            let (stream, there) = listener.accept().await.unwrap();
            let (seen, answer) = (seen.clone(), answer.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (seen, answer) = (seen.clone(), answer.clone());
                async move {
                    let (head, body) = request.into_parts();
                    drop(body.collect().await);
                    let owner = sys::inet_diag::owner(there, here).unwrap();
                    let line = format!("{} {}", head.method, head.uri.path());
                    seen.lock().unwrap().push((line, owner.unwrap()));
                    let answer = answer(&Request::from_parts(head, ()));
                    Ok::<_, Infallible>(answer.map(|body| Full::new(Bytes::from(body))))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    here.to_string()
}

fn reply(status: u16, header: (&str, String), body: &str) -> Response<String> {
    let reply = Response::builder().status(status).header(header.0, header.1);
    reply.body(body.to_owned()).unwrap()
}

const BLOB: &str = "blob";

/// A registry that sends its clients to `other`, and to itself, for everything.
fn registry(other: String) -> impl Fn(&Request<()>) -> Response<String> + Send + Sync {
    move |request| {
        let path = request.uri().path();
        let shown = request.headers().contains_key("authorization");
        let kind = ("content-type", "application/json".to_owned());
        let away = |path: &str| ("location", format!("http://{other}{path}"));
        let realm = |host: &str| {
            let challenge = format!("Bearer realm=\"{host}/token\",service=\"s\"");
            reply(401, ("www-authenticate", challenge), "{}")
        };
        match (request.method().as_str(), path) {
            ("GET", "/token") => reply(200, kind, "{\"token\":\"t\"}"),
            ("GET", "/v2/own/manifests/1") if !shown => {
                let host = request.headers()["host"].to_str().unwrap();
                realm(&format!("http://{host}"))
            }
            ("GET", "/v2/other/manifests/1") if !shown => realm(&format!("http://{other}")),
            ("GET", "/v2/name/manifests/1") if !shown => {
                realm(&format!("http://{}", other.replace("127.0.0.1", "localhost")))
            }
            ("GET", _) if path.contains("/manifests/") => {
                let kind = ("content-type", media_type::MANIFEST.to_owned());
                reply(200, kind, "{\"schemaVersion\":2}")
            }
            ("GET", _) if path.contains("/blobs/") => reply(307, away("/there"), ""),
            ("POST", "/v2/own/blobs/uploads/") => reply(202, ("location", "/here".to_owned()), ""),
            ("POST", _) => reply(202, away("/there"), ""),
            ("PUT", "/here") => reply(201, kind, ""),
            _ => reply(404, kind, "{}"),
        }
    }
}

/// Root may do everything in our registry over the loopback (decision 12); no other server's words lead there as root.
#[tokio::test]
async fn only_whom_the_user_names_is_asked_as_root() {
    let seen = Seen::default();
    let other = serve(&seen, |request: &Request<()>| {
        let kind = ("content-type", "application/json".to_owned());
        match request.method().as_str() {
            "GET" if request.uri().path() == "/there" => reply(200, kind, BLOB),
            "GET" => reply(200, kind, "{\"token\":\"t\"}"),
            _ => reply(201, kind, ""),
        }
    })
    .await;
    let host = serve(&seen, registry(other.clone())).await;
    let client = || Client::new(Config::default(), Settings::default(), Rng::from_seed(1));
    // A server's challenge is remembered, so each one is another client's.
    let repository = |name: &str| client().repository(&host, name, Credentials::Anonymous);
    let tag = Subject::Tag("1".to_owned());
    let asked = || std::mem::take(&mut *seen.lock().unwrap());
    let expected = |lines: &[(&str, u32)]| {
        let lines = lines.iter().map(|(line, owner)| ((*line).to_owned(), *owner));
        lines.collect::<Vec<_>>()
    };

    // Token services: the registry itself, another server, one by a name.
    for name in ["own", "other", "name"] {
        repository(name).manifest(&tag).await.unwrap();
        let path = format!("GET /v2/{name}/manifests/1");
        let lines = [(path.as_str(), 0), ("GET /token", NOBODY), (path.as_str(), 0)];
        assert_eq!(asked(), expected(&lines));
    }

    let blob = Bytes::from_static(BLOB.as_bytes());
    let descriptor = Descriptor::new("x", Digest::of(&blob), blob.len() as u64);
    let own = repository("own");
    let mut coming = own.blob(&descriptor, Hasher::default());
    while coming.piece().await.unwrap().is_some() {}
    let path = format!("GET /v2/own/blobs/{}", descriptor.digest);
    assert_eq!(asked(), expected(&[(&path, 0), ("GET /there", NOBODY)]));

    for (name, path, owner) in [("own", "/here", 0), ("other", "/there", NOBODY)] {
        let (source, tell) = (Arc::new(blob.clone()), Arc::new(|_| {}));
        let uploading = repository(name);
        let uploaded = uploading.upload(None, descriptor.digest, source, tell);
        uploaded.await.unwrap();
        let all = asked();
        let (begun, further) = all.split_first().unwrap();
        assert_eq!(*begun, (format!("POST /v2/{name}/blobs/uploads/"), 0));
        let goes_on = |(line, by): &(String, u32)| line.ends_with(path) && *by == owner;
        assert!(!further.is_empty() && further.iter().all(goes_on), "{further:?}");
    }

    // What a Dockerfile adds.
    client()
        .web(false, &format!("http://{host}/x"), &[])
        .await
        .unwrap();
    assert_eq!(asked(), expected(&[("GET /x", NOBODY)]));
}
