//! What is saved here is loaded there and the other way round, in all of podman's forms.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use driver::SystemClock;
use image::{Config, Digest, ImageConfig, Images, Import, Inline, Limits};
use store::{Embedded, Options, Snapshot};

fn open(directory: &Path) -> Images {
    let clock = Arc::new(SystemClock::new());
    let store = Embedded::fork(Snapshot::default(), clock.clone(), Options::default()).unwrap();
    let config = Config {
        content: directory.join("content"),
        snapshots: directory.join("snapshots"),
        limits: Limits::default(),
    };
    Images::open(config, Arc::new(store), Arc::new(Inline), clock).unwrap()
}

/// A podman with a storage of its own.
struct Podman<'a>(&'a Path);

impl Podman<'_> {
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("podman")
            .args(["--storage-driver", "vfs", "--root"])
            .arg(self.0.join("podman"))
            .arg("--runroot")
            .arg(self.0.join("run"))
            .args(arguments)
            .output()
            .expect("podman is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podman {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// A root filesystem of a few files.
fn base() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("bin/tool", "#!"), ("etc/hosts", "x")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn an_image_goes_there_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let podman = Podman(directory.path());
    let here = open(&directory.path().join("here"));
    let import = Import {
        reference: Some("localhost/shared:1".parse().unwrap()),
        config: ImageConfig::for_host(),
        message: "test".to_owned(),
    };
    let id = here.import(&mut &*base(), import).unwrap();
    let mut saved = std::fs::File::create(path("saved.tar")).unwrap();
    here.save(&["localhost/shared:1".to_owned()], None, &mut saved)
        .unwrap();
    podman.run(&["load", "-i", &path("saved.tar")]);
    let known = podman.run(&["image", "inspect", "--format", "{{.Id}}", "localhost/shared:1"]);
    assert_eq!(known, id.hex());
    for form in ["docker-archive", "oci-archive"] {
        let file = path(form);
        podman.run(&["save", "--format", form, "-o", &file, "localhost/shared:1"]);
        let there = open(&directory.path().join(format!("there-{form}")));
        let loaded = there
            .load(&mut std::fs::File::open(&file).unwrap(), None, &mut |_| {})
            .unwrap();
        let names: Vec<(Digest, String)> = loaded
            .iter()
            .map(|loaded| (loaded.id, loaded.reference.as_ref().unwrap().familiar()))
            .collect();
        assert_eq!(names, [(id, "localhost/shared:1".to_owned())], "{form}");
    }
}
