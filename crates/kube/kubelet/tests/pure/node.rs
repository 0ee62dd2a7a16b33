//! A node for one test: an API server on a disk in memory, a kubelet, and containers that are only written down.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use apiserver::{ApiServer, Config};
use async_channel::{Receiver, Sender};
use auth::UserInfo;
use client::{Client, DeleteOptions, Informers, ListOptions, Object, PatchKind, Resource, WriteOptions};
use driver::{Env, ManualClock, Rng, Sim, SimDisk};
use kubelet::container::{
    Attempt, ContainerIx, Ended, How, ImageFault, ImageFound, Observed, ObservedContainer, ObservedPod,
    Sandbox, Standing, StartFault, Started, spec_hash,
};
use kubelet::traits::{
    Doing, Ending, HookTarget, Outcome, ProbeTarget, Prober, Refused, Runtime, Services, Volumes,
};
use kubelet::volume::{Mounts, Payload, Usage};
use kubelet::{ContainerId, Kubelet, Parts, Pod, Uid};
use pki::{Authority, ClientAuthorities, TokenIssuer, TokenKey};
use serde_json::{Value, json};
use store::{Embedded, Options, Writer};

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
pub(crate) static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
pub(crate) static MAPS: Resource = Resource::new("", "v1", "configmaps", "ConfigMap", true);
pub(crate) static SECRETS: Resource = Resource::new("", "v1", "secrets", "Secret", true);
pub(crate) static EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);

const NODE: &str = "n1";

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

fn user(name: &str, group: &str) -> UserInfo {
    UserInfo {
        name: name.to_owned(),
        groups: vec![group.to_owned(), "system:authenticated".to_owned()],
        ..UserInfo::default()
    }
}

/// A node.
pub(crate) struct Node {
    sim: Sim,
    writer: Mutex<Writer>,
    server: ApiServer,
    admin: Client,
    pub(crate) world: Arc<World>,
    kubelet: Option<Kubelet>,
}

impl Node {
    pub(crate) fn start(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let opened = Embedded::open_driven(
            SimDisk::new().dir(),
            Arc::new(ManualClock::new()),
            Rng::from_seed(seed),
            Options::default(),
        );
        let (store, writer) = opened.unwrap();
        let writer = Mutex::new(writer);
        let env: Arc<dyn Env> = Arc::new(sim.clone());
        let server = run(&sim, &writer, ApiServer::open(config(), Arc::new(store), env)).unwrap();
        let admin = Client::in_process(server.clone(), user("admin", UserInfo::MASTERS), "tester");
        let mut node = Self {
            world: World::new(sim.clone(), seed),
            sim,
            writer,
            server,
            admin,
            kubelet: None,
        };
        node.create(&NODES, "", &json!({"metadata": {"name": NODE}}));
        node.kubelet();
        node
    }

    /// Starts a kubelet.
    pub(crate) fn kubelet(&mut self) {
        let env: Arc<dyn Env> = Arc::new(self.sim.clone());
        let name = user("system:node:n1", "system:nodes");
        let parts = Parts {
            client: Client::in_process(self.server.clone(), name, "kubelet"),
            informers: Informers::in_process(self.server.clone()),
            runtime: self.world.clone(),
            volumes: self.world.clone(),
            prober: self.world.clone(),
            services: self.world.clone(),
        };
        let facts = crate::play::facts();
        let kubelet = Kubelet::start(kubelet::Config { facts }, parts, &env);
        let kubelet = self.run(async move {
            kubelet.ready().await;
            kubelet
        });
        self.kubelet = Some(kubelet);
    }

