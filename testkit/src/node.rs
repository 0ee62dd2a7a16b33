//! A node in a directory of its own, for tests of the rooms below the doors: a supervisor that
//! outlives its daemons, and the rooms as a daemon opens them, with an image that holds the probe.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;

use driver::{RealDir, Rng, SystemClock};
use engine::supervised::{self, Supervisor};
use engine::{Engine, ImageRef};
use image::{Images, Import, Reference};
use network::Networks;
use rustix::mount::{UnmountFlags, unmount};
use store::{Embedded, Options, Store};
use supervisor::client::Client;
use supervisor::protocol::{Leftovers, Request, Role};
use tempfile::TempDir;
use tokio::runtime::Handle;

/// What outlives a daemon. Dropping it takes away what it has in the kernel.
#[derive(Debug)]
pub struct Node {
    directory: TempDir,
    instance: String,
    supervisor: Child,
}

/// What a daemon of that node has open.
#[expect(missing_debug_implementations, reason = "nor do the rooms")]
pub struct Rooms {
    /// The container table.
    pub engine: Engine,
    /// The image store.
    pub images: Images,
    /// The networks.
    pub networks: Networks,
    /// Their rows.
    pub store: Arc<dyn Store>,
    /// Their time.
    pub clock: Arc<SystemClock>,
    /// `probe:latest`: the probe, and users and groups.
    pub probe: ImageRef,
}

