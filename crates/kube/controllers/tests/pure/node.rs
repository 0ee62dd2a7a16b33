//! A control plane for one test: an API server on a disk that forgets, controllers, and a client.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use apiserver::{ApiServer, Config};
use auth::UserInfo;
use client::{
    Client, DeleteOptions, Error, ListOptions, Object, PatchKind, Propagation, Resource, WriteOptions,
};
use controllers::Controllers;
use driver::{Env, ManualClock, Rng, Sim, SimDisk};
use pki::{Authority, ClientAuthorities, TokenIssuer, TokenKey};
use serde_json::{Value, json};
use store::{Embedded, Options, Writer};

pub(crate) static NAMESPACES: Resource = Resource::new("", "v1", "namespaces", "Namespace", false);
pub(crate) static MAPS: Resource = Resource::new("", "v1", "configmaps", "ConfigMap", true);
pub(crate) static SECRETS: Resource = Resource::new("", "v1", "secrets", "Secret", true);
pub(crate) static ACCOUNTS: Resource = Resource::new("", "v1", "serviceaccounts", "ServiceAccount", true);
pub(crate) static EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);
pub(crate) static CLASSES: Resource = Resource::new(
    "scheduling.k8s.io",
    "v1",
    "priorityclasses",
    "PriorityClass",
    false,
);

/// Keys that a restart finds again.
struct Keys {
    ca: Authority,
    token: String,
}

fn keys() -> &'static Keys {
    static KEYS: std::sync::OnceLock<Keys> = std::sync::OnceLock::new();
    KEYS.get_or_init(|| Keys {
        ca: Authority::generate("test", SystemTime::UNIX_EPOCH).unwrap(),
        token: TokenKey::generate().unwrap().private_pem().to_owned(),
    })
}

fn tokens() -> TokenIssuer {
    let key = TokenKey::from_pem(&keys().token).unwrap();
    TokenIssuer::new("https://kubernetes.default.svc", key)
}

fn config() -> Config {
    let ca = keys().ca.certificate_pem();
    Config {
        service_cidr: "10.43.0.0/16".to_owned(),
        node_port_range: (30_000, 32_767),
        cluster_domain: "cluster.local".to_owned(),
        advertise: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 6443,
        clients: ClientAuthorities::from_pem(ca).unwrap(),
        tokens: tokens(),
        root_ca: ca.to_owned(),
        front_proxy_ca: ca.to_owned(),
        outbound: Arc::new(apiserver::outbound::Offline),
        nodes: Arc::new(apiserver::nodes::NoNodes),
    }
}

/// A control plane, its executor, and the writer of its store, which nobody else turns.
pub(crate) struct Node {
    sim: Sim,
    disk: SimDisk,
    /// The store's, which is not the executor's.
    clock: Arc<ManualClock>,
    writer: Mutex<Writer>,
    pub(crate) server: ApiServer,
    pub(crate) client: Client,
    controllers: Option<Controllers>,
}

impl Node {
    /// A new one, with its controllers.
    pub(crate) fn start(seed: u64) -> Self {
        Self::open(seed, SimDisk::new()).with_controllers()
    }

    /// One over a disk, without controllers.
    pub(crate) fn open(seed: u64, disk: SimDisk) -> Self {
        let sim = Sim::new(seed);
        let clock = Arc::new(ManualClock::new());
        let rng = Rng::from_seed(seed);
        let opened = Embedded::open_driven(disk.dir(), clock.clone(), rng, Options::default());
        let (store, writer) = opened.unwrap();
        let writer = Mutex::new(writer);
        let env: Arc<dyn Env> = Arc::new(sim.clone());
        let opening = ApiServer::open(config(), Arc::new(store), env);
        let server = run(&sim, &writer, opening).unwrap();
        let admin = UserInfo {
            name: "admin".to_owned(),
            groups: vec![UserInfo::MASTERS.to_owned()],
            ..UserInfo::default()
        };
        let client = Client::in_process(server.clone(), admin, "tester");
        Self {
            sim,
            disk,
            clock,
            writer,
            server,
            client,
            controllers: None,
        }
    }

    /// Starts the controllers.
    pub(crate) fn with_controllers(mut self) -> Self {
        let config = controllers::Config {
            selected: controllers::Selection::default(),
            root_ca: keys().ca.certificate_pem().to_owned(),
            tokens: tokens(),
            authority: Authority::from_pem(keys().ca.certificate_pem(), keys().ca.key_pem()).unwrap(),
        };
        let env: Arc<dyn Env> = Arc::new(self.sim.clone());
        self.controllers = Some(Controllers::start(config, &self.server, &env));
        self
    }

    /// The executor.
    pub(crate) fn sim(&self) -> Sim {
        self.sim.clone()
    }

    /// Cuts the power and starts anew.
    pub(crate) fn crash(self, seed: u64) -> Self {
        let disk = self.disk.clone();
        drop(self);
        disk.crash(&mut Rng::from_seed(seed));
        Self::open(seed, disk)
    }

