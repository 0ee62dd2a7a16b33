//! A control plane for one test: an API server on a disk in memory, a scheduler, and a client.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use apiserver::{ApiServer, Config};
use auth::UserInfo;
use client::{
    Client, DeleteOptions, Error, Informers, ListOptions, Object, PatchKind, Resource, WriteOptions,
};
use driver::{Env, ManualClock, Rng, Sim, SimDisk};
use pki::{Authority, ClientAuthorities, TokenIssuer, TokenKey};
use scheduler::Scheduler;
use serde_json::{Value, json};
use store::{Embedded, Options, Writer};

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
pub(crate) static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
pub(crate) static EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);

fn authority() -> &'static Authority {
    static CA: std::sync::OnceLock<Authority> = std::sync::OnceLock::new();
    CA.get_or_init(|| Authority::generate("test", SystemTime::UNIX_EPOCH).unwrap())
}

fn config() -> Config {
    let ca = authority().certificate_pem();
    Config {
        service_cidr: "10.43.0.0/16".to_owned(),
        node_port_range: (30_000, 32_767),
        cluster_domain: "cluster.local".to_owned(),
        advertise: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 6443,
        clients: ClientAuthorities::from_pem(ca).unwrap(),
        tokens: TokenIssuer::new("https://kubernetes.default.svc", TokenKey::generate().unwrap()),
        root_ca: ca.to_owned(),
        front_proxy_ca: ca.to_owned(),
        outbound: Arc::new(apiserver::outbound::Offline),
        nodes: Arc::new(apiserver::nodes::NoNodes),
    }
}

/// A control plane, its executor, and the writer of its store, which nobody else turns.
pub(crate) struct Plane {
    sim: Sim,
    writer: Mutex<Writer>,
    pub(crate) server: ApiServer,
    pub(crate) client: Client,
    pub(crate) scheduler: Option<Scheduler>,
}

fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo {
        name: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..UserInfo::default()
    }
}

impl Plane {
    /// A new one, without a scheduler.
    pub(crate) fn open(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let clock = Arc::new(ManualClock::new());
        let opened = Embedded::open_driven(
            SimDisk::new().dir(),
            clock,
            Rng::from_seed(seed),
            Options::default(),
        );
        let (store, writer) = opened.unwrap();
        let writer = Mutex::new(writer);
        let env: Arc<dyn Env> = Arc::new(sim.clone());
        let server = run(&sim, &writer, ApiServer::open(config(), Arc::new(store), env)).unwrap();
        let client = Client::in_process(server.clone(), user("admin", &[UserInfo::MASTERS]), "tester");
        Self {
            sim,
            writer,
            server,
            client,
            scheduler: None,
        }
    }

    /// A new one with its scheduler.
    pub(crate) fn start(seed: u64) -> Self {
        let mut plane = Self::open(seed);
        let identity = user("system:kube-scheduler", &["system:authenticated"]);
        let client = Client::in_process(plane.server.clone(), identity, "kube-scheduler");
        plane.schedule(client);
        plane
    }

    /// Starts a scheduler that writes through this client.
    pub(crate) fn schedule(&mut self, client: Client) {
        let env: Arc<dyn Env> = Arc::new(self.sim.clone());
        let informers = Informers::in_process(self.server.clone());
        self.scheduler = Some(Scheduler::start(client, informers, &env));
    }

    /// Ends the scheduler.
    pub(crate) fn stop(&mut self) {
        let scheduler = self.scheduler.take().unwrap();
        self.run(scheduler.stop());
    }