impl Node {
    /// Starts its supervisor, in the network namespace of this thread.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let name = directory.path().file_name().unwrap_or_default().to_string_lossy();
        // Links have names of at most 15 bytes.
        let instance = format!("t{}", name.trim_start_matches('.').trim_start_matches("tmp"));
        let supervisor = run_supervisor(directory.path());
        Self {
            directory,
            instance,
            supervisor,
        }
    }

    /// A path in its directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The usual networks of a daemon of this node.
    #[must_use]
    pub fn network_config(&self) -> network::Config {
        network::Config::new(&self.instance, self.path("run"))
    }

    /// Opens the rooms as a daemon does.
    ///
    /// # Panics
    /// One does not open.
    pub async fn open(&self, networks: network::Config) -> Rooms {
        let clock = Arc::new(SystemClock::new());
        let store = self.open_store(&clock);
        let config = supervised::Config::at(self.path("supervisor.sock"));
        let supervisor = Supervisor::connect(config, Handle::current())
            .await
            .expect("the supervisor answers");
        let images = image::Config {
            content: self.path("data/content"),
            snapshots: self.path("data/snapshots"),
            limits: image::Limits::default(),
        };
        let (holder, rows, time) = (Arc::new(supervisor.clone()), store.clone(), clock.clone());
        let handle = Handle::current();
        let opening = tokio::task::spawn_blocking(move || {
            let images =
                Images::open(images, rows.clone(), holder.clone(), time.clone()).expect("images open");
            let probe = probe_image(&images);
            let networks =
                Networks::open(networks, rows, holder, time, chance(), handle).expect("networks open");
            (images, networks, probe)
        });
        let (images, networks, probe) = opening.await.expect("images and networks open");
        let config = engine::Config {
            instance: self.instance.clone(),
            data_dir: self.path("data"),
            run_dir: self.path("run"),
            supervisor,
            images: images.clone(),
            networks: networks.clone(),
            store: store.clone(),
            clock: clock.clone(),
            rng: chance(),
        };
        Rooms {
            engine: Engine::open(config).await.expect("the engine opens"),
            images,
            networks,
            store,
            clock,
            probe,
        }
    }

    fn open_store(&self, clock: &Arc<SystemClock>) -> Arc<dyn Store> {
        let directory = self.path("data/node");
        std::fs::create_dir_all(&directory).expect("a directory");
        let disk = Arc::new(RealDir::open(&directory).expect("a disk"));
        let small = Options {
            first_segment: 1 << 20,
            segment: 1 << 20,
            ..Options::default()
        };
        Arc::new(Embedded::open(disk, clock.clone(), chance(), small).expect("the store opens"))
    }

    /// As the kernel's OOM killer would, then whoever watches it starts it again.
    ///
    /// # Panics
    /// It does not start.
    pub fn replace_supervisor(&mut self) {
        self.supervisor.kill().expect("it runs");
        self.supervisor.wait().expect("it is our child");
        self.supervisor = run_supervisor(self.directory.path());
    }

    /// Everything that runs is gone, and so is RUN; the disk stays.
    #[must_use]
    pub fn reboot(mut self) -> Self {
        self.shut_down();
        self.unmount();
        drop(std::fs::remove_dir_all(self.path("run")));
        self.supervisor = run_supervisor(self.directory.path());
        self
    }

    /// No control group and no mount is left of it.
    ///
    /// # Panics
    /// One is.
    pub fn assert_nothing_left(&self) {
        assert_eq!(self.groups(), Vec::<PathBuf>::new());
        assert_eq!(self.mounts(), Vec::<String>::new());
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

    fn unmount(&self) {
        for mount in self.mounts().into_iter().rev() {
            unmount(mount, UnmountFlags::DETACH).ok();
        }
    }

    /// What is mounted below its directory.
    fn mounts(&self) -> Vec<String> {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let directory = self.directory.path().to_string_lossy().into_owned();
        let targets = table.lines().filter_map(|line| line.split(' ').nth(4));
        targets
            .filter(|target| target.starts_with(&directory))
            .map(str::to_owned)
            .collect()
    }

    /// Its control groups, one in each hierarchy.
    fn groups(&self) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = entries(root).map(|hierarchy| hierarchy.join(&self.instance));
        hierarchies
            .chain([root.join(&self.instance)])
            .filter(|group| group.exists())
            .collect()
    }

    /// What a test that failed has left of its control groups.
    fn remove_groups(&self) {
        for own in self.groups() {
            for group in entries(&own) {
                drop(std::fs::remove_dir(group));
            }
            drop(std::fs::remove_dir(own));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shut_down();
        self.remove_groups();
        self.unmount();
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let listing = std::fs::read_dir(directory).into_iter().flatten().flatten();
    listing.map(|entry| entry.path())
}

fn chance() -> Rng {
    Rng::from_os().expect("a seed")
}

/// Returns once it listens: it writes its id after that.
fn run_supervisor(directory: &Path) -> Child {
    let socket = directory.join("supervisor.sock");
    let pid = directory.join("supervisor.sock.pid");
    // A predecessor's.
    drop(std::fs::remove_file(&pid));
    let mut child = Command::new(crate::beside_tests("engine-supervisor-under-test"))
        .arg(&socket)
        .spawn()
        .expect("it can be executed");
    while !std::fs::read_to_string(&pid).is_ok_and(|id| id.ends_with('\n')) {
        let ended = child.try_wait().expect("it is our child");
        assert!(ended.is_none(), "the supervisor ended: {ended:?}");
        std::thread::yield_now();
    }
    child
}

/// `FROM scratch`, and the probe in it.
fn probe_image(images: &Images) -> ImageRef {
    let name = "probe:latest";
    let id = match images.resolve(name) {
        Ok(image) => image.id,
        Err(_) => import_probe(images, name),
    };
    ImageRef {
        reference: name.into(),
        id: id.to_string(),
    }
}

fn import_probe(images: &Images, name: &str) -> image::Digest {
    let program = std::fs::read(crate::probe()).expect("the probe can be read");
    let users = b"root:x:0:0::/root:/probe\nweb:x:33:44::/srv:/probe\n";
    let groups = b"root:x:0:\nweb:x:44:\nus:x:55:web\n";
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "probe", &program, 0o755);
    append(&mut archive, "etc/passwd", users, 0o644);
    append(&mut archive, "etc/group", groups, 0o644);
    let bytes = archive.into_inner().expect("memory takes it");
    let import = Import {
        reference: Some(Reference::parse(name).expect("a reference")),
        ..Import::default()
    };
    images.import(&mut &*bytes, import).expect("the probe's image")
}

/// Appends a file of root's from 1970 to an archive.
///
/// # Panics
/// The name is too long for a header, or the archive cannot be written.
pub fn append<W: std::io::Write>(archive: &mut tar::Builder<W>, name: &str, content: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive
        .append_data(&mut header, name, content)
        .expect("the archive can be written");
}
