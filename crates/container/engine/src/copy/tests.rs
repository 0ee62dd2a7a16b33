//! Views over real overlays: these tests run as root, as every test of the engine's room does.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use image::Rootfs;
use tempfile::TempDir;

use super::*;
use crate::container::{ContainerId, MountPoint, MountPointKind, Owner};
use crate::oci::{ReadOnly, Source, UserMount};
use crate::spec::ContainerSpec;
use crate::state::State;

struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for name in ["upper", "work", "lower/etc/sub", "volume"] {
            fs::create_dir_all(fixture.path(name)).unwrap();
        }
        fs::write(fixture.path("lower/etc/file"), "image").unwrap();
        fs::write(fixture.path("volume/data"), "volume").unwrap();
        symlink("/etc/file", fixture.path("lower/link")).unwrap();
        symlink("/mnt/volume", fixture.path("lower/shortcut")).unwrap();
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn rootfs(&self) -> Rootfs {
        Rootfs {
            lower: vec![self.path("lower")],
            upper: Some(self.path("upper")),
            work: Some(self.path("work")),
        }
    }

    fn view(&self) -> View {
        let source = Source::Path {
            path: self.path("volume"),
            recursive: true,
            propagation: None,
        };
        let mount = UserMount {
            target: "/mnt/volume".into(),
            source,
            read_only: ReadOnly::No,
        };
        View::stopped(&self.rootfs(), &[mount]).unwrap()
    }
}

fn entries(view: &View, path: &str) -> Vec<String> {
    let mut archive = Vec::new();
    view.pack("web", path, &mut archive).unwrap();
    let mut archive = tar::Archive::new(archive.as_slice());
    let names = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path_bytes().into_owned());
    names.map(|name| String::from_utf8(name).unwrap()).collect()
}

#[test]
fn a_stopped_container_shows_its_layers_and_its_volumes() {
    let fixture = Fixture::new();
    let view = fixture.view();
    let size = |path| view.stat("web", path).map(|stat| stat.size);
    assert_eq!(size("/etc/file").unwrap(), 5);
    assert_eq!(size("/mnt/volume/data").unwrap(), 6);
    assert_eq!(size("/shortcut/data").unwrap(), 6, "a link into a volume");
    assert_eq!(size("/mnt/volume/../../etc/file").unwrap(), 5);
    assert_eq!(
        fixture.path("work").read_dir().unwrap().count(),
        1,
        "the host sees its own directory"
    );
}

#[test]
fn a_link_is_itself_and_says_where_it_leads() {
    let fixture = Fixture::new();
    let view = fixture.view();
    let stat = view.stat("web", "/link").unwrap();
    assert_eq!(
        (stat.name.as_str(), stat.link_target.as_str()),
        ("link", "/etc/file")
    );
    assert!(!stat.is_directory());
    assert!(
        view.stat("web", "/shortcut/").unwrap().is_directory(),
        "a slash at the end follows"
    );
}

#[test]
fn what_is_not_there_is_said_in_upstream_s_words() {
    let fixture = Fixture::new();
    let view = fixture.view();
    let text = |path| view.stat("web", path).unwrap_err().to_string();
    assert_eq!(text("/none"), "Could not find the file /none in container web");
    assert_eq!(text("/etc/file/x"), "lstat /etc/file/x: not a directory");
    let error = view.pack("web", "/none", &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[test]
fn archives_carry_the_names_that_clients_expect() {
    let fixture = Fixture::new();
    let view = fixture.view();
    assert_eq!(entries(&view, "/etc"), ["etc/", "etc/file", "etc/sub/"]);
    assert_eq!(entries(&view, "/etc/"), ["etc/", "etc/file", "etc/sub/"]);
    assert_eq!(entries(&view, "/etc/."), ["./", "./file", "./sub/"]);
    assert_eq!(entries(&view, "etc/file"), ["file"]);
    assert_eq!(entries(&view, "/link"), ["link"]);
    assert_eq!(entries(&view, "/mnt/volume"), ["volume/", "volume/data"]);
    assert!(entries(&view, "/").contains(&"/etc/file".to_owned()));
}

#[test]
fn the_place_of_an_archive_is_a_directory() {
    let fixture = Fixture::new();
    let view = fixture.view();
    assert_eq!(
        view.directory("web", "/shortcut").unwrap(),
        Path::new("/mnt/volume")
    );
    assert_eq!(view.directory("web", "/").unwrap(), Path::new("/"));
    let text = |path| view.directory("web", path).unwrap_err().to_string();
    assert_eq!(text("/etc/file"), "extraction point is not a directory");
    assert_eq!(text("/none"), "Could not find the file /none in container web");
}

fn container(read_only_rootfs: bool, mounts: &[(&str, bool)]) -> Container {
    let spec = ContainerSpec {
        read_only_rootfs,
        ..ContainerSpec::default()
    };
    let point = |(destination, read_only): &(&str, bool)| MountPoint {
        kind: MountPointKind::Volume,
        name: "v".into(),
        source: "/v".into(),
        destination: (*destination).into(),
        driver: "local".into(),
        read_only: *read_only,
        propagation: None,
        anonymous: false,
    };
    Container {
        id: ContainerId::new("c"),
        name: "web".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        spec: Arc::new(spec),
        image: None,
        owner: Owner::Docker,
        door: Arc::default(),
        state: State::default(),
        restart_count: 0,
        generation: 0,
        mounts: mounts.iter().map(point).collect(),
        log_path: None,
    }
}

#[test]
fn the_innermost_mount_decides_who_may_write() {
    let check = |read_only, mounts: &[(&str, bool)], path: &str, refused: Option<&str>| {
        let result = check_writable(&container(read_only, mounts), Path::new(path));
        assert_eq!(
            result.err().map(|error| error.to_string()).as_deref(),
            refused,
            "{path}"
        );
    };
    let volume = Some("mounted volume is marked read-only");
    check(false, &[], "/x", None);
    check(true, &[], "/x", Some("container rootfs is marked read-only"));
    check(true, &[("/data", false)], "/data/x", None);
    check(false, &[("/data", true)], "/data", volume);
    check(false, &[("/data", true)], "/database", None);
    check(true, &[("/data", true), ("/data/in", false)], "/data/in/x", None);
    check(
        false,
        &[("/data", false), ("/data/in", true)],
        "/data/in/x",
        volume,
    );
}

#[test]
fn a_running_process_s_root_is_its_own() {
    let view = View::running(std::process::id()).unwrap();
    assert!(view.stat("self", "/proc").unwrap().is_directory());
    assert!(View::running(u32::MAX).is_err());
}
