//! A cluster of one node: a real API server with its door, and the kubelet's server behind it and on a port of its own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use apiserver::nodes::{NodeTarget, Nodes, Upgrade};
use apiserver::outbound::{OutboundError, Sending};
use apiserver::{ApiServer, BodyError};
use auth::UserInfo;
use bytes::Bytes;
use client::{Client, Informers, PatchKind, Resource, WriteOptions};
use driver::{Env, RealDir, Rng, SystemClock};
use http::{Request, Response};
use http_body_util::BodyExt;
use https::{Door, Identity, Limits, RequestBody, TokioEnv};
use kubelet_server::{Parts, Server};
use pki::{Authority, ClientAuthorities, Leaf, Profile, SubjectName, TokenIssuer, TokenKey, Usage};
use serde_json::{Value, json};
use store::{Embedded, Options};
use tempfile::TempDir;
use tokio::runtime::{Handle, Runtime};

use crate::double::Double;

static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);

/// The node's name.
pub(crate) const NODE: &str = "here";

/// A running cluster.
pub(crate) struct Cluster {
    pub(crate) directory: TempDir,
    pub(crate) kubelet: SocketAddr,
    pub(crate) authority: Authority,
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    doors: Vec<Door>,
}

/// The kubelet's server opens after the API server.
#[derive(Default)]
struct Later(OnceLock<Server>);

struct Slot(Arc<Later>);

impl Nodes for Slot {
    fn call(&self, node: &NodeTarget, request: Request<Bytes>, upgrade: Upgrade) -> Sending {
        match self.0.0.get() {
            Some(server) => Nodes::call(server, node, request, upgrade),
            None => Box::pin(async { Err(OutboundError::Offline) }),
        }
    }
}

/// The API server behind its door.
#[derive(Clone)]
struct Front(ApiServer);

impl https::Service for Front {
    type Body = apiserver::Body;

    async fn call(&self, request: Request<RequestBody>, peer: https::Peer) -> Response<apiserver::Body> {
        let peer = apiserver::Peer {
            address: Some(peer.address),
            certificates: peer.certificates,
            internal: None,
        };
        let readable = |body: RequestBody| body.map_err(|error| BodyError(error.to_string())).boxed();
        self.0.handle(request.map(readable), peer).await
    }
}

pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "TLS goes by the real clock")]
    SystemTime::now()
}

