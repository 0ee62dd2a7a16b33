//! A node in a directory of its own, with an image that holds the probe, and a builder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use builder::{BuildContext, BuildError, BuildRequest, Builder, Progress};
use driver::{RealDir, Rng, SystemClock};
use engine::Engine;
use engine::supervised::{self, Supervisor};
use image::{Digest, Images, Import, Reference};
use network::Networks;
use store::{Embedded, Options, Store};
use supervisor::client::Client;
use supervisor::protocol::{Leftovers, Request, Role};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What outlives a daemon.
pub(crate) struct Node {
    directory: TempDir,
    instance: String,
    supervisor: Child,
}

/// A daemon of that node.
pub(crate) struct Daemon {
    pub(crate) engine: Engine,
    pub(crate) images: Images,
    pub(crate) builder: Builder,
    networks: Networks,
}

/// Takes away what the node's networks have in the kernel.
impl Drop for Daemon {
    fn drop(&mut self) {
        let networks = self.networks.clone();
        // It waits, which a thread of the runtime must not.
        drop(std::thread::spawn(move || networks.close()).join());
    }
}

impl Node {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().file_name().unwrap().to_string_lossy();
        // Links have names of at most 15 bytes.
        let instance = format!("b{}", name.trim_start_matches('.').trim_start_matches("tmp"));
        let supervisor = Self::run_supervisor(directory.path());
        Self {
            directory,
            instance,
            supervisor,
        }
    }

    fn run_supervisor(directory: &Path) -> Child {
        let socket = directory.join("supervisor.sock");
        let pid = directory.join("supervisor.sock.pid");
        let program = testkit::beside_tests("engine-supervisor-under-test");
        let child = Command::new(program).arg(&socket).spawn().unwrap();
        let listens = || std::fs::read_to_string(&pid).is_ok_and(|id| id.ends_with('\n'));
        while !listens() {
            std::thread::yield_now();
        }
        child
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
        let small = Options {
            first_segment: 1 << 20,
            segment: 1 << 20,
            ..Options::default()
        };
        let store = Embedded::open(disk, clock.clone(), Rng::from_os().unwrap(), small).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let config = supervised::Config::at(self.path("supervisor.sock"));
        let supervisor = Supervisor::connect(config, Handle::current()).await.unwrap();
        let (data, run, instance) = (self.path("data"), self.path("run"), self.instance.clone());
        let (holder, kept, time) = (Arc::new(supervisor.clone()), store.clone(), clock.clone());
        let handle = Handle::current();
        let (images, networks) = tokio::task::spawn_blocking(move || {
            let config = image::Config {
                content: data.join("content"),
                snapshots: data.join("snapshots"),
                limits: image::Limits::default(),
            };
            let images = Images::open(config, kept.clone(), holder.clone(), time.clone()).unwrap();
            probe_image(&images);
            let pool = network::Pool {
                base: "10.214.0.0/16".into(),
                size: 24,
            };
            let config = network::Config {
                instance,
                run_dir: run,
                pools: vec![pool],
                publish_on: std::net::Ipv4Addr::UNSPECIFIED.into(),
                ready: 0,
                resolv_conf: "/etc/resolv.conf".into(),
                hosts: "/etc/hosts".into(),
            };
            let chance = Rng::from_os().unwrap();
            (
                images,
                Networks::open(config, kept, holder, time, chance, handle).unwrap(),
            )
        })
        .await
        .unwrap();
        let engine = Engine::open(engine::Config {
            instance: self.instance.clone(),
            data_dir: self.path("data"),
            run_dir: self.path("run"),
            supervisor,
            images: images.clone(),
            networks: networks.clone(),
            store: store.clone(),
            clock: clock.clone(),
            rng: Rng::from_os().unwrap(),
        })
        .await
        .unwrap();
        let builder = Builder::open(
            engine.clone(),
            images.clone(),
            store,
            self.path("data/build"),
            clock,
        )
        .unwrap();
        Daemon {
            engine,
            images,
            builder,
            networks,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
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
        remove_groups(&self.instance);
        for mount in self.mounts().into_iter().rev() {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}

/// What a test that failed has left of its control groups.
fn remove_groups(instance: &str) {
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        let own = hierarchy.path().join(instance);
        for group in std::fs::read_dir(&own).into_iter().flatten().flatten() {
            drop(std::fs::remove_dir(group.path()));
        }
        drop(std::fs::remove_dir(own));
    }
    drop(std::fs::remove_dir(format!("/sys/fs/cgroup/{instance}")));
}

fn probe_image(images: &Images) {
    if images.resolve("probe:latest").is_ok() {
        return;
    }
    let program = std::fs::read(testkit::probe()).unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    let files: [(&str, &[u8], u32); 3] = [
        ("probe", &program, 0o755),
        (
            "etc/passwd",
            b"root:x:0:0::/root:/probe\nweb:x:33:44::/srv:/probe\n",
            0o644,
        ),
        ("etc/group", b"root:x:0:\nweb:x:44:\nus:x:55:web\n", 0o644),
    ];
    for (name, content, mode) in files {
        append(&mut archive, name, content, mode);
    }
    let bytes = archive.into_inner().unwrap();
    let reference = Some(Reference::parse("probe:latest").unwrap());
    images
        .import(
            &mut &*bytes,
            Import {
                reference,
                ..Import::default()
            },
        )
        .unwrap();
}

pub(crate) fn append<W: std::io::Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    content: &[u8],
    mode: u32,
) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, name, content).unwrap();
}

