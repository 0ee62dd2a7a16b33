//! The node's side of Kubernetes: the pods on it, and what leads to them.
//!
//! It stands on both halves that are open by then: the engine with its networks, and the API server. What it starts, it
//! ends first: a kubelet that outlives its engine would start again what is being stopped.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use client::{Client, Informers, Recorder, Resource, WriteOptions};
use disk::Disk;
use distribution::Registries;
use dns::Zone;
use driver::Clock;
use driver::env::Doing;
use engine::Engine;
use https::{Door, Limits};
use image::Images;
use kubelet::node::{self, Host, Machine, NodeAgent};
use kubelet::traits::Services;
use kubelet::{Health, Kubelet, NodeFacts};
use kubelet_server::Server;
use kuberuntime::files::{Cluster, NodeFiles};
use kuberuntime::machine::MachineReader;
use kuberuntime::{ManifestDirectory, Pods as Runtime};
use network::{Holder, Networks};
use pki::ClientAuthorities;
use proxy::Proxy;
use scheduler::Scheduler;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::Instrument;

use crate::attendant::{Attendant, NoPods};
use crate::config::Config;
use crate::datapath::{Api, Kernel};
use crate::kubernetes::{self, Kubernetes};
use crate::names::Names;
use crate::node::{Error, blocking};
use crate::stage;

/// The Kubernetes that this node's kubelet is the kubelet of.
const KUBELET_VERSION: &str = concat!("v1.36.3+gantry", env!("CARGO_PKG_VERSION"));
/// What the supervisor keeps the kubelet's listening socket under.
const HELD: &str = "cluster.kubelet";
static SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);

/// How long each part may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the node's side stands on.
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a Config,
    pub(crate) kubernetes: &'a Kubernetes,
    pub(crate) engine: &'a Engine,
    pub(crate) images: &'a Images,
    pub(crate) networks: &'a Networks,
    pub(crate) registries: &'a Registries,
    pub(crate) disk: &'a Disk,
    pub(crate) clock: &'a Arc<dyn Clock>,
}

/// Everything of a node that runs pods.
pub(crate) struct Pods {
    agent: NodeAgent,
    kubelet: Kubelet,
    runtime: Runtime,
    door: Door,
    /// Both go by being dropped.
    _proxy: Arc<Proxy>,
    _zone: Arc<Zone>,
}

impl Pods {
    /// Opens it and waits until the node is registered, and its services and names are served.
    pub(crate) async fn open(ground: Ground<'_>, listener: TcpListener) -> Result<Self, Error> {
        let (env, informers) = (&ground.kubernetes.env, ground.informers());
        let zone = Zone::start(&informers, ground.domain(), env);
        let (proxy, agent, kubelet, runtime, door) = async {
            let name = node_name();
            let api = Api {
                advertised: ground.config.kubernetes.node_ip,
                served: ground.kubernetes.address(),
            };
            let kernel = Arc::new(Kernel::new(ground.networks.clone(), api));
            let proxy = Arc::new(Proxy::start(&informers, &name, kernel, env));
            let disk = ground.disk.clone();
            let reader = MachineReader::new(ground.images.clone(), &ground.config.data_dir, move || {
                disk.look();
            });
            let machine = reader.machine().await;
            let settings = ground.node_config(&name, listener.local_addr()?.port());
            let facts = machine.facts(&settings, ground.domain());
            let runtime = blocking(&tracing::Span::current(), || ground.runtime(&machine))?;
            let client = ground.client(&name);
            let recorder = Recorder::start(client.clone(), env, "kubelet", &name);
            let agent = NodeAgent::start(settings, client.clone(), Arc::new(reader), recorder, env);
            let kubelet = ground.kubelet(client.clone(), facts, &runtime, &proxy);
            let door = ground.door(name, client, &runtime, kubelet.health(), listener)?;
            kubelet.ready().await;
            Ok::<_, Error>((proxy, agent, kubelet, runtime, door))
        }
        .instrument(stage!("kubelet"))
        .await?;
        async {
            ground.name_service().await;
            zone.synced().await;
            blocking(&tracing::Span::current(), || {
                ground.networks.serve_cluster(Arc::new(Names(zone.clone())))
            })
        }
        .instrument(stage!("dns"))
        .await?;
        async {
            agent.registered().await;
            ground.give_roles().await;
            proxy.synced().await;
        }
        .instrument(stage!("node ready"))
        .await;
        Ok(Self {
            agent,
            kubelet,
            runtime,
            door,
            _proxy: proxy,
            _zone: zone,
        })
    }

