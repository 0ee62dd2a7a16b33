//! Daemons of a node that runs pods, and what the tests say to them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use distribution::Registries;
use engine::Engine;
use kubelet::container::{ContainerId, Ended, ObservedPod, StartFault, Started};
use kubelet::traits::{Ending, Runtime};
use kubelet::volume::Mounts;
use kubelet::{ContainerIx, Pod};
use kuberuntime::files::{Cluster, NodeFiles};
use kuberuntime::{Config, Pods};
pub(crate) use testkit::node::Node;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The node's memory, as the tests have it.
pub(crate) const MEMORY: u64 = 1 << 30;

/// A daemon of a node.
pub(crate) struct Daemon {
    pub(crate) pods: Pods,
    pub(crate) engine: Engine,
    ends: Receiver<Ending>,
}

/// A node in a network namespace of its own, which everything that this thread starts shares.
pub(crate) fn isolated() -> Node {
    sys::netns::unshare().unwrap();
    Node::start()
}

/// A test: a node, one daemon, and nothing left of them in the kernel.
pub(crate) fn on_node(test: impl AsyncFnOnce(&Daemon)) {
    let node = isolated();
    life(&node, async |daemon| {
        test(daemon).await;
        daemon.close().await;
    });
    node.assert_nothing_left();
}

/// One life of a daemon.
pub(crate) fn life<T>(node: &Node, work: impl AsyncFnOnce(&Daemon) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { work(&Daemon::open(node).await).await })
}