/// A certificate of the cluster's.
pub(crate) fn leaf(authority: &Authority, name: &str, groups: &[&str], usage: Usage) -> Leaf {
    let names = [SubjectName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    let profile = Profile {
        common_name: name,
        organizations: groups,
        names: if usage == Usage::Server { &names } else { &[] },
        usage,
        validity: Duration::from_secs(3600),
    };
    authority.issue(&profile, now()).unwrap()
}

fn identity(leaf: &Leaf) -> Identity {
    Identity::from_pem(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes()).unwrap()
}

fn in_process(server: &ApiServer, name: &str, group: &str) -> Client {
    let user = UserInfo {
        name: name.to_owned(),
        groups: vec![group.to_owned(), "system:authenticated".to_owned()],
        ..UserInfo::default()
    };
    Client::in_process(server.clone(), user, "test")
}

impl Cluster {
    /// Starts one, with the node and its pods.
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let directory = TempDir::new().unwrap();
        let authority = Authority::generate("test", now()).unwrap();
        let (client, doors) = runtime.block_on(open(&directory, &authority));
        let cluster = Self {
            kubelet: doors[1].address(),
            directory,
            authority,
            runtime,
            client,
            doors,
        };
        cluster.kubeconfig("admin", &["system:masters"]);
        cluster.populate();
        cluster
    }

    /// Writes a kubeconfig of a user, and answers where.
    pub(crate) fn kubeconfig(&self, user: &str, groups: &[&str]) -> PathBuf {
        let leaf = leaf(&self.authority, user, groups, Usage::Client);
        let file = |name: &str, text: &str| {
            let path = self.directory.path().join(format!("{user}.{name}"));
            fs::write(&path, text).unwrap();
            path
        };
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {
                "server": format!("https://{}", self.doors[0].address()),
                "certificate-authority": file("ca", self.authority.certificate_pem()),
            }}],
            "users": [{"name": "u", "user": {
                "client-certificate": file("crt", leaf.certificate_pem()),
                "client-key": file("key", leaf.key_pem()),
            }}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        });
        file("kubeconfig", &config.to_string())
    }

    /// The node, a pod of one container that runs, one of two, one that waits, and one that runs nowhere.
    fn populate(&self) {
        self.create(
            &NODES,
            &json!({"metadata": {"name": NODE}}),
            &json!({
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self.kubelet.port()}},
            }),
        );
        let running = |name: &str| {
            json!({
                "name": name, "image": "i", "imageID": "i", "ready": true, "restartCount": 1,
                "containerID": format!("g://{name}-1"),
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                "lastState": {"terminated": {"exitCode": 1, "containerID": format!("g://{name}-0")}},
            })
        };
        let waiting = json!({
            "name": "one", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ContainerCreating"}},
        });
        let status = |statuses: &[Value]| json!({"phase": "Running", "containerStatuses": statuses});
        self.pod("single", NODE, &["one"], &status(&[running("one")]));
        self.pod(
            "double",
            NODE,
            &["one", "two"],
            &status(&[running("one"), running("two")]),
        );
        self.pod("stopped", NODE, &["three"], &status(&[running("three")]));
        self.pod("waiting", NODE, &["one"], &status(&[waiting]));
        self.pod("nowhere", "", &["one"], &json!({"phase": "Pending"}));
    }

    fn pod(&self, name: &str, node: &str, containers: &[&str], status: &Value) {
        let containers: Vec<Value> = containers
            .iter()
            .map(|name| json!({"name": name, "image": "i", "stdin": true}))
            .collect();
        let pod = json!({
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": node, "containers": containers, "automountServiceAccountToken": false},
        });
        self.create(&PODS, &pod, status);
    }

    fn create(&self, resource: &Resource, object: &Value, status: &Value) {
        let mut object = object.clone();
        object["apiVersion"] = "v1".into();
        object["kind"] = (*resource.kind).into();
        let options = WriteOptions::default();
        let within = resource.within("default");
        let (name, body) = (object["metadata"]["name"].as_str().unwrap(), object.to_string());
        let made = self.client.create(within, body, &options);
        self.runtime.block_on(made).unwrap();
        let place = within.named(name).below("status");
        let patch = json!({"status": status}).to_string();
        let patched = self.client.patch(place, PatchKind::Merge, patch, &options);
        self.runtime.block_on(patched).unwrap();
    }
}

async fn open(directory: &TempDir, authority: &Authority) -> (Client, Vec<Door>) {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (api, kubelet) = (listen(), listen());
    let env: Arc<dyn Env> = Arc::new(TokioEnv::new(Handle::current(), Rng::from_seed(1)));
    let dir = Arc::new(RealDir::open(directory.path()).unwrap());
    let clock = Arc::new(SystemClock::new());
    let store = Embedded::open(dir, clock, Rng::from_seed(2), Options::default()).unwrap();
    let (key, ca, later) = (
        TokenKey::generate().unwrap(),
        authority.certificate_pem(),
        Arc::new(Later::default()),
    );
    let config = apiserver::Config {
        service_cidr: "10.43.0.0/16".to_owned(),
        node_port_range: (30_000, 32_767),
        cluster_domain: "cluster.local".to_owned(),
        advertise: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: api.local_addr().unwrap().port(),
        clients: ClientAuthorities::from_pem(ca).unwrap(),
        tokens: TokenIssuer::new("https://kubernetes.default.svc", key),
        root_ca: ca.to_owned(),
        front_proxy_ca: ca.to_owned(),
        outbound: Arc::new(apiserver::outbound::Offline),
        nodes: Arc::new(Slot(later.clone())),
    };
    let server = ApiServer::open(config, Arc::new(store), env.clone())
        .await
        .unwrap();
    let parts = Parts {
        node: NODE.to_owned(),
        client: in_process(&server, &format!("system:node:{NODE}"), "system:nodes"),
        informers: Informers::in_process(server.clone()),
        clients: ClientAuthorities::from_pem(ca).unwrap(),
        streams: Arc::new(Double),
        healthy: Arc::new(|| Ok(())),
        env,
    };
    let own = Server::new(parts);
    later.0.set(own.clone()).ok().unwrap();
    let serving = || identity(&leaf(authority, "server", &[], Usage::Server));
    let admin = in_process(&server, "admin", "system:masters");
    let doors = vec![
        Door::open(api, serving(), Limits::default(), Front(server)).unwrap(),
        Door::open(kubelet, serving(), Limits::default(), own).unwrap(),
    ];
    (admin, doors)
}
