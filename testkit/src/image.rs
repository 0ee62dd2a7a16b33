//! Images to load, as `docker save` would write them: made here, from programs of this host.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// `busybox:latest`: Debian's static busybox, its applets as hard links, and the usual directories.
///
/// # Panics
/// There is no busybox on this host (package `busybox-static`).
#[must_use]
pub fn busybox() -> Vec<u8> {
    let program = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find_map(|path| std::fs::read(path).ok())
        .expect("busybox: apt-get install busybox-static");
    let list = std::process::Command::new("busybox").arg("--list").output();
    let list = String::from_utf8(list.expect("busybox runs").stdout).expect("names");
    let mut layer = Layer::new();
    for directory in [
        "bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "usr/bin", "var", "var/www",
    ] {
        layer.directory(directory, 0o755);
    }
    layer.directory("tmp", 0o1777);
    layer.file("bin/busybox", 0o755, &program);
    for applet in list.lines().filter(|name| *name != "busybox") {
        layer.link(&format!("bin/{applet}"), "bin/busybox");
    }
    layer.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n");
    layer.file(
        "etc/group",
        0o644,
        b"root:x:0:\nwww:x:33:\nstaff:x:50:www\nnobody:x:65534:\n",
    );
    archive(
        "busybox:latest",
        layer.finish(),
        &json!({"Cmd": ["sh"], "Env": [PATH]}),
    )
}

/// `probe:latest`: nothing but the probe, at `/bin/probe`.
///
/// # Panics
/// The probe is not built.
#[must_use]
pub fn probe() -> Vec<u8> {
    let mut layer = Layer::new();
    layer.directory("bin", 0o755);
    layer.file(
        "bin/probe",
        0o755,
        &std::fs::read(super::probe()).expect("the probe"),
    );
    archive(
        "probe:latest",
        layer.finish(),
        &json!({"Entrypoint": ["/bin/probe"], "Env": [PATH]}),
    )
}

/// `frontend:latest`: the frontend for tests (`src/frontend`), at `/bin/frontend`.
///
/// # Panics
/// It is not built.
#[must_use]
pub fn frontend() -> Vec<u8> {
    let mut layer = Layer::new();
    layer.directory("bin", 0o755);
    let program = std::fs::read(super::beside_tests("frontend")).expect("the frontend");
    layer.file("bin/frontend", 0o755, &program);
    archive(
        "frontend:latest",
        layer.finish(),
        &json!({
            "Entrypoint": ["/bin/frontend"],
            "Env": [PATH],
            "Labels": { "moby.buildkit.frontend.caps": "moby.buildkit.frontend.subrequests" },
        }),
    )
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A layer's tar; everything belongs to root and is of 1970.
pub struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header
    }

    /// Adds a directory.
    ///
    /// # Panics
    /// The name does not fit.
    pub fn directory(&mut self, path: &str, mode: u32) {
        let mut header = Self::header(tar::EntryType::Directory, mode, 0);
        self.0
            .append_data(&mut header, format!("{path}/"), std::io::empty())
            .expect("an entry");
    }

    /// Adds a file.
    ///
    /// # Panics
    /// The name does not fit.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        let mut header = Self::header(tar::EntryType::Regular, mode, bytes.len() as u64);
        self.0.append_data(&mut header, path, bytes).expect("an entry");
    }

    /// Adds a hard link.
    ///
    /// # Panics
    /// A name does not fit.
    pub fn link(&mut self, path: &str, target: &str) {
        let mut header = Self::header(tar::EntryType::Link, 0o755, 0);
        self.0.append_link(&mut header, path, target).expect("an entry");
    }

    /// The tar's bytes.
    ///
    /// # Panics
    /// Never: it is written into memory.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("bytes")
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").finish_non_exhaustive()
    }
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

/// An archive of one image with one layer, as `docker load` takes it (docker image specification 1.2).
///
/// # Panics
/// A name does not fit.
#[must_use]
pub fn archive(tag: &str, layer: Vec<u8>, config: &Value) -> Vec<u8> {
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "testkit"}],
    });
    let config = config.to_string().into_bytes();
    let name = format!("{}.json", hex(&config));
    let manifest = json!([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]);
    let files = BTreeMap::from([
        (name, config),
        ("layer.tar".to_owned(), layer),
        ("manifest.json".to_owned(), manifest.to_string().into_bytes()),
    ]);
    let mut whole = Layer::new();
    for (path, bytes) in files {
        whole.file(&path, 0o644, &bytes);
    }
    whole.finish()
}

fn hex(bytes: &[u8]) -> String {
    image::Digest::of(bytes).hex()
}
