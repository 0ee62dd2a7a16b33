//! Views of root file systems: overlays and volumes put together out of sight.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use engine::Error;
use engine::copy::View;
use engine::oci::{ReadOnly, Source, UserMount};
use image::Rootfs;
use tempfile::TempDir;

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
fn a_running_process_s_root_is_its_own() {
    let view = View::running(std::process::id()).unwrap();
    assert!(view.stat("self", "/proc").unwrap().is_directory());
    assert!(View::running(u32::MAX).is_err());
}