    /// Ends what decides; containers go on. Answers what is left: what pods have in the kernel.
    pub(crate) async fn stop(self) -> Runtime {
        // What is not finished in time is finished by the next daemon: everything goes by how things stand.
        drop(timeout(PATIENCE, self.kubelet.stop()).await);
        drop(timeout(PATIENCE, self.agent.stop()).await);
        self.door.drain(PATIENCE).await;
        self.runtime
    }
}

impl Ground<'_> {
    /// What looks after the disk hears of pods, and is heard, through this.
    pub(crate) fn attendant(&self) -> Arc<dyn disk::Node> {
        if self.config.kubernetes.without.kubelet {
            return Arc::new(NoPods);
        }
        let (name, env) = (node_name(), &self.kubernetes.env);
        let recorder = Recorder::start(self.client(&name), env, "kubelet", &name);
        Arc::new(Attendant::new(name, self.informers(), recorder))
    }

    fn domain(&self) -> &str {
        self.config.kubernetes.cluster_domain.as_str()
    }

    fn informers(&self) -> Informers {
        Informers::in_process(self.kubernetes.server.clone())
    }

    /// A client that speaks for the node.
    fn client(&self, node: &str) -> Client {
        let user = auth::UserInfo {
            name: format!("system:node:{node}"),
            groups: vec!["system:nodes".to_owned()],
            ..auth::UserInfo::default()
        };
        Client::in_process(self.kubernetes.server.clone(), user, "kubelet")
    }

    fn node_config(&self, name: &str, kubelet_port: u16) -> node::Config {
        let kubernetes = &self.config.kubernetes;
        node::Config {
            name: name.into(),
            address: kubernetes.node_ip,
            kubelet_port,
            max_pods: kubernetes.max_pods,
            pod_cidr: Some(kubernetes.pod_cidr.to_string()),
            labels: std::collections::BTreeMap::new(),
            version: KUBELET_VERSION.to_owned(),
            runtime_version: format!("gantry://{}", crate::VERSION),
        }
    }

    fn runtime(&self, machine: &Machine) -> Result<Runtime, Error> {
        let paths = self.config.paths();
        let config = kuberuntime::Config {
            instance: self.config.name.to_string(),
            root: paths.kubelet(),
            log_root: paths.pod_logs(),
            run_dir: self.config.run_dir.clone(),
            cluster: Cluster {
                domain: self.domain().to_owned(),
                server: Some(self.config.kubernetes.cluster_dns()),
            },
            node_files: NodeFiles::default(),
            memory: machine.memory,
            milli_cpu: i64::try_from(machine.cpus).unwrap_or(1) * 1000,
            clock: self.clock.clone(),
            registries: self.registries.clone(),
        };
        Ok(Runtime::open(config, self.engine.clone())?)
    }

    fn kubelet(&self, client: Client, facts: NodeFacts, runtime: &Runtime, proxy: &Arc<Proxy>) -> Kubelet {
        let parts = kubelet::Parts {
            client,
            informers: self.informers(),
            runtime: Arc::new(runtime.clone()),
            volumes: Arc::new(runtime.clone()),
            prober: Arc::new(runtime.clone()),
            services: Arc::new(Left(proxy.clone())),
            manifests: Arc::new(ManifestDirectory::open(self.config.paths().manifests())),
        };
        Kubelet::start(kubelet::Config { facts }, parts, &self.kubernetes.env)
    }

    /// The kubelet's own API: for the API server by a call, for everybody else on its port.
    fn door(
        &self,
        name: String,
        client: Client,
        runtime: &Runtime,
        health: Health,
        listener: TcpListener,
    ) -> Result<Door, Error> {
        let server = Server::new(kubelet_server::Parts {
            node: name.clone(),
            client,
            informers: self.informers(),
            clients: ClientAuthorities::from_pem(&self.kubernetes.authority)
                .map_err(kubernetes::Error::from)?,
            streams: Arc::new(runtime.clone()),
            healthy: Arc::new(move || health.check()),
            env: self.kubernetes.env.clone(),
        });
        self.kubernetes.nodes.serve(name, server.clone());
        let identity = self.kubernetes.identity.clone();
        let door = Door::open(listener, identity, Limits::default(), server);
        Ok(door.map_err(kubernetes::Error::from)?)
    }

    fn administrator(&self) -> Client {
        let user = auth::UserInfo {
            name: "gantry".to_owned(),
            groups: vec![auth::UserInfo::MASTERS.to_owned()],
            ..auth::UserInfo::default()
        };
        Client::in_process(self.kubernetes.server.clone(), user, "gantry")
    }

    /// No node may give itself a role, so an administrator does.
    async fn give_roles(&self) {
        let given = node::give_roles(&self.administrator(), &node_name(), &["control-plane"]).await;
        if let Err(error) = given {
            tracing::warn!(%error, "the node has no role");
        }
    }

    /// The Service that the name server is known by, unless it is there. It leads to no pod: the node answers itself.
    async fn name_service(&self) {
        let (client, place) = (self.administrator(), SERVICES.within("kube-system"));
        // Not by creating it: its own address is taken then, which is told before its name is.
        if client.get(place.named("kube-dns")).await.is_ok() {
            return;
        }
        let object = name_service(self.config.kubernetes.cluster_dns()).to_string();
        let made = client.create(place, object, &WriteOptions::default()).await;
        match made {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {}
            Err(error) => tracing::warn!(%error, "the name server has no Service"),
        }
    }
}

