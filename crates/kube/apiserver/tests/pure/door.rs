//! A server for one test, and requests to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apiserver::outbound::Outbound;
use apiserver::{Body, BodyError, Config, Incoming, Peer};
use auth::UserInfo;
use bytes::Bytes;
use driver::{Env, SimDisk};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use pki::TokenIssuer;
use rehearsal::Plane;
use serde_json::Value;

/// A server, and what a test asks it.
pub(crate) struct Door(Plane);

/// What a request got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) text: String,
    pub(crate) bytes: Bytes,
    pub(crate) headers: HeaderMap,
}

impl Got {
    /// The answer as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// What stands at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    /// The `message` of a Status.
    pub(crate) fn message(&self) -> String {
        self.at("/message").as_str().unwrap_or_default().to_owned()
    }
}

/// A front proxy's authority that is not the cluster's own.
fn config() -> Config {
    Config {
        front_proxy_ca: "front proxy".to_owned(),
        ..rehearsal::config()
    }
}

/// An authenticated user.
pub(crate) fn named(user: &str) -> Peer {
    let user = UserInfo {
        name: user.to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..UserInfo::default()
    };
    Peer {
        internal: Some(Arc::new(user)),
        ..Peer::default()
    }
}

impl Door {
    /// Opens a server over an empty store.
    pub(crate) fn open() -> Self {
        Self::with(config())
    }

    /// Opens a server whose tokens others can sign, too.
    pub(crate) fn with_issuer() -> (Self, TokenIssuer) {
        (Self::open(), rehearsal::issuer())
    }

    /// Opens a server that sends its own requests this way.
    pub(crate) fn asking(outbound: Arc<dyn Outbound>) -> Self {
        Self::with(Config { outbound, ..config() })
    }

    /// The same, and reaches kubelets this way.
    pub(crate) fn reaching(outbound: Arc<dyn Outbound>, nodes: Arc<dyn apiserver::nodes::Nodes>) -> Self {
        Self::with(Config {
            outbound,
            nodes,
            ..config()
        })
    }

    fn with(config: Config) -> Self {
        Self(Plane::open_on(SimDisk::new(), 1, config))
    }

    /// Starts the server anew over the same store.
    pub(crate) fn start_again(&mut self) {
        self.start_at(config().port);
    }

    /// The same at another port, after the one before has ended: both would put right where the API is.
    pub(crate) fn start_at(&mut self, port: u16) {
        let server = self.0.server.clone();
        self.0.run(async move { server.drain().await });
        self.0.reopen(Config { port, ..config() });
    }

    /// Sends a request as an administrator. A body's type is JSON unless the method is PATCH, which says its own.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Got {
        self.send_as(method, path, "application/json", body)
    }

    /// The same with a body of another type.
    pub(crate) fn send_as(&self, method: &str, path: &str, content: &str, body: &str) -> Got {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header(CONTENT_TYPE, content)
            .header("user-agent", "tester/1");
        self.request(request.header(ACCEPT, "application/json"), body)
    }

    /// Sends a request with headers of its own.
    pub(crate) fn request(&self, request: http::request::Builder, body: &str) -> Got {
        self.request_bytes(request, Bytes::from(body.to_owned()))
    }

    /// The same with a body that is no text.
    pub(crate) fn request_bytes(&self, request: http::request::Builder, body: Bytes) -> Got {
        let peer = Peer {
            internal: Some(Arc::new(UserInfo {
                name: "admin".to_owned(),
                groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
                ..UserInfo::default()
            })),
            ..Peer::default()
        };
        self.request_of(peer, request, body)
    }

    /// Sends a request of somebody who does not say who it is.
    pub(crate) fn anonymous(&self, request: http::request::Builder, body: &str) -> Got {
        self.request_of(Peer::default(), request, Bytes::from(body.to_owned()))
    }

    fn request_of(&self, peer: Peer, request: http::request::Builder, body: Bytes) -> Got {
        let request = request.body(whole(body)).unwrap();
        let work = self.handle(request, peer);
        self.0.run(async move {
            let (head, body) = work.await.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let warnings = head.headers.get_all("warning").iter();
            Got {
                code: head.status.as_u16(),
                warnings: warnings.map(|text| text.to_str().unwrap().to_owned()).collect(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
                bytes,
                headers: head.headers,
            }
        })
    }
}

/// A body that is there.
pub(crate) fn whole(body: Bytes) -> Incoming {
    Full::new(body)
        .map_err(|never| BodyError(never.to_string()))
        .boxed()
}

impl Door {
    /// The work on a request, not begun.
    pub(crate) fn handle(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + 'static + use<> {
        let server = self.0.server.clone();
        async move { server.handle(request, peer).await }
    }

    /// What a request of this user is answered, its body not read.
    pub(crate) fn answer(&self, user: &str, request: Request<Incoming>) -> Response<Body> {
        self.0.run(self.handle(request, named(user)))
    }

    /// Begins a request of this user; its code is there when it is answered.
    pub(crate) fn begin_as(&self, user: &str, request: Request<Incoming>) -> Arc<Mutex<Option<u16>>> {
        let (work, ended) = (self.handle(request, named(user)), Arc::new(Mutex::new(None)));
        let slot = ended.clone();
        self.0.sim().spawn(Box::pin(async move {
            *slot.lock().unwrap() = Some(work.await.status().as_u16());
        }));
        ended
    }

    /// Lets virtual time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.0.run(self.0.sim().sleep(time));
    }

    /// Lets everybody work but the store's writer.
    pub(crate) fn run_ready(&self) {
        self.0.sim().run_ready();
    }

    /// Begins a request that lasts; the code is there when it has ended.
    pub(crate) fn begin(&self, path: &str) -> Arc<Mutex<Option<u16>>> {
        let request = Request::get(path).header(ACCEPT, "application/json");
        let body = Full::new(Bytes::new()).map_err(|never| BodyError(never.to_string()));
        let request = request.body(body.boxed()).unwrap();
        let (server, ended) = (self.0.server.clone(), Arc::new(Mutex::new(None)));
        let peer = Peer {
            internal: Some(Arc::new(UserInfo {
                groups: vec!["system:masters".to_owned()],
                ..UserInfo::default()
            })),
            ..Peer::default()
        };
        let slot = ended.clone();
        self.0.sim().spawn(Box::pin(async move {
            let (head, body) = server.handle(request, peer).await.into_parts();
            body.collect().await.unwrap();
            *slot.lock().unwrap() = Some(head.status.as_u16());
        }));
        ended
    }

    /// The virtual time.
    pub(crate) fn now(&self) -> driver::Instant {
        self.0.sim().now()
    }

    /// Lets the server's own tasks do all they can do now.
    pub(crate) fn settle(&self) {
        self.0.settle();
    }
}
