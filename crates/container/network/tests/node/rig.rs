//! A node in a namespace of its own, and an outside world for it to talk to.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use driver::{Clock, Instant, Rng, SimDisk, SystemClock};
use network::{Attach, Cluster, Config, Holder, Networks, PodAttach, PodSandbox, Sandbox};
use store::{Embedded, Options, Store};
use sys::netlink::{Family, Netlink};
use sys::netns::{self, Namespace};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long something that must happen may take before the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// How long something that must not happen is waited for.
pub(crate) const NEVER: Duration = Duration::from_millis(300);

/// The supervisor's part, in memory.
#[derive(Default)]
pub(crate) struct Kept(Mutex<BTreeMap<String, Vec<OwnedFd>>>);

impl Holder for Kept {
    fn hold(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let kept: io::Result<_> = descriptors.iter().map(|fd| fd.try_clone_to_owned()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), kept?);
        Ok(())
    }

    fn retrieve(&self, name: &str) -> io::Result<Vec<OwnedFd>> {
        let kept = self.0.lock().unwrap();
        kept.get(name)
            .into_iter()
            .flatten()
            .map(OwnedFd::try_clone)
            .collect()
    }

    fn release(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }

    fn held(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
}

/// A node. Closed when dropped.
pub(crate) struct Node {
    pub(crate) networks: Option<Networks>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) holder: Arc<Kept>,
    pub(crate) config: Config,
    runtime: Runtime,
    _run: TempDir,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.networks.iter().for_each(Networks::close);
    }
}

impl Node {
    /// A node in a new namespace, with a loopback link and nothing else.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        netns::unshare().unwrap();
        up(&mut route(), 1);
        Self::called("node", change)
    }

    /// Another node in the same namespace.
    pub(crate) fn beside(&self, name: &str) -> Self {
        self.beside_with(name, |_| {})
    }

    pub(crate) fn beside_with(&self, name: &str, change: impl FnOnce(&mut Config)) -> Self {
        assert_ne!(self.config.instance, name);
        Self::called(name, change)
    }

    /// The namespace is the test's own, so that names need not be unique on the host.
    fn called(name: &str, change: impl FnOnce(&mut Config)) -> Self {
        let run = TempDir::new().unwrap();
        let mut config = Config::new(name, run.path().to_owned());
        config.ready = 2;
        config.resolv_conf = run.path().join("resolv.conf");
        std::fs::write(&config.resolv_conf, "nameserver 192.0.2.53\n").unwrap();
        change(&mut config);
        let (clock, rng) = (Arc::new(SystemClock::new()), Rng::from_seed(7));
        let store = Embedded::open(SimDisk::new().dir(), clock, rng, Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut node = Self {
            networks: None,
            store: Arc::new(store),
            holder: Arc::default(),
            config,
            runtime,
            _run: run,
        };
        node.open();
        node
    }

    /// A node of a cluster.
    pub(crate) fn of_cluster() -> Self {
        Self::with(|config| config.cluster = Some(cluster()))
    }

    pub(crate) fn pod(&self, name: &str) -> Pod {
        self.pod_with(name, |_| {})
    }

    pub(crate) fn pod_with(&self, name: &str, change: impl FnOnce(&mut PodAttach)) -> Pod {
        let mut request = PodAttach {
            pod: name.to_owned(),
            ..PodAttach::default()
        };
        change(&mut request);
        Pod::of(self.networks().attach_pod(request).unwrap())
    }

    pub(crate) fn open(&mut self) {
        let networks = Networks::open(
            self.config.clone(),
            self.store.clone(),
            self.holder.clone(),
            Arc::new(SystemClock::new()),
            Rng::from_os().unwrap(),
            self.runtime.handle().clone(),
        );
        self.networks = Some(networks.unwrap());
    }

    /// The daemon dies and comes back.
    pub(crate) fn reopen(&mut self) {
        self.networks = None;
        self.open();
    }

    pub(crate) fn networks(&self) -> &Networks {
        self.networks.as_ref().unwrap()
    }

    /// A container called `name` on `network`.
    pub(crate) fn attach(&self, name: &str, network: &str) -> Container {
        self.attach_with(name, network, |_| {})
    }

    pub(crate) fn attach_with(
        &self,
        name: &str,
        network: &str,
        change: impl FnOnce(&mut Attach),
    ) -> Container {
        let mut request = request(name, network);
        change(&mut request);
        Container::of(self.networks().attach(request).unwrap())
    }
}