    /// Runs a request, and whatever else can run meanwhile.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        run(&self.sim, &self.writer, work)
    }

    /// Lets everything happen that happens without time.
    pub(crate) fn settle(&self) {
        while self.turn() {}
    }

    /// One round of whatever can run; false if nothing can.
    pub(crate) fn turn(&self) -> bool {
        self.sim.run_ready();
        let wrote = turn(&self.writer);
        wrote || self.sim.is_ready()
    }

    /// Lets time pass, for the store too.
    pub(crate) fn pass(&self, time: Duration) {
        self.settle();
        self.clock.advance(time);
        let env = self.sim.clone();
        self.run(async move { env.sleep(time).await });
        self.settle();
    }

    /// Lets everything happen, time included, until this holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            self.settle();
            if holds(self) {
                return;
            }
            assert!(self.sim.step(), "never: {what}");
        }
        panic!("never: {what}");
    }

    /// Ends the controllers as a drain does.
    pub(crate) fn stop(&mut self) {
        let controllers = self.controllers.take().unwrap();
        self.run(controllers.stop());
    }

    pub(crate) fn create(&self, resource: &'static Resource, namespace: &str, object: &Value) -> Object {
        self.try_create(resource, namespace, object).unwrap()
    }

    pub(crate) fn try_create(
        &self,
        resource: &'static Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Object, Error> {
        let (client, namespace, json) = (self.client.clone(), namespace.to_owned(), object.to_string());
        self.run(async move {
            let place = resource.within(&namespace);
            client.create(place, json, &WriteOptions::default()).await
        })
    }

    /// Makes a namespace, with all that it gets.
    pub(crate) fn namespace(&self, name: &str) {
        self.create(&NAMESPACES, "", &json!({"metadata": {"name": name}}));
        self.settle();
    }

    /// A ConfigMap with owners; answers its uid.
    pub(crate) fn map(&self, namespace: &str, name: &str, owners: &[Value]) -> String {
        let object = json!({"metadata": {"name": name, "ownerReferences": owners}});
        self.create(&MAPS, namespace, &object).uid()
    }

    pub(crate) fn get(&self, resource: &'static Resource, namespace: &str, name: &str) -> Option<Value> {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let got = self.run(async move { client.get(resource.within(&namespace).named(&name)).await });
        match got {
            Ok(object) => Some(object.read().unwrap()),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn names(&self, resource: &'static Resource, namespace: &str) -> Vec<String> {
        let (client, namespace) = (self.client.clone(), namespace.to_owned());
        let list = self.run(async move {
            let place = resource.within(&namespace);
            client.list_all(place, &ListOptions::default()).await
        });
        list.unwrap().items.iter().map(Object::name).collect()
    }

    pub(crate) fn delete(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        propagation: Option<Propagation>,
    ) {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let options = DeleteOptions {
            propagation_policy: propagation,
            ..DeleteOptions::default()
        };
        let deleted = self.run(async move {
            let place = resource.within(&namespace).named(&name);
            client.delete(place, &options).await
        });
        deleted.unwrap();
    }

    pub(crate) fn update(
        &self,
        resource: &'static Resource,
        name: &str,
        subresource: &'static str,
        object: &Value,
    ) {
        let (client, name, json) = (self.client.clone(), name.to_owned(), object.to_string());
        let updated = self.run(async move {
            let place = resource.everywhere().named(&name).below(subresource);
            client.update(place, json, &WriteOptions::default()).await
        });
        updated.unwrap();
    }

    pub(crate) fn patch(&self, resource: &'static Resource, namespace: &str, name: &str, patch: &Value) {
        self.patch_below(resource, namespace, name, "", patch);
    }

    pub(crate) fn patch_below(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        subresource: &'static str,
        patch: &Value,
    ) {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let json = patch.to_string();
        let patched = self.run(async move {
            let place = resource.within(&namespace).named(&name).below(subresource);
            client
                .patch(place, PatchKind::Merge, json, &WriteOptions::default())
                .await
        });
        patched.unwrap();
    }
}

/// A reference to an owner.
pub(crate) fn owner(kind: &str, name: &str, uid: &str, blocks: bool) -> Value {
    let version = if kind == "PriorityClass" {
        "scheduling.k8s.io/v1"
    } else {
        "v1"
    };
    json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "blockOwnerDeletion": blocks})
}

/// Whether there was anything to write.
fn turn(writer: &Mutex<Writer>) -> bool {
    let mut writer = writer.lock().unwrap();
    let job = writer.turn();
    let wrote = job.is_some();
    if let Some(job) = job {
        writer.finish(job.run());
    }
    wrote
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

pub(crate) static WIDGETS: Resource = Resource::new("example.com", "v1", "widgets", "Widget", true);
static DEFINITIONS: Resource = Resource::new(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    false,
);

impl Node {
    /// Defines widgets, and waits until they are served.
    pub(crate) fn define_widgets(&self) {
        let definition = json!({
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}],
            },
        });
        self.create(&DEFINITIONS, "", &definition);
        self.until("widgets are served", |node| {
            let definition = node.get(&DEFINITIONS, "", "widgets.example.com").unwrap();
            let conditions = definition["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            conditions
                .iter()
                .any(|each| each["type"] == "Established" && each["status"] == "True")
        });
    }
}