    /// Runs a request, and whatever else can run meanwhile.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        run(&self.sim, &self.writer, work)
    }

    /// Lets everything happen that happens without time.
    pub(crate) fn settle(&self) {
        loop {
            self.sim.run_ready();
            turn(&self.writer);
            if !self.sim.is_ready() {
                return;
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        let env = self.sim.clone();
        self.run(async move { env.sleep(time).await });
        self.settle();
    }

    pub(crate) fn create(&self, resource: &'static Resource, object: &Value) -> Object {
        self.try_create(resource, object).unwrap()
    }

    pub(crate) fn try_create(&self, resource: &'static Resource, object: &Value) -> Result<Object, Error> {
        let (client, json) = (self.client.clone(), object.to_string());
        self.run(async move {
            client
                .create(resource.within("default"), json, &WriteOptions::default())
                .await
        })
    }

    /// A node with this much, and what `more` lays over it.
    pub(crate) fn node(&self, name: &str, cpu: &str, pods: u32, more: &Value) {
        let allocatable = json!({"cpu": cpu, "memory": "16Gi", "pods": pods.to_string()});
        let mut node = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"allocatable": allocatable, "capacity": allocatable},
        });
        lay_over(&mut node, more);
        self.create(&NODES, &node);
        // An event is named after its time: on a clock that stands still, two would be one.
        self.pass(Duration::from_millis(1));
        // The server taints a node that is new; a controller takes that away once it is ready.
        let taints = node["spec"]["taints"].clone();
        self.patch(&NODES, name, "", &json!({"spec": {"taints": taints}}));
    }

    /// A pod that asks for this much CPU, and what `more` lays over it.
    pub(crate) fn pod(&self, name: &str, cpu: &str, more: &Value) {
        let mut pod = json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]},
        });
        lay_over(&mut pod, more);
        self.create(&PODS, &pod);
    }

    pub(crate) fn get(&self, resource: &'static Resource, name: &str) -> Option<Value> {
        let (client, name) = (self.client.clone(), name.to_owned());
        let got = self.run(async move { client.get(resource.within("default").named(&name)).await });
        match got {
            Ok(object) => Some(object.read().unwrap()),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn list(&self, resource: &'static Resource) -> Vec<Value> {
        let client = self.client.clone();
        let list = self.run(async move {
            client
                .list_all(resource.within("default"), &ListOptions::default())
                .await
        });
        list.unwrap()
            .items
            .iter()
            .map(|object| object.read().unwrap())
            .collect()
    }

    pub(crate) fn patch(&self, resource: &'static Resource, name: &str, below: &'static str, patch: &Value) {
        let (client, name, json) = (self.client.clone(), name.to_owned(), patch.to_string());
        let patched = self.run(async move {
            let place = resource.within("default").named(&name).below(below);
            client
                .patch(place, PatchKind::Merge, json, &WriteOptions::default())
                .await
        });
        patched.unwrap();
    }

    pub(crate) fn delete(&self, resource: &'static Resource, name: &str) {
        let (client, name) = (self.client.clone(), name.to_owned());
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            ..DeleteOptions::default()
        };
        let deleted = self.run(async move {
            client
                .delete(resource.within("default").named(&name), &options)
                .await
        });
        deleted.unwrap();
    }

    /// The node of a pod; empty if it has none.
    pub(crate) fn node_of(&self, pod: &str) -> String {
        let pod = self.get(&PODS, pod).unwrap();
        pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned()
    }

    /// Status, reason and message of a pod's condition `PodScheduled`.
    pub(crate) fn scheduled(&self, pod: &str) -> (String, String, String) {
        let pod = self.get(&PODS, pod).unwrap();
        let conditions = pod["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let condition = conditions
            .iter()
            .find(|condition| condition["type"] == "PodScheduled");
        let text = |name: &str| {
            condition
                .and_then(|it| it[name].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        (text("status"), text("reason"), text("message"))
    }

    /// Type, reason and message of each event about an object.
    pub(crate) fn events(&self, name: &str) -> Vec<(String, String, String)> {
        let events = self.list(&EVENTS);
        let about = events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == name);
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        about
            .map(|event| (text(event, "type"), text(event, "reason"), text(event, "message")))
            .collect()
    }
}

fn lay_over(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                lay_over(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

fn turn(writer: &Mutex<Writer>) {
    let mut writer = writer.lock().unwrap();
    if let Some(job) = writer.turn() {
        writer.finish(job.run());
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
    for _ in 0..100_000 {
        sim.run_ready();
        if let Some(result) = slot.lock().unwrap().take() {
            return result;
        }
        turn(writer);
        if !sim.is_ready() {
            sim.step();
        }
    }
    panic!("the request does not end");
}