/// What schedules pods to nodes, as upstream's process of this name.
pub(crate) fn scheduler(kubernetes: &Kubernetes) -> Scheduler {
    let user = auth::UserInfo {
        name: "system:kube-scheduler".to_owned(),
        ..auth::UserInfo::default()
    };
    let client = Client::in_process(kubernetes.server.clone(), user, "kube-scheduler");
    let informers = Informers::in_process(kubernetes.server.clone());
    let scheduler = Scheduler::start(client, informers, &kubernetes.env);
    kubernetes.server.register("scheduler", scheduler.probe());
    scheduler
}

/// Where the kubelet's own API listens: the socket of the daemon before, or a new one.
pub(crate) fn listener(config: &Config, holder: &dyn Holder) -> Result<TcpListener, Error> {
    let address = SocketAddr::new(config.kubernetes.bind, config.kubernetes.kubelet_port);
    Ok(kubernetes::held_listener(HELD, address, holder)?)
}

/// Gives the socket up.
pub(crate) fn release(holder: &dyn Holder) {
    // It may have gone first.
    drop(holder.release(HELD));
}

/// As CoreDNS' own manifests have it, without its pods.
fn name_service(address: IpAddr) -> Value {
    json!({
        "metadata": {"name": "kube-dns", "labels": {
            "k8s-app": "kube-dns",
            "kubernetes.io/cluster-service": "true",
            "kubernetes.io/name": "CoreDNS",
        }},
        "spec": {"clusterIP": address, "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ]},
    })
}

/// The host's name, as nodes are called.
fn node_name() -> String {
    let host = rustix::system::uname();
    host.nodename().to_string_lossy().to_lowercase()
}

/// The services of the node, for its kubelet.
struct Left(Arc<Proxy>);

impl Services for Left {
    fn left(&self, pod: IpAddr) -> Doing<()> {
        self.0.left(pod)
    }
}