/// A context of plain files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        append(&mut archive, name, content.as_bytes(), 0o644);
    }
    archive.into_inner().unwrap()
}

pub(crate) fn spooled(bytes: &[u8]) -> BuildContext {
    let mut file: File = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    file.rewind().unwrap();
    BuildContext::Archive(file)
}

/// A build of these files on no network.
pub(crate) fn request(files: &[(&str, &str)]) -> BuildRequest {
    request_of(&archive(files))
}

pub(crate) fn request_of(context: &[u8]) -> BuildRequest {
    let mut request = BuildRequest::new(spooled(context));
    request.network_mode = "none".into();
    request
}

/// What a build told, and what came of it.
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) result: Result<Digest, BuildError>,
}

impl Told {
    pub(crate) fn id(&self) -> Digest {
        match &self.result {
            Ok(id) => *id,
            Err(error) => panic!("{error}\n{}", self.text),
        }
    }

    pub(crate) fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }
}

impl Daemon {
    pub(crate) async fn build(&self, request: BuildRequest) -> Told {
        let (sender, mut receiver) = mpsc::channel(64);
        let building = self.builder.build(request, sender);
        let listening = async {
            let mut text = String::new();
            while let Some(message) = receiver.recv().await {
                if let Progress::Stream(stream) = message {
                    text.push_str(&stream);
                }
            }
            text
        };
        let both = async { tokio::join!(building, listening) };
        let (result, text) = tokio::time::timeout(PATIENCE, both)
            .await
            .expect("the build ends");
        Told { text, result }
    }

    /// Builds a Dockerfile with files beside it.
    pub(crate) async fn file(&self, dockerfile: &str, files: &[(&str, &str)]) -> Told {
        let files = [&[("Dockerfile", dockerfile)], files].concat();
        self.build(request(&files)).await
    }

    /// Every path of an image but the probe's own, with mode, owner and content.
    pub(crate) fn tree(&self, image: Digest) -> BTreeMap<String, String> {
        use image::archive::{Pack, pack};
        use std::os::fd::AsFd as _;
        let root = self.images.view(&image).unwrap().mount().unwrap();
        let mut packed = Vec::new();
        let options = Pack {
            contents: true,
            ..Pack::default()
        };
        pack(root.as_fd(), Path::new("/"), &options, &mut packed).unwrap();
        let mut tree = BTreeMap::new();
        for entry in tar::Archive::new(&*packed).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry
                .path()
                .unwrap()
                .to_string_lossy()
                .trim_end_matches('/')
                .to_owned();
            if matches!(name.as_str(), "probe" | "etc/passwd" | "etc/group") {
                continue;
            }
            let header = entry.header().clone();
            let what = match header.entry_type() {
                tar::EntryType::Directory => "/".to_owned(),
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    format!("-> {}", entry.link_name().unwrap().unwrap().display())
                }
                _ => {
                    let mut content = String::new();
                    std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
                    content
                }
            };
            let owner = format!("{}:{}", header.uid().unwrap(), header.gid().unwrap());
            tree.insert(
                name,
                format!("{:o} {owner} {what}", header.mode().unwrap() & 0o7777),
            );
        }
        tree
    }

    /// One path of an image, as [`Self::tree`] shows it.
    pub(crate) fn at(&self, image: Digest, path: &str) -> String {
        self.tree(image)
            .remove(path)
            .unwrap_or_else(|| panic!("no {path} in {:#?}", self.tree(image)))
    }

    /// Nothing is left of builds but images: no container, no snapshot, no file.
    pub(crate) fn assert_nothing_left(&self, node: &Node) {
        assert!(self.engine.list().is_empty());
        // Those of containers are cleared by the engine, in the background.
        assert!(
            self.images
                .owners()
                .iter()
                .all(|owner| !owner.starts_with("build-"))
        );
        assert_eq!(std::fs::read_dir(node.path("data/build")).unwrap().count(), 0);
    }
}
