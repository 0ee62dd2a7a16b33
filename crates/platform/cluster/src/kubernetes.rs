//! The Kubernetes API's door: its port, its certificates, the cluster's store and the server over it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use apiserver::{ApiServer, BodyError};
use controllers::Controllers;
use driver::{Clock, Env, RealDir, Rng};
use engine::supervised::Supervisor;
use http::{Request, Response};
use http_body_util::BodyExt;
use https::{Door, Drained, Identity, Limits, RequestBody, TokioEnv};
use network::Holder;
use pki::{Authority, Bundle, ClientAuthorities, Names, TokenIssuer, TokenKey};
use store::{Embedded, Options, Store};
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use crate::config::Config;
use crate::nodes::LocalNodes;
use crate::outbound::Requests;
use crate::{kubeconfig, listen, port};

/// What the supervisor keeps the listening socket under: clients that come while no daemon runs wait.
const HELD: &str = "cluster.kubernetes";
/// How long requests that are under way may still take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port cannot be had.
    #[error(transparent)]
    Listen(#[from] listen::Error),
    /// Keys and certificates cannot be read or made.
    #[error("the certificates of the API server")]
    Pki(#[from] pki::Error),
    /// The cluster's store cannot be opened.
    #[error("cannot open the cluster's store")]
    Store(#[from] store::OpenError),
    /// The server cannot be opened.
    #[error("cannot open the API server")]
    Open(#[from] apiserver::OpenError),
    /// The certificate does not serve, or the port.
    #[error("cannot serve the Kubernetes API")]
    Door(#[from] https::OpenError),
    /// The kernel refuses a file or a descriptor.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A step ended in a panic.
    #[error("a step of the start failed")]
    Step(#[from] JoinError),
}

impl From<https::TlsError> for Error {
    fn from(error: https::TlsError) -> Self {
        Self::Door(error.into())
    }
}

/// The served API, and the controllers beside it.
pub(crate) struct Kubernetes {
    pub(crate) server: ApiServer,
    pub(crate) env: Arc<dyn Env>,
    /// Who signs the client certificates that are believed, PEM.
    pub(crate) authority: String,
    /// The certificate of every server of this node.
    pub(crate) identity: Identity,
    pub(crate) nodes: LocalNodes,
    controllers: Controllers,
    door: Door,
}

impl Kubernetes {
    /// Opens store and certificates side by side, then the server over both, the controllers, and the door.
    pub(crate) async fn serve(
        config: Config,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let address = listener.local_addr()?;
        let bundle = spawn_blocking({
            let (config, clock) = (config.clone(), clock.clone());
            move || certificates(&config, address, &*clock)
        });
        let store = spawn_blocking({
            let directory = config.paths().store();
            move || open_store(&directory, clock)
        });
        let (bundle, store) = (bundle.await??, store.await??);
        let env: Arc<dyn Env> = Arc::new(TokioEnv::new(Handle::current(), Rng::from_os()?));
        let identity = Identity::from_pem(
            bundle.serving.certificate_pem().as_bytes(),
            bundle.serving.key_pem().as_bytes(),
        )?;
        let tokens = TokenKey::from_pem(bundle.tokens.private_pem())?;
        let front_proxy = Identity::from_pem(
            bundle.front_proxy_client.certificate_pem().as_bytes(),
            bundle.front_proxy_client.key_pem().as_bytes(),
        )?;
        let front_proxy = (front_proxy, bundle.front_proxy_ca.certificate_pem());
        let authority = bundle.ca.certificate_pem().to_owned();
        let nodes = LocalNodes::default();
        let settings = apiserver::Config {
            nodes: Arc::new(nodes.clone()),
            ..settings(&config, address, &bundle.ca, bundle.tokens, front_proxy)?
        };
        let server = ApiServer::open(settings, store, env.clone()).await?;
        let beside = controllers::Config {
            selected: config.kubernetes.controllers.clone(),
            root_ca: bundle.ca.certificate_pem().to_owned(),
            tokens: TokenIssuer::new(&issuer(&config), tokens),
            authority: bundle.ca,
        };
        let controllers = Controllers::start(beside, &server, &env);
        let door = Door::open(
            listener,
            identity.clone(),
            Limits::default(),
            Front(server.clone()),
        )?;
        Ok(Self {
            server,
            env,
            authority,
            identity,
            nodes,
            controllers,
            door,
        })
    }

    /// Where the API is served.
    pub(crate) fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// The URL for clients of this host.
    pub(crate) fn url(&self) -> String {
        kubeconfig::server(self.door.address())
    }

    /// Ends it: controllers while their writes are still taken, then watches, so that they do not hold up the rest.
    /// With `handover` the socket stays, for the next daemon. Answers what was cut off.
    pub(crate) async fn close(self, holder: &Supervisor, handover: bool) -> Option<String> {
        // What is not finished in time is finished by the next daemon: controllers go by how things stand.
        drop(tokio::time::timeout(PATIENCE, self.controllers.stop()).await);
        // What nobody waits for any more, or nobody reads, is not waited for either.
        drop(tokio::time::timeout(PATIENCE, self.server.drain()).await);
        let drained = self.door.drain(PATIENCE).await;
        if !handover {
            // It may have gone first.
            drop(tokio::task::block_in_place(|| holder.release(HELD)));
        }
        match drained {
            Drained::Whole => None,
            Drained::Cut(left) => Some(format!("{left} connections to the Kubernetes API were cut off")),
        }
    }
}

/// The socket of the daemon before, if it is where this one shall serve, or a new one. To be had before
/// anything is made that would have to be taken back if somebody holds the port.
pub(crate) fn listener(config: &Config, holder: &dyn Holder) -> Result<TcpListener, Error> {
    let wanted = SocketAddr::new(config.kubernetes.bind, config.kubernetes.api_port);
    held_listener(HELD, wanted, holder)
}

/// The same for any port, whose socket is kept under a key.
pub(crate) fn held_listener(
    key: &str,
    wanted: SocketAddr,
    holder: &dyn Holder,
) -> Result<TcpListener, Error> {
    let fits = |kept: &TcpListener| {
        let at = kept.local_addr();
        at.is_ok_and(|at| at.ip() == wanted.ip() && (wanted.port() == 0 || at.port() == wanted.port()))
    };
    let kept = holder.retrieve(key)?.pop().map(TcpListener::from);
    if let Some(kept) = kept.filter(fits) {
        return Ok(kept);
    }
    holder.release(key)?;
    let listener = port::bind(wanted)?;
    holder.hold(key, &[listener.as_fd()])?;
    Ok(listener)
}

/// The keys and certificates, and the kubeconfig that is made of them.
fn certificates(config: &Config, address: SocketAddr, clock: &dyn Clock) -> Result<Bundle, Error> {
    let directory = config.paths().tls();
    std::fs::create_dir_all(&directory)?;
    let bundle = Bundle::open(&RealDir::open(&directory)?, &names(config), clock.wall())?;
    let server = kubeconfig::server(address);
    kubeconfig::write(&config.paths().kubeconfig(), &config.name, &server, &bundle)?;
    Ok(bundle)
}

/// Every name and address that somebody may reach the server by.
fn names(config: &Config) -> Names {
    let kubernetes = &config.kubernetes;
    let mut names = Names::of_cluster(kubernetes.cluster_domain.as_str());
    let host = rustix::system::uname();
    let addresses = [
        kubernetes.bind,
        kubernetes.node_ip,
        kubernetes.service_cidr.first(),
    ];
    for address in addresses.iter().filter(|address| !address.is_unspecified()) {
        names.add(&address.to_string());
    }
    names.add(&host.nodename().to_string_lossy());
    names
}

fn open_store(directory: &std::path::Path, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, Error> {
    let directory = Arc::new(RealDir::open(directory)?);
    Ok(Arc::new(Embedded::open(
        directory,
        clock,
        Rng::from_os()?,
        Options::default(),
    )?))
}

/// The name under which ServiceAccount tokens are made.
fn issuer(config: &Config) -> String {
    format!(
        "https://kubernetes.default.svc.{}",
        config.kubernetes.cluster_domain
    )
}

fn settings(
    config: &Config,
    address: SocketAddr,
    ca: &Authority,
    tokens: TokenKey,
    (front_proxy, front_proxy_ca): (Identity, &str),
) -> Result<apiserver::Config, Error> {
    let kubernetes = &config.kubernetes;
    let ports = kubernetes.node_port_range;
    Ok(apiserver::Config {
        service_cidr: kubernetes.service_cidr.to_string(),
        node_port_range: (ports.first, ports.last),
        cluster_domain: kubernetes.cluster_domain.to_string(),
        advertise: kubernetes.node_ip,
        port: address.port(),
        clients: ClientAuthorities::from_pem(ca.certificate_pem())?,
        tokens: TokenIssuer::new(&issuer(config), tokens),
        root_ca: ca.certificate_pem().to_owned(),
        front_proxy_ca: front_proxy_ca.to_owned(),
        outbound: Arc::new(Requests::new(front_proxy)),
        nodes: Arc::new(apiserver::nodes::NoNodes),
    })
}

/// The server behind the door.
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
