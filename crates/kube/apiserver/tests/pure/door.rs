//! A server for one test, and requests to it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apiserver::outbound::Outbound;
use apiserver::{ApiServer, Body, BodyError, Config, Incoming, Peer};
use auth::UserInfo;
use bytes::Bytes;
use driver::{Env, Rng, Sim, SimDisk};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use pki::{Authority, ClientAuthorities, TokenIssuer, TokenKey};
use serde_json::Value;
use store::{Embedded, Options, Writer};

/// A server, its executor, and the writer of its store, which nobody else turns.
pub(crate) struct Door {
    sim: Sim,
    writer: Mutex<Writer>,
    store: Arc<Embedded>,
    server: ApiServer,
}

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

fn config() -> Config {
    let ca = Authority::generate("test", std::time::SystemTime::UNIX_EPOCH).unwrap();
    Config {
        service_cidr: "10.43.0.0/16".to_owned(),
        node_port_range: (30_000, 32_767),
        cluster_domain: "cluster.local".to_owned(),
        advertise: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 6443,
        clients: ClientAuthorities::from_pem(ca.certificate_pem()).unwrap(),
        tokens: issuer(&TokenKey::generate().unwrap()),
        root_ca: ca.certificate_pem().to_owned(),
        front_proxy_ca: "front proxy".to_owned(),
        outbound: Arc::new(apiserver::outbound::Offline),
        nodes: Arc::new(apiserver::nodes::NoNodes),
    }
}

fn issuer(key: &TokenKey) -> TokenIssuer {
    let copy = TokenKey::from_pem(key.private_pem()).unwrap();
    TokenIssuer::new("https://kubernetes.default.svc", copy)
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
        let key = TokenKey::generate().unwrap();
        let config = Config {
            tokens: issuer(&key),
            ..config()
        };
        (Self::with(config), issuer(&key))
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
        let sim = Sim::new(1);
        let clock: Arc<dyn driver::Clock> = Arc::new(driver::ManualClock::new());
        let disk = SimDisk::new();
        let (store, writer) =
            Embedded::open_driven(disk.dir(), clock, Rng::from_seed(1), Options::default()).unwrap();
        let writer = Mutex::new(writer);
        let (store, env): (_, Arc<dyn Env>) = (Arc::new(store), Arc::new(sim.clone()));
        let opening = ApiServer::open(config, store.clone(), env);
        let server = run(&sim, &writer, opening).unwrap();
        Self {
            sim,
            writer,
            store,
            server,
        }
    }

    /// Starts the server anew over the same store.
    pub(crate) fn start_again(&mut self) {
        let env: Arc<dyn Env> = Arc::new(self.sim.clone());
        let opening = ApiServer::open(config(), self.store.clone(), env);
        self.server = run(&self.sim, &self.writer, opening).unwrap();
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
        run(&self.sim, &self.writer, async move {
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
        let server = self.server.clone();
        async move { server.handle(request, peer).await }
    }

    /// What a request of this user is answered, its body not read.
    pub(crate) fn answer(&self, user: &str, request: Request<Incoming>) -> Response<Body> {
        run(&self.sim, &self.writer, self.handle(request, named(user)))
    }

    /// Begins a request of this user; its code is there when it is answered.
    pub(crate) fn begin_as(&self, user: &str, request: Request<Incoming>) -> Arc<Mutex<Option<u16>>> {
        let (work, ended) = (self.handle(request, named(user)), Arc::new(Mutex::new(None)));
        let slot = ended.clone();
        self.sim.spawn(Box::pin(async move {
            *slot.lock().unwrap() = Some(work.await.status().as_u16());
        }));
        ended
    }

    /// Lets virtual time pass.
    pub(crate) fn pass(&self, time: Duration) {
        let slept = self.sim.sleep(time);
        run(&self.sim, &self.writer, slept);
    }

    /// Lets everybody work but the store's writer.
    pub(crate) fn run_ready(&self) {
        self.sim.run_ready();
    }

    /// Begins a request that lasts; the code is there when it has ended.
    pub(crate) fn begin(&self, path: &str) -> Arc<Mutex<Option<u16>>> {
        let request = Request::get(path).header(ACCEPT, "application/json");
        let body = Full::new(Bytes::new()).map_err(|never| BodyError(never.to_string()));
        let request = request.body(body.boxed()).unwrap();
        let (server, ended) = (self.server.clone(), Arc::new(Mutex::new(None)));
        let peer = Peer {
            internal: Some(Arc::new(UserInfo {
                groups: vec!["system:masters".to_owned()],
                ..UserInfo::default()
            })),
            ..Peer::default()
        };
        let slot = ended.clone();
        self.sim.spawn(Box::pin(async move {
            let (head, body) = server.handle(request, peer).await.into_parts();
            body.collect().await.unwrap();
            *slot.lock().unwrap() = Some(head.status.as_u16());
        }));
        ended
    }

    /// The virtual time.
    pub(crate) fn now(&self) -> driver::Instant {
        self.sim.now()
    }

    /// Lets the server's own tasks do all they can do now.
    pub(crate) fn settle(&self) {
        for _ in 0..1_000 {
            self.sim.run_ready();
            let mut writer = self.writer.lock().unwrap();
            match writer.turn() {
                Some(job) => writer.finish(job.run()),
                None => return,
            }
        }
        panic!("the server does not come to rest");
    }
}

/// Runs a future to its end, turning the store's writer whenever nobody else can work.
fn run<T: Send + 'static>(
    sim: &Sim,
    writer: &Mutex<Writer>,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let slot = Arc::new(Mutex::new(None));
    let done = slot.clone();
    sim.spawn(Box::pin(async move {
        let result = work.await;
        *done.lock().unwrap() = Some(result);
    }));
    for _ in 0..10_000 {
        sim.run_ready();
        if let Some(result) = slot.lock().unwrap().take() {
            return result;
        }
        let mut writer = writer.lock().unwrap();
        match writer.turn() {
            Some(job) => writer.finish(job.run()),
            // Nobody writes: what is awaited is time, such as the end of a watch.
            None => drop(sim.step()),
        }
    }
    panic!("the request does not end");
}