/// The addresses of the tests' cluster.
pub(crate) fn cluster() -> Cluster {
    let cidr = |text: &str| text.parse().unwrap();
    Cluster {
        ready: 2,
        ..Cluster::new(cidr("10.42.0.0/24"), cidr("10.43.0.0/16"), DNS)
    }
}

pub(crate) const DNS: Ipv4Addr = Ipv4Addr::new(10, 43, 0, 10);

/// A pod: a namespace and an address.
pub(crate) struct Pod {
    pub(crate) sandbox: Arc<PodSandbox>,
    pub(crate) namespace: Namespace,
}

impl Pod {
    pub(crate) fn of(sandbox: Arc<PodSandbox>) -> Self {
        let namespace = Namespace::open(&sandbox.key).unwrap();
        Self { sandbox, namespace }
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.sandbox.address
    }

    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.run(work).unwrap()
    }

    /// Listens on a port of all its addresses.
    pub(crate) fn listen(&self, port: u16) -> Server {
        Server::start(self.run(move || TcpListener::bind(("0.0.0.0", port))).unwrap())
    }

    /// What a server says to it.
    pub(crate) fn ask(&self, to: impl Into<SocketAddr>) -> Option<IpAddr> {
        let to = to.into();
        self.run(move || ask(to))
    }

    /// Whether it reaches nobody there.
    pub(crate) fn silent(&self, to: impl Into<SocketAddr>) -> bool {
        let to = to.into();
        self.run(move || silent(to))
    }
}

/// What a container called `name` on `network` asks for. Its id is its name in hex digits.
pub(crate) fn request(name: &str, network: &str) -> Attach {
    Attach {
        container: id(name),
        name: name.to_owned(),
        hostname: name.to_owned(),
        networks: vec![(network.to_owned(), network::EndpointSpec::default())],
        ..Attach::default()
    }
}

pub(crate) fn id(name: &str) -> String {
    let mut id: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    id.extend(std::iter::repeat_n('0', 64 - id.len()));
    id
}

/// A container, as far as the network is concerned: a namespace.
pub(crate) struct Container {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) namespace: Namespace,
}

impl Container {
    pub(crate) fn of(sandbox: Arc<Sandbox>) -> Self {
        let namespace = Namespace::open(sandbox.key.as_ref().unwrap()).unwrap();
        Self { sandbox, namespace }
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.sandbox.endpoints[0].ipv4.unwrap().0
    }

    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.run(work).unwrap()
    }

    /// Listens on a port of all its addresses.
    pub(crate) fn listen(&self, port: u16) -> Server {
        Server::start(self.run(move || TcpListener::bind(("::", port))).unwrap())
    }

    /// Whether it reaches nobody there.
    pub(crate) fn silent(&self, to: impl Into<SocketAddr>) -> bool {
        let to = to.into();
        self.run(move || silent(to))
    }

    /// What a server says to it.
    pub(crate) fn ask(&self, to: impl Into<SocketAddr>) -> Option<IpAddr> {
        let to = to.into();
        self.run(move || ask(to))
    }
}

/// Tells each client which address it comes from. Ends with its listener when dropped.
pub(crate) struct Server {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(listener: TcpListener) -> Self {
        Self::answering(listener, |peer| peer.to_string())
    }

    /// Says what `answer` makes of the client's address.
    pub(crate) fn answering(
        listener: TcpListener,
        answer: impl Fn(IpAddr) -> String + Send + 'static,
    ) -> Self {
        let own = listener.try_clone().unwrap();
        let serve = move || {
            for client in own.incoming() {
                let Ok(mut client) = client else { return };
                let peer = client.peer_addr().map(|peer| answer(peer.ip().to_canonical()));
                let _ = client.write_all(peer.unwrap_or_default().as_bytes());
            }
        };
        let thread = Some(std::thread::spawn(serve));
        Self { listener, thread }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // shutdown(2) of a listening socket ends accept(2).
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap();
        self.thread
            .take()
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }
}

/// Whether nobody answers a connection.
pub(crate) fn silent(to: impl Into<SocketAddr>) -> bool {
    TcpStream::connect_timeout(&to.into(), NEVER).is_err()
}

/// Asks a [`Server`] which address the caller comes from; `None` when nobody answers.
pub(crate) fn ask(to: SocketAddr) -> Option<IpAddr> {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.parse().ok()
}

pub(crate) fn route() -> Netlink {
    Netlink::open(Family::Route).unwrap()
}

