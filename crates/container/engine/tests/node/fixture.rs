//! Daemons of a node that can die and come back, and what the tests say to them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::spec::{ContainerSpec, NetworkMode};
use engine::{Attached, Create, Engine, Exit, ImageRef, Stream, WaitCondition};
pub(crate) use testkit::node::Node;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon of a node.
pub(crate) struct Daemon {
    pub(crate) engine: Engine,
    pub(crate) image: ImageRef,
}

/// A node in a network namespace of its own, which everything that this thread starts shares.
pub(crate) fn isolated() -> Node {
    sys::netns::unshare().unwrap();
    Node::start()
}

/// A test: a node, one daemon, and nothing left of them in the kernel.
pub(crate) fn on_node(test: impl AsyncFnOnce(&Daemon)) {
    let node = isolated();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let daemon = Daemon::open(&node).await;
        test(&daemon).await;
        daemon.close().await;
    });
    drop(runtime);
    node.assert_nothing_left();
}

/// A container that runs the probe with these arguments on no network.
pub(crate) fn spec(arguments: &[&str]) -> ContainerSpec {
    let words = ["/probe"].iter().chain(arguments);
    let mut spec = ContainerSpec {
        args: words.map(|word| (*word).to_owned()).collect(),
        ..ContainerSpec::default()
    };
    spec.network.mode = NetworkMode::None;
    spec
}

impl Daemon {
    pub(crate) async fn open(node: &Node) -> Self {
        let networks = network::Config {
            ready: 4,
            ..node.network_config()
        };
        let rooms = node.open(networks).await;
        Self {
            engine: rooms.engine,
            image: rooms.probe,
        }
    }

    /// Ends as `down` does.
    pub(crate) async fn close(&self) {
        self.engine.close(false).await;
        let networks = self.engine.networks().clone();
        tokio::task::spawn_blocking(move || networks.close())
            .await
            .unwrap();
    }

    pub(crate) async fn create(&self, name: &str, spec: ContainerSpec) -> String {
        let create = Create {
            name: Some(name.into()),
            spec,
            image: Some(self.image.clone()),
            ..Create::default()
        };
        self.engine.create(create).await.unwrap().id.to_string()
    }

    /// Creates and starts.
    pub(crate) async fn run(&self, name: &str, spec: ContainerSpec) -> String {
        let id = self.create(name, spec).await;
        self.engine.start(&id).await.unwrap();
        id
    }

    pub(crate) async fn wait(&self, id: &str) -> Exit {
        let ended = self.engine.wait(id, WaitCondition::NotRunning);
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("it ends")
            .unwrap()
    }

    /// Everything that it has logged, once it has ended.
    pub(crate) async fn output(&self, id: &str) -> String {
        let query = engine::logs::LogQuery {
            stdout: true,
            stderr: true,
            follow: true,
            ..engine::logs::LogQuery::default()
        };
        let mut entries = self.engine.logs(id, query).unwrap();
        let mut text = Vec::new();
        while let Some(entry) = entries.recv().await {
            text.extend_from_slice(&entry.unwrap().line);
        }
        String::from_utf8(text).unwrap()
    }

    /// Waits for an event about a container.
    pub(crate) async fn until(
        &self,
        id: &str,
        met: impl Fn(&engine::Container) -> bool,
    ) -> Arc<engine::Container> {
        let mut events = self
            .engine
            .events()
            .subscribe(engine::events::EventQuery::default());
        let waiting = async {
            loop {
                let container = self.engine.find(id).unwrap();
                if met(&container) {
                    return container;
                }
                events.next().await.expect("events go on");
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it comes about")
    }
}

/// Reads an attached process to its end.
pub(crate) async fn read_all(attached: &mut Attached) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some((stream, bytes)) = attached.output.recv().await {
            match stream {
                Stream::Stdout => out.extend_from_slice(&bytes),
                Stream::Stderr => err.extend_from_slice(&bytes),
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("its output ends");
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Reads until something has been said.
pub(crate) async fn read_until(attached: &mut Attached, wanted: &str) -> String {
    let mut said = String::new();
    let reading = async {
        while !said.contains(wanted) {
            let (_, bytes) = attached.output.recv().await.expect("there is more");
            said.push_str(&String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is said");
    said
}

pub(crate) async fn say(attached: &Attached, words: &'static str) {
    attached
        .input
        .as_ref()
        .unwrap()
        .write(Bytes::from_static(words.as_bytes()))
        .await
        .unwrap();
}