    /// Ends the kubelet; containers go on.
    pub(crate) fn stop(&mut self) {
        let kubelet = self.kubelet.take().unwrap();
        self.run(kubelet.stop());
    }

    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        run(&self.sim, &self.writer, work)
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        let env = self.sim.clone();
        self.run(async move { env.sleep(time).await });
    }

    /// Lets everything happen, time included, until this holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..3_000 {
            if holds(self) {
                return;
            }
            self.pass(Duration::from_millis(20));
        }
        panic!("never: {what}\n{}", self.world.log.lock().unwrap().join("\n"));
    }

    pub(crate) fn create(&self, resource: &'static Resource, namespace: &str, object: &Value) -> Object {
        let (client, namespace, json) = (self.admin.clone(), namespace.to_owned(), object.to_string());
        self.run(async move {
            client
                .create(resource.within(&namespace), json, &WriteOptions::default())
                .await
        })
        .unwrap()
    }

    /// A pod of this node.
    pub(crate) fn pod(&self, name: &str, spec: &Value) -> Object {
        let mut spec = spec.clone();
        spec["nodeName"] = NODE.into();
        self.create(
            &PODS,
            "default",
            &json!({"metadata": {"name": name}, "spec": spec}),
        )
    }

    pub(crate) fn get(&self, resource: &'static Resource, name: &str) -> Option<Value> {
        let (client, name) = (self.admin.clone(), name.to_owned());
        let got = self.run(async move { client.get(resource.within("default").named(&name)).await });
        match got {
            Ok(object) => Some(object.read().unwrap()),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn list(&self, resource: &'static Resource) -> Vec<Value> {
        let client = self.admin.clone();
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

    pub(crate) fn patch(&self, resource: &'static Resource, name: &str, patch: &Value) {
        let (client, name, json) = (self.admin.clone(), name.to_owned(), patch.to_string());
        let done = self.run(async move {
            let place = resource.within("default").named(&name);
            client
                .patch(place, PatchKind::Merge, json, &WriteOptions::default())
                .await
        });
        done.unwrap();
    }

    pub(crate) fn delete(&self, name: &str, grace: i64) {
        let (client, name) = (self.admin.clone(), name.to_owned());
        let options = DeleteOptions {
            grace_period_seconds: Some(grace),
            ..DeleteOptions::default()
        };
        let done =
            self.run(async move { client.delete(PODS.within("default").named(&name), &options).await });
        done.unwrap();
    }

    pub(crate) fn phase(&self, name: &str) -> String {
        let pod = self.get(&PODS, name);
        pod.map(|pod| pod["status"]["phase"].as_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    /// Why the first container of a pod waits.
    pub(crate) fn waits(&self, name: &str) -> (String, String) {
        let pod = self.get(&PODS, name).unwrap();
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        let text = |name: &str| waiting[name].as_str().unwrap_or_default().to_owned();
        (text("reason"), text("message"))
    }
}

fn turn(writer: &Mutex<Writer>) {
    let mut writer = writer.lock().unwrap();
    if let Some(job) = writer.turn() {
        writer.finish(job.run());
    }
}

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
    for _ in 0..1_000_000 {
        sim.run_ready();
        if let Some(result) = slot.lock().unwrap().take() {
            return result;
        }
        turn(writer);
        if !sim.is_ready() {
            sim.step();
        }
    }
    panic!("the work does not end");
}

/// A container that is only written down.
#[derive(Clone, Debug)]
struct Written {
    uid: Uid,
    pod: String,
    seen: ObservedContainer,
}

#[derive(Default)]
struct Things {
    containers: BTreeMap<ContainerId, Written>,
    sandboxes: BTreeMap<Uid, Sandbox>,
    images: BTreeMap<String, bool>,
    volumes: BTreeMap<(String, String), Payload>,
    next: u32,
}

/// What a kubelet's parts do here: they write down, take a while, and sometimes fail.
pub(crate) struct World {
    sim: Sim,
    rng: Mutex<Rng>,
    things: Mutex<Things>,
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) environments: Mutex<BTreeMap<String, Vec<(String, String)>>>,
    ends: (Sender<Ending>, Mutex<Receiver<Ending>>),
    /// How many of a hundred preparations and starts fail.
    pub(crate) fails: Mutex<u64>,
}

impl World {
    fn new(sim: Sim, seed: u64) -> Arc<Self> {
        let (sender, receiver) = async_channel::bounded(1024);
        Arc::new(Self {
            sim,
            rng: Mutex::new(Rng::from_seed(seed)),
            things: Mutex::default(),
            log: Mutex::default(),
            environments: Mutex::default(),
            ends: (sender, Mutex::new(receiver)),
            fails: Mutex::new(0),
        })
    }

    fn note(&self, text: String) {
        self.log.lock().unwrap().push(text);
    }

    /// After a while; a moment that chance chooses.
    fn later<T: Send + 'static>(&self, done: impl FnOnce() -> T + Send + 'static) -> Doing<T> {
        let millis = 1 + self.rng.lock().unwrap().below(20);
        let sim = self.sim.clone();
        Box::pin(async move {
            sim.sleep(Duration::from_millis(millis)).await;
            done()
        })
    }

    fn is_unlucky(&self) -> bool {
        let fails = *self.fails.lock().unwrap();
        self.rng.lock().unwrap().below(100) < fails
    }

    /// An image that is not here, or is here now.
    pub(crate) fn image_is(&self, image: &str, here: bool) {
        self.things.lock().unwrap().images.insert(image.to_owned(), here);
        if here {
            self.ends.0.try_send(Ending::Images).unwrap();
        }
    }

    /// Ends a container from outside, as `docker kill` does.
    pub(crate) fn kill(&self, pod: &str, code: i32) {
        let things = self.things.lock().unwrap();
        let running = things
            .containers
            .values()
            .find(|written| written.pod == pod && is_live(&written.seen));
        let (id, uid) = running
            .map(|written| (written.seen.id.clone(), written.uid.clone()))
            .unwrap();
        drop(things);
        self.end(&id, &uid, code);
    }

    fn end(&self, id: &ContainerId, uid: &Uid, code: i32) {
        let mut things = self.things.lock().unwrap();
        let Some(written) = things
            .containers
            .get_mut(id)
            .filter(|written| is_live(&written.seen))
        else {
            return;
        };
        let ended = Ended {
            how: How::Exited,
            code,
            started: None,
            finished: self.sim.wall(),
            message: "bye".to_owned(),
        };
        written.seen.standing = Standing::Ended(ended.clone());
        drop(things);
        let (id, uid) = (id.clone(), uid.clone());
        let _sent = self.ends.0.try_send(Ending::Ended { uid, id, ended });
    }

    /// Containers of a pod that run.
    pub(crate) fn running(&self, pod: &str) -> usize {
        let things = self.things.lock().unwrap();
        things
            .containers
            .values()
            .filter(|written| written.pod == pod && is_live(&written.seen))
            .count()
    }

    /// A file of a pod's volume.
    pub(crate) fn file(&self, pod: &str, volume: &str, path: &str) -> Option<String> {
        let things = self.things.lock().unwrap();
        let payload = things.volumes.get(&(pod.to_owned(), volume.to_owned()))?;
        let kubelet::volume::Content::Files { files, .. } = &payload.content else {
            return None;
        };
        let file = files.iter().find(|file| file.path == path)?;
        Some(String::from_utf8(file.content.clone()).unwrap())
    }

    /// Whether nothing is left of anything.
    pub(crate) fn is_empty(&self) -> bool {
        let things = self.things.lock().unwrap();
        things.containers.is_empty() && things.sandboxes.is_empty()
    }
}

fn is_live(seen: &ObservedContainer) -> bool {
    matches!(seen.standing, Standing::Running(_))
}

impl Runtime for World {
    fn prepare(&self, pod: &Arc<Pod>) -> Doing<Result<Sandbox, Refused>> {
        if self.is_unlucky() {
            let refused = Refused {
                reason: "FailedCreatePodSandBox".to_owned(),
                message: "Failed to create pod sandbox: bad luck".to_owned(),
            };
            return self.later(move || Err(refused));
        }
        let mut things = self.things.lock().unwrap();
        things.next += 1;
        let sandbox = Sandbox {
            address: Some(IpAddr::V4(Ipv4Addr::from(0x0a2a_0000 + things.next))),
            ..Sandbox::default()
        };
        let sandbox = things.sandboxes.entry(pod.uid.clone()).or_insert(sandbox).clone();
        drop(things);
        self.later(move || Ok(sandbox))
    }

    fn image(&self, pod: &Arc<Pod>, at: ContainerIx) -> Doing<Result<ImageFound, ImageFault>> {
        let name = pod.at(at).unwrap().image.clone();
        let here = self
            .things
            .lock()
            .unwrap()
            .images
            .get(&name)
            .copied()
            .unwrap_or(true);
        self.later(move || {
            if here {
                return Ok(crate::play::image());
            }
            Err(ImageFault {
                reason: kubelet::container::ImageReason::ErrImagePull,
                message: "no registries".to_owned(),
            })
        })
    }

    fn start(
        &self,
        pod: &Arc<Pod>,
        at: ContainerIx,
        attempt: Attempt,
        environment: Vec<(String, String)>,
        _mounts: Arc<Mounts>,
    ) -> Doing<Result<Started, StartFault>> {
        let container = pod.at(at).unwrap();
        let (name, key) = (container.name.clone(), pod.name.clone());
        if self.is_unlucky() {
            return self.later(|| Err(StartFault::Create("bad luck".to_owned())));
        }
        let live = |written: &&Written| {
            written.uid == pod.uid && written.seen.name == name && is_live(&written.seen)
        };
        let mut things = self.things.lock().unwrap();
        assert!(
            !things.containers.values().any(|written| live(&written)),
            "two of {key}/{name} at once"
        );
        let id = ContainerId::new(&format!("{}-{name}-{attempt}", &*pod.uid));
        let wall = self.sim.wall();
        let seen = ObservedContainer {
            id: id.clone(),
            name: name.clone(),
            attempt,
            hash: spec_hash(container),
            image: crate::play::image(),
            user: None,
            standing: Standing::Running(wall),
        };
        let written = Written {
            uid: pod.uid.clone(),
            pod: key.clone(),
            seen,
        };
        things.containers.insert(id.clone(), written);
        drop(things);
        self.note(format!("start {key}/{name}#{attempt}"));
        self.environments.lock().unwrap().insert(key, environment);
        self.later(move || {
            Ok(Started {
                id,
                at: wall,
                image: crate::play::image(),
                user: None,
            })
        })
    }

    fn stop(&self, id: &ContainerId, grace: Duration) -> Doing<Result<(), String>> {
        self.note(format!(
            "stop {} within {}s",
            &id[id.len() - 3..],
            grace.as_secs()
        ));
        let uid = self
            .things
            .lock()
            .unwrap()
            .containers
            .get(id)
            .map(|written| written.uid.clone());
        if let Some(uid) = uid {
            self.end(id, &uid, 0);
        }
        self.later(|| Ok(()))
    }

    fn remove(&self, id: &ContainerId) -> Doing<()> {
        self.things.lock().unwrap().containers.remove(id);
        self.later(|| ())
    }

    fn tear_down(&self, uid: &Uid) -> Doing<Result<(), String>> {
        self.things.lock().unwrap().sandboxes.remove(uid);
        self.later(|| Ok(()))
    }

    fn observe(&self) -> Vec<ObservedPod> {
        let things = self.things.lock().unwrap();
        let mut pods: BTreeMap<Uid, ObservedPod> = BTreeMap::new();
        for written in things.containers.values() {
            let fresh = || ObservedPod {
                uid: written.uid.clone(),
                namespace: "default".to_owned(),
                name: written.pod.clone(),
                grace: Duration::from_secs(30),
                observed: Observed {
                    sandbox: things.sandboxes.get(&written.uid).cloned(),
                    containers: Vec::new(),
                },
            };
            let pod = pods.entry(written.uid.clone()).or_insert_with(fresh);
            pod.observed.containers.push(written.seen.clone());
        }
        pods.into_values().collect()
    }

    fn ends(&self) -> Receiver<Ending> {
        self.ends.1.lock().unwrap().clone()
    }
}

impl Volumes for World {
    fn write(&self, pod: &Arc<Pod>, payloads: Vec<Payload>) -> Doing<Result<Arc<Mounts>, Refused>> {
        let mut things = self.things.lock().unwrap();
        for payload in payloads {
            things
                .volumes
                .insert((pod.name.clone(), payload.volume.clone()), payload);
        }
        drop(things);
        self.later(|| Ok(Arc::default()))
    }

    fn update(&self, pod: &Arc<Pod>, payload: Payload) -> Doing<Result<(), Refused>> {
        self.note(format!("update {}/{}", pod.name, payload.volume));
        let key = (pod.name.clone(), payload.volume.clone());
        self.things.lock().unwrap().volumes.insert(key, payload);
        self.later(|| Ok(()))
    }

    fn usage(&self, _uid: &Uid) -> Doing<Usage> {
        self.later(Usage::default)
    }
}

impl Prober for World {
    fn probe(&self, _target: ProbeTarget, _timeout: Duration) -> Doing<Outcome> {
        self.later(|| Outcome::Success)
    }

    fn hook(&self, _target: HookTarget, _limit: Duration) -> Doing<Result<(), String>> {
        self.later(|| Ok(()))
    }
}

impl Services for World {
    fn left(&self, _pod: IpAddr) -> Doing<()> {
        self.later(|| ())
    }
}