/// An attribute.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A message.
pub(crate) fn message(kind: u16, flags: u16, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((flags | 1).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

fn link_header(index: u32, up: bool) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8] = up.into();
    header[12] = up.into();
    header
}

fn up(netlink: &mut Netlink, index: u32) {
    netlink
        .request(&mut message(16, 0, &[&link_header(index, true)]))
        .unwrap();
}

fn address(netlink: &mut Netlink, index: u32, ip: Ipv4Addr, prefix: u8) {
    let [a, b, c, d] = index.to_ne_bytes();
    let header = [2, prefix, 0, 0, a, b, c, d];
    let octets = ip.octets();
    netlink
        .request(&mut message(
            20,
            0x500,
            &[&header, &attribute(2, &octets), &attribute(1, &octets)],
        ))
        .unwrap();
}

/// A host beside the node, on a wire of its own: the node is 192.0.2.1, the world 192.0.2.2. It
/// knows no way to anything behind the node.
pub(crate) struct World(pub(crate) Namespace);

pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const WORLD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

impl World {
    pub(crate) fn new() -> Self {
        let mut host = route();
        let build = || {
            let here = Namespace::current().unwrap();
            let descriptor = here.as_fd().as_raw_fd().to_ne_bytes();
            let peer = [
                &link_header(9, false)[..],
                &attribute(3, b"wire\0"),
                &attribute(28, &descriptor),
            ]
            .concat();
            let data = attribute(2, &attribute(1, &peer));
            let info = attribute(18, &[attribute(1, b"veth"), data].concat());
            host.request(&mut message(
                16,
                0x600,
                &[&link_header(9, false), &attribute(3, b"wire\0"), &info],
            ))
            .unwrap();
            up(&mut host, 9);
            address(&mut host, 9, NODE, 24);
            let mut inside = route();
            up(&mut inside, 1);
            up(&mut inside, 9);
            address(&mut inside, 9, WORLD, 24);
        };
        Self(Namespace::create(build).unwrap().0)
    }

    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.run(work).unwrap()
    }

    pub(crate) fn ask(&self, to: impl Into<SocketAddr>) -> Option<IpAddr> {
        let to = to.into();
        self.run(move || ask(to))
    }

    /// Whether it reaches nobody there.
    pub(crate) fn silent(&self, to: impl Into<SocketAddr>) -> bool {
        let to = to.into();
        self.run(move || silent(to))
    }

    pub(crate) fn listen(&self, port: u16) -> Server {
        Server::start(self.run(move || TcpListener::bind(("0.0.0.0", port))).unwrap())
    }

    /// Packets to a subnet go to the node, as from a host that wants to reach containers directly.
    pub(crate) fn route_to(&self, subnet: Ipv4Addr) {
        self.run(|| {
            let header = [2, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
            let parts: [&[u8]; 3] = [
                &header,
                &attribute(1, &subnet.octets()),
                &attribute(5, &NODE.octets()),
            ];
            route().request(&mut message(24, 0x400, &parts)).unwrap();
        });
    }
}

/// Waits until something that happens in the background has happened.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    while !holds() {
        assert!(clock.now() < Instant::from_origin(LIMIT), "{what}");
        std::thread::yield_now();
    }
}

/// Sends packets to 127.0.0.1 through `gateway` instead of the loopback link, from an address of its own: for a
/// container that means harm.
pub(crate) fn hijack_loopback(gateway: Ipv4Addr, own: Ipv4Addr) {
    let mut netlink = route();
    // With the address its routes go, and answers from it are believed.
    let on_loopback = [2, 8, 0, 254, 1, 0, 0, 0];
    let address = attribute(2, &[127, 0, 0, 1]);
    netlink
        .request(&mut message(21, 0, &[&on_loopback, &address]))
        .unwrap();
    let via = [2, 32, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
    let parts: [&[u8]; 4] = [
        &via,
        &attribute(1, &[127, 0, 0, 1]),
        &attribute(5, &gateway.octets()),
        &attribute(7, &own.octets()),
    ];
    netlink.request(&mut message(24, 0x400, &parts)).unwrap();
}

/// A /16 that the host has a route to: through its loopback link, which does for a test.
pub(crate) fn add_dummy_route(subnet: [u8; 4]) {
    let header = [2, 16, 0, 0, 254, 3, 253, 1, 0, 0, 0, 0];
    let parts: [&[u8]; 3] = [
        &header,
        &attribute(1, &subnet),
        &attribute(4, &1_u32.to_ne_bytes()),
    ];
    route().request(&mut message(24, 0x400, &parts)).unwrap();
}
