//! Daemons of a node with a builder, and what the tests have them build.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::time::Duration;

use builder::{BuildContext, BuildError, BuildRequest, Builder, Progress};
use engine::Engine;
use image::{Digest, Images};
use network::Networks;
pub(crate) use testkit::node::{Node, append};
use tokio::sync::mpsc;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon of a node.
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
    pub(crate) async fn open(node: &Node) -> Self {
        let pool = network::Pool {
            base: "10.214.0.0/16".into(),
            size: 24,
        };
        let networks = network::Config {
            pools: vec![pool],
            ready: 0,
            ..node.network_config()
        };
        let rooms = node.open(networks).await;
        let directory = node.path("data/build");
        let builder = Builder::open(
            rooms.engine.clone(),
            rooms.images.clone(),
            rooms.store,
            directory,
            rooms.clock,
        );
        Self {
            engine: rooms.engine,
            images: rooms.images,
            builder: builder.unwrap(),
            networks: rooms.networks,
        }
    }

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
                    let mut content = Vec::new();
                    std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
                    String::from_utf8_lossy(&content).into_owned()
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

    /// The time of every path of an image, in seconds since 1970.
    pub(crate) fn times(&self, image: Digest) -> BTreeMap<String, u64> {
        use image::archive::{Pack, pack};
        use std::os::fd::AsFd as _;
        let root = self.images.view(&image).unwrap().mount().unwrap();
        let mut packed = Vec::new();
        let options = Pack {
            contents: true,
            ..Pack::default()
        };
        pack(root.as_fd(), Path::new("/"), &options, &mut packed).unwrap();
        let mut archive = tar::Archive::new(&*packed);
        let times = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = entry
                .path()
                .unwrap()
                .to_string_lossy()
                .trim_end_matches('/')
                .to_owned();
            (name, entry.header().mtime().unwrap())
        });
        times.collect()
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
