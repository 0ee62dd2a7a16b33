//! A registry on a port of loopback, over a node's own store.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]
#![allow(dead_code, reason = "not every test binary needs everything")]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::{Clock, SystemClock};
use https::Identity;
use image::{ImageConfig, Images, Import, Inline};
use pki::{Authority, Profile, SubjectName, Usage};
use registry::{Access, Config, Limits, MirrorConfig, Owners, Parts, Registry, Rules};
use store::{Embedded, Options, Snapshot};
use tempfile::TempDir;

use crate::suite::http::Remote;

pub(crate) struct Served {
    pub(crate) images: Images,
    pub(crate) registry: Registry,
    pub(crate) directory: TempDir,
}

fn open_images(directory: &TempDir, clock: Arc<dyn Clock>) -> Images {
    let store = Embedded::fork(Snapshot::default(), clock.clone(), Options::default()).unwrap();
    let config = image::Config {
        content: directory.path().join("content"),
        snapshots: directory.path().join("snapshots"),
        limits: image::Limits::default(),
    };
    Images::open(config, Arc::new(store), Arc::new(Inline), clock).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "TLS goes by the real clock")]
fn identity() -> Identity {
    let now = std::time::SystemTime::now();
    let profile = Profile {
        common_name: "registry",
        organizations: &[],
        names: &[SubjectName::from("127.0.0.1"), SubjectName::from("localhost")],
        usage: Usage::Server,
        validity: Duration::from_secs(3600),
    };
    let leaf = Authority::generate("ca", now)
        .unwrap()
        .issue(&profile, now)
        .unwrap();
    Identity::from_pem(leaf.certificate_pem().as_bytes(), leaf.key_pem().as_bytes()).unwrap()
}

impl Served {
    pub(crate) fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let images = open_images(&directory, clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = Config {
            domain: format!("localhost:{}", listener.local_addr().unwrap().port()),
            access: Access {
                owners: Owners::default(),
                users: None,
                tokens: None,
                rules: Rules::default(),
                anonymous_pull: true,
                names: Vec::new(),
            },
            read_only: false,
            plain: https::Plain::Loopback,
            limits: Limits::default(),
            webhooks: Vec::new(),
            authorities: Bytes::new(),
            mirror: MirrorConfig::default(),
        };
        let parts = Parts {
            content: Arc::new(images.clone()),
            clock,
            upstream: None,
        };
        let registry = Registry::open(config, parts, listener, identity()).unwrap();
        Self {
            images,
            registry,
            directory,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.registry.address()
    }

    pub(crate) fn domain(&self) -> String {
        format!("localhost:{}", self.address().port())
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote {
            address: self.address(),
            ours: true,
            credentials: None,
        }
    }

    /// An image that was made here.
    pub(crate) fn import(&self, reference: &str) -> image::Digest {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in [("bin/tool", "#!".repeat(5000)), ("etc/hosts", "x".to_owned())] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            builder
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        let archive = builder.into_inner().unwrap();
        let import = Import {
            reference: Some(reference.parse().unwrap()),
            config: ImageConfig::default(),
            message: String::new(),
        };
        self.images.import(&mut &archive[..], import).unwrap()
    }
}
