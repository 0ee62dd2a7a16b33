//! An API server for one test, on virtual time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use apiserver::{ApiServer, Config};
use auth::UserInfo;
use client::{Client, DeleteOptions, Resource, WriteOptions};
use driver::{Env, ManualClock, Rng, Sim, SimDisk};
use pki::{Authority, ClientAuthorities, TokenIssuer, TokenKey};
use serde_json::Value;
use store::{Embedded, Options, Writer};

/// An API server, its executor, and the writer of its store, which nobody else turns.
pub(crate) struct Server {
    pub(crate) sim: Sim,
    writer: Mutex<Writer>,
    pub(crate) server: ApiServer,
    pub(crate) admin: Client,
}

fn config() -> Config {
    let authority = Authority::generate("test", SystemTime::UNIX_EPOCH).unwrap();
    let (ca, key) = (authority.certificate_pem(), TokenKey::generate().unwrap());
    Config {
        service_cidr: "10.43.0.0/16".to_owned(),
        node_port_range: (30_000, 32_767),
        cluster_domain: "cluster.local".to_owned(),
        advertise: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 6443,
        clients: ClientAuthorities::from_pem(ca).unwrap(),
        tokens: TokenIssuer::new("https://kubernetes.default.svc", key),
        root_ca: ca.to_owned(),
        front_proxy_ca: ca.to_owned(),
        outbound: Arc::new(apiserver::outbound::Offline),
        nodes: Arc::new(apiserver::nodes::NoNodes),
    }
}

impl Server {
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
        let admin = Client::in_process(server.clone(), user("admin", UserInfo::MASTERS), "tester");
        Self {
            sim,
            writer,
            server,
            admin,
        }
    }

    pub(crate) fn env(&self) -> Arc<dyn Env> {
        Arc::new(self.sim.clone())
    }

    /// A client with the rights of a node.
    pub(crate) fn as_node(&self, name: &str) -> Client {
        let user = user(&format!("system:node:{name}"), "system:nodes");
        Client::in_process(self.server.clone(), user, "kubelet")
    }

    /// Runs a future to its end, and whatever else can run meanwhile.
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

    pub(crate) fn pass(&self, time: Duration) {
        self.settle();
        let env = self.sim.clone();
        run(&self.sim, &self.writer, async move { env.sleep(time).await });
        self.settle();
    }

    pub(crate) fn create(&self, resource: &'static Resource, object: &Value) {
        let (client, json) = (self.admin.clone(), object.to_string());
        let made = run(&self.sim, &self.writer, async move {
            client
                .create(resource.everywhere(), json, &WriteOptions::default())
                .await
        });
        made.unwrap();
    }

    pub(crate) fn get(&self, resource: &'static Resource, namespace: &str, name: &str) -> Option<Value> {
        let (client, namespace, name) = (self.admin.clone(), namespace.to_owned(), name.to_owned());
        let got = run(&self.sim, &self.writer, async move {
            client.get(resource.within(&namespace).named(&name)).await
        });
        match got {
            Ok(object) => Some(object.read().unwrap()),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn delete(&self, resource: &'static Resource, name: &str) {
        let (client, name) = (self.admin.clone(), name.to_owned());
        let deleted = run(&self.sim, &self.writer, async move {
            client
                .delete(resource.everywhere().named(&name), &DeleteOptions::default())
                .await
        });
        deleted.unwrap();
    }
}

fn user(name: &str, group: &str) -> UserInfo {
    UserInfo {
        name: name.to_owned(),
        groups: vec![group.to_owned(), "system:authenticated".to_owned()],
        ..UserInfo::default()
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
    panic!("it does not end");
}
