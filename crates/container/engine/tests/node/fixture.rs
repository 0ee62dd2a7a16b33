//! A node in a directory of its own: a supervisor, a store, an image with nothing but the probe,
//! and an engine that can die and come back.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::{RealDir, Rng, SystemClock};
use engine::spec::{ContainerSpec, NetworkMode};
use engine::supervised::{self, Supervisor};
use engine::{Attached, Create, Engine, Exit, ImageRef, Stream, WaitCondition};
use image::{Images, Import, Reference};
use network::Networks;
use store::{Embedded, Options, Store};
use supervisor::client::Client;
use supervisor::protocol::{Leftovers, Request, Role};
use tempfile::TempDir;
use tokio::runtime::Handle;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What outlives a daemon.
pub(crate) struct Node {
    directory: TempDir,
    instance: String,
    supervisor: Child,
}

/// A daemon of that node.
pub(crate) struct Daemon {
    pub(crate) engine: Engine,
    pub(crate) image: ImageRef,
}

impl Node {
    /// In a network namespace of its own, which everything that this thread starts shares.
    pub(crate) fn start() -> Self {
        sys::netns::unshare().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().file_name().unwrap().to_string_lossy();
        // Links have names of at most 15 bytes.
        let instance = format!("e{}", name.trim_start_matches('.').trim_start_matches("tmp"));
        let supervisor = Self::run_supervisor(&directory);
        Self {
            directory,
            instance,
            supervisor,
        }
    }

    fn run_supervisor(directory: &TempDir) -> Child {
        let socket = directory.path().join("supervisor.sock");
        let pid = directory.path().join("supervisor.sock.pid");
        let _ = std::fs::remove_file(&pid);
        let child = Command::new(testkit::beside_tests("engine-supervisor-under-test"))
            .arg(&socket)
            .spawn()
            .unwrap();
        let listens = || std::fs::read_to_string(&pid).is_ok_and(|id| id.ends_with('\n'));
        while !listens() {
            std::thread::yield_now();
        }
        child
    }

    /// As the kernel's OOM killer would, then whoever watches it starts it again.
    pub(crate) fn replace_supervisor(&mut self) {
        self.supervisor.kill().unwrap();
        self.supervisor.wait().unwrap();
        self.supervisor = Self::run_supervisor(&self.directory);
    }

    /// Everything that runs is gone, and so is RUN; the disk stays.
    pub(crate) fn reboot(mut self) -> Self {
        self.shut_down();
        for mount in self.mounts().into_iter().rev() {
            let _ = rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH);
        }
        drop(std::fs::remove_dir_all(self.path("run")));
        self.supervisor = Self::run_supervisor(&self.directory);
        self
    }

    fn shut_down(&mut self) {
        let shutdown = Request::Shutdown {
            leftovers: Leftovers::Kill {},
            grace: 1000,
        };
        let ended = Client::connect(&self.path("supervisor.sock"), Role::Operator {})
            .and_then(|mut client| client.call(&shutdown, &[]));
        if ended.is_err() {
            drop(self.supervisor.kill());
        }
        drop(self.supervisor.wait());
    }

    /// What is mounted below the node's directory.
    fn mounts(&self) -> Vec<String> {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let directory = self.directory.path().to_string_lossy().into_owned();
        let targets = table.lines().filter_map(|line| line.split(' ').nth(4));
        targets
            .filter(|target| target.starts_with(&directory))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Opens the node as a daemon does, with an image that holds the probe.
    pub(crate) async fn daemon(&self) -> Daemon {
        let clock = Arc::new(SystemClock::new());
        std::fs::create_dir_all(self.path("data/node")).unwrap();
        let disk = Arc::new(RealDir::open(&self.path("data/node")).unwrap());
        let store = Embedded::open(disk, clock.clone(), Rng::from_os().unwrap(), Options::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let config = supervised::Config::at(self.path("supervisor.sock"));
        let supervisor = Supervisor::connect(config, Handle::current()).await.unwrap();
        let (data, run, instance) = (self.path("data"), self.path("run"), self.instance.clone());
        let (holder, kept, time) = (supervisor.clone(), store.clone(), clock.clone());
        let handle = Handle::current();
        let (images, networks, image) = tokio::task::spawn_blocking(move || {
            let images = image::Config {
                content: data.join("content"),
                snapshots: data.join("snapshots"),
                limits: image::Limits::default(),
            };
            let holder = Arc::new(holder);
            let images = Images::open(images, kept.clone(), holder.clone(), time.clone()).unwrap();
            let image = probe_image(&images);
            let networks = network::Config {
                ready: 4,
                ..network::Config::new(&instance, run)
            };
            let networks =
                Networks::open(networks, kept, holder, time, Rng::from_os().unwrap(), handle).unwrap();
            (images, networks, image)
        })
        .await
        .unwrap();
        let engine = Engine::open(engine::Config {
            instance: self.instance.clone(),
            data_dir: self.path("data"),
            run_dir: self.path("run"),
            supervisor,
            images,
            networks,
            store,
            clock,
            rng: Rng::from_os().unwrap(),
        })
        .await
        .unwrap();
        Daemon { engine, image }
    }
}

/// A test: a node, one daemon, and nothing left of them in the kernel.
pub(crate) fn on_node(test: impl AsyncFnOnce(&Daemon)) {
    let node = Node::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let daemon = node.daemon().await;
        test(&daemon).await;
        daemon.close().await;
    });
    drop(runtime);
    assert_eq!(groups(&node.instance), Vec::<PathBuf>::new());
    assert_eq!(node.mounts(), Vec::<String>::new());
}

/// Control groups of an instance.
fn groups(instance: &str) -> Vec<PathBuf> {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let own = hierarchies.map(|hierarchy| hierarchy.path().join(instance));
    own.chain([PathBuf::from("/sys/fs/cgroup").join(instance)])
        .filter(|group| group.exists())
        .collect()
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shut_down();
        remove_groups(&self.instance);
        for mount in self.mounts().into_iter().rev() {
            let _ = rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// What a test that failed has left of its control groups.
fn remove_groups(instance: &str) {
    for own in groups(instance) {
        for group in std::fs::read_dir(&own).into_iter().flatten().flatten() {
            drop(std::fs::remove_dir(group.path()));
        }
        drop(std::fs::remove_dir(own));
    }
}

/// `FROM scratch`, and the probe in it.
fn probe_image(images: &Images) -> ImageRef {
    let reference = Reference::parse("probe:latest").unwrap();
    if let Ok(image) = images.resolve("probe:latest") {
        return ImageRef {
            reference: "probe:latest".into(),
            id: image.id.to_string(),
        };
    }
    let mut archive = tar::Builder::new(Vec::new());
    let program = std::fs::read(testkit::probe()).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    archive.append_data(&mut header, "probe", &*program).unwrap();
    let mut header = tar::Header::new_gnu();
    let passwd = b"root:x:0:0::/root:/probe\nweb:x:33:44::/srv:/probe\n";
    header.set_size(passwd.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive
        .append_data(&mut header, "etc/passwd", &passwd[..])
        .unwrap();
    let bytes = archive.into_inner().unwrap();
    let import = Import {
        reference: Some(reference),
        ..Import::default()
    };
    let id = images.import(&mut &*bytes, import).unwrap();
    ImageRef {
        reference: "probe:latest".into(),
        id: id.to_string(),
    }
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