/// Where a node of the tests keeps what.
pub(crate) fn config(node: &Node, clock: Arc<dyn driver::Clock>, images: image::Images) -> Config {
    let (described, settings) = (distribution::Config::default(), distribution::Settings::default());
    let client = distribution::Client::new(described, settings, driver::Rng::from_seed(1));
    let etc = node.path("etc");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("hosts"), "127.0.0.1 localhost\n").unwrap();
    std::fs::write(etc.join("resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
    Config {
        instance: instance(node),
        root: node.path("data/kubelet"),
        log_root: node.path("data/log"),
        run_dir: node.path("run"),
        cluster: Cluster {
            domain: "cluster.local".into(),
            server: Some([10, 43, 0, 10].into()),
        },
        node_files: NodeFiles {
            hosts: etc.join("hosts"),
            resolv_conf: etc.join("resolv.conf"),
        },
        memory: MEMORY,
        milli_cpu: 2000,
        clock,
        registries: Registries::new(client, images, None),
    }
}

fn instance(node: &Node) -> String {
    node.network_config().instance
}

impl Daemon {
    pub(crate) async fn open(node: &Node) -> Self {
        let mut cluster = network::Cluster::new(
            "10.42.0.0/16".parse().unwrap(),
            "10.43.0.0/16".parse().unwrap(),
            [10, 43, 0, 10].into(),
        );
        // A daemon that a test leaves must not go on filling a shelf beside the next one.
        cluster.ready = 0;
        let networks = network::Config {
            ready: 0,
            cluster: Some(cluster),
            ..node.network_config()
        };
        let rooms = node.open(networks).await;
        if rooms.images.resolve("busybox").is_err() {
            let images = rooms.images.clone();
            let load = move || {
                drop(
                    images
                        .load(&mut &*testkit::image::busybox(), None, &mut |_| {})
                        .unwrap(),
                );
            };
            tokio::task::spawn_blocking(load).await.unwrap();
        }
        let config = config(node, rooms.clock.clone(), rooms.images.clone());
        let pods = Pods::open(config, rooms.engine.clone()).unwrap();
        let ends = pods.ends();
        Self {
            pods,
            engine: rooms.engine,
            ends,
        }
    }

    /// Ends as `down` does.
    pub(crate) async fn close(&self) {
        self.engine.close(false).await;
        let (pods, networks) = (self.pods.clone(), self.engine.networks().clone());
        let closing = move || {
            pods.close();
            networks.close();
        };
        tokio::task::spawn_blocking(closing).await.unwrap();
    }

    /// Ends as an update of the daemon does: what runs goes on.
    pub(crate) async fn leave(&self) {
        self.engine.close(true).await;
    }

    /// Makes the pod's sandbox and starts one of its containers.
    pub(crate) async fn run(&self, pod: &Arc<Pod>, at: u16) -> Started {
        self.pods.prepare(pod).await.unwrap();
        self.start(pod, at, 0).await.unwrap()
    }

    pub(crate) async fn start(&self, pod: &Arc<Pod>, at: u16, attempt: u32) -> Result<Started, StartFault> {
        let mounts = Arc::new(Mounts::default());
        self.pods
            .start(pod, ContainerIx(at), attempt, Vec::new(), mounts)
            .await
    }

    /// How this container ends, as the kubelet is told.
    pub(crate) async fn end_of(&self, id: &ContainerId) -> Ended {
        let heard = async {
            loop {
                match self.ends.recv().await.unwrap() {
                    Ending::Ended { id: of, ended, .. } if of == *id => return ended,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("it ends")
    }

    /// The next thing that the kubelet is told.
    pub(crate) async fn heard(&self) -> Ending {
        let heard = tokio::time::timeout(PATIENCE, self.ends.recv());
        heard.await.expect("something happens").unwrap()
    }

    /// What the first container of a pod says, and its exit code.
    pub(crate) async fn said(&self, pod: &Arc<Pod>) -> (String, i32) {
        let started = self.run(pod, 0).await;
        let code = self.end_of(&started.id).await.code;
        (self.output(&started.id).await, code)
    }

    /// Everything that a container has logged.
    pub(crate) async fn output(&self, id: &str) -> String {
        let query = engine::logs::LogQuery {
            stdout: true,
            stderr: true,
            ..engine::logs::LogQuery::default()
        };
        let mut entries = self.engine.logs(id, query).unwrap();
        let mut text = Vec::new();
        while let Some(entry) = entries.recv().await {
            text.extend_from_slice(&entry.unwrap().line);
        }
        String::from_utf8(text).unwrap()
    }

    /// What is there of a pod.
    pub(crate) async fn observed(&self, pod: &Pod) -> Option<ObservedPod> {
        let (pods, uid) = (self.pods.clone(), pod.uid.clone());
        let look = move || pods.observe().into_iter().find(|each| each.uid == uid);
        tokio::task::spawn_blocking(look).await.unwrap()
    }
}

/// A pod of the namespace `prod`, with its name as its uid.
pub(crate) fn pod(name: &str, spec: &str) -> Arc<Pod> {
    let json =
        format!(r#"{{"metadata":{{"name":"{name}","namespace":"prod","uid":"uid-{name}"}},"spec":{spec}}}"#);
    Arc::new(Pod::parse(json.as_bytes()).unwrap())
}

/// A container that runs the probe with these words; `more` are further fields.
pub(crate) fn probe(name: &str, words: &[&str], more: &str) -> String {
    let words = serde_json::to_string(&[&["/probe"][..], words].concat()).unwrap();
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(",{more}")
    };
    format!(r#"{{"name":"{name}","image":"probe","command":{words}{more}}}"#)
}

/// A pod of one container that runs the probe.
pub(crate) fn one(name: &str, words: &[&str], more: &str) -> Arc<Pod> {
    pod(
        name,
        &format!(r#"{{"containers":[{}]}}"#, probe("c", words, more)),
    )
}

/// A container that stays until it is ended.
pub(crate) fn waiting(name: &str, more: &str) -> Arc<Pod> {
    let more = if more.is_empty() {
        r#""stdin":true"#.to_owned()
    } else {
        format!(r#""stdin":true,{more}"#)
    };
    one(name, &["wait"], &more)
}

/// Where a group of a process is, in the hierarchy that has `controller`.
pub(crate) fn group(pid: u32, controller: &str) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let layout = runtime::cgroup::Layout::read().unwrap();
    let (names, hierarchy) = match layout.place(controller).unwrap() {
        runtime::cgroup::Place::V1(hierarchy) => (hierarchy.controllers.clone(), hierarchy),
        runtime::cgroup::Place::V2(hierarchy) => (vec![String::new()], hierarchy),
    };
    let line = text.lines().find(|line| {
        let list = line.split(':').nth(1).unwrap_or_default();
        list.split(',').any(|name| names.iter().any(|own| own == name))
    });
    hierarchy.dir(line.unwrap().splitn(3, ':').nth(2).unwrap())
}
