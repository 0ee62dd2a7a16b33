//! Volumes over a real directory and a store on a simulated disk.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ::driver::{ManualClock, SimDisk};
use store::{Embedded, Options as StoreOptions};
use tempfile::TempDir;

use super::*;

/// A node's volumes that can be opened again.
struct Node {
    directory: TempDir,
    store: Arc<dyn Store>,
    events: Events,
}

impl Node {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let store = Embedded::open(
            SimDisk::new().dir(),
            clock,
            Rng::from_seed(1),
            StoreOptions::default(),
        )
        .unwrap();
        Self {
            directory: tempfile::tempdir().unwrap(),
            store: Arc::new(store),
            events: Events::new(),
        }
    }

    fn open(&self) -> Volumes {
        let clock = Arc::new(ManualClock::new());
        let directory = self.directory.path().to_owned();
        Volumes::open(
            directory,
            self.store.clone(),
            clock,
            Rng::from_seed(2),
            self.events.clone(),
        )
        .unwrap()
    }
}

fn named(name: &str) -> VolumeSpec {
    VolumeSpec {
        name: name.into(),
        ..VolumeSpec::default()
    }
}

fn labelled(name: &str, labels: &[(&str, &str)]) -> VolumeSpec {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    VolumeSpec {
        labels: labels.iter().map(own).collect(),
        ..named(name)
    }
}

fn names(volumes: &Volumes) -> Vec<String> {
    volumes.list().iter().map(|volume| volume.name.clone()).collect()
}

fn text<T>(result: Result<T, Error>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_volume_is_made_once_and_is_there_after_a_restart() {
    let node = Node::new();
    let volumes = node.open();
    let (first, made) = volumes.create(labelled("data", &[("a", "1")])).unwrap();
    assert!(made && first.mountpoint.is_dir());
    let (second, made) = volumes.create(labelled("data", &[("a", "2")])).unwrap();
    assert!(!made && second.labels["a"] == "1");
    let again = node.open();
    assert_eq!(again.find("data").unwrap(), first);
}

#[test]
fn a_volume_without_a_name_gets_one_and_a_label() {
    let volumes = Node::new().open();
    let (volume, _) = volumes.create(VolumeSpec::default()).unwrap();
    assert!(volume.name.len() == 64 && volume.name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(volume.is_anonymous());
}

#[test]
fn refusals_are_upstream_s_texts() {
    let volumes = Node::new().open();
    let refused = |spec| text(volumes.create(spec));
    assert_eq!(
        refused(named("a/b")),
        "create a/b: \"a/b\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    );
    assert_eq!(
        refused(VolumeSpec {
            driver: "nope".into(),
            ..named("ab")
        }),
        "create ab: error looking up volume plugin nope: plugin \"nope\" not found"
    );
    let options = [("color".to_owned(), "red".to_owned())].into();
    assert_eq!(
        refused(VolumeSpec {
            options,
            ..named("ab")
        }),
        "create ab: invalid option: \"color\""
    );
    assert_eq!(text(volumes.find("ab")), "get ab: no such volume");
    assert_eq!(text(volumes.remove("ab", false)), "get ab: no such volume");
    assert_eq!(text(volumes.remove("ab", true)), "");
    assert!(names(&volumes).is_empty());
}

#[test]
fn a_volume_in_use_stays_until_its_last_user_goes() {
    let volumes = Node::new().open();
    volumes.create(named("data")).unwrap();
    for container in ["c2", "c1"] {
        volumes.claim("data", container).unwrap();
    }
    for force in [false, true] {
        assert_eq!(
            text(volumes.remove("data", force)),
            "remove data: volume is in use - [c1, c2]"
        );
    }
    volumes.unclaim("c1");
    assert_eq!(volumes.users("data"), ["c2"]);
    volumes.unclaim("c2");
    volumes.remove("data", false).unwrap();
    assert_eq!(text(volumes.claim("data", "c3")), "get data: no such volume");
}

#[test]
fn removal_takes_the_data_and_the_row() {
    let node = Node::new();
    let volumes = node.open();
    let (volume, _) = volumes.create(named("data")).unwrap();
    fs::create_dir(volume.mountpoint.join("x")).unwrap();
    fs::write(volume.mountpoint.join("x/y"), "z").unwrap();
    volumes.remove("data", false).unwrap();
    assert_eq!(fs::read_dir(node.directory.path()).unwrap().count(), 0);
    assert!(names(&node.open()).is_empty());
    assert!(volumes.create(named("data")).unwrap().1, "the name is free again");
}

#[test]
fn a_crash_between_the_steps_loses_no_data_and_leaves_no_ghost() {
    let node = Node::new();
    let volumes = node.open();
    volumes.create(named("kept")).unwrap();
    volumes.create(named("gone")).unwrap();
    // Made without a row, removed without the row, and renamed but not deleted.
    fs::create_dir_all(node.directory.path().join("found/_data")).unwrap();
    fs::remove_dir_all(node.directory.path().join("gone")).unwrap();
    fs::create_dir_all(node.directory.path().join(".removing-old/_data")).unwrap();
    fs::create_dir_all(node.directory.path().join("not-a-volume")).unwrap();
    assert_eq!(names(&node.open()), ["found", "kept"]);
    assert_eq!(names(&node.open()), ["found", "kept"], "and again");
    assert!(!node.directory.path().join(".removing-old").exists());
}

#[test]
fn prune_takes_what_nobody_uses_and_the_filter_admits() {
    let check = |filter: PruneFilter, expected: &[&str]| {
        let volumes = Node::new().open();
        for spec in [
            named("named"),
            labelled("anonymous", &[(ANONYMOUS, "")]),
            labelled("labelled", &[(ANONYMOUS, ""), ("keep", "yes")]),
            labelled("used", &[(ANONYMOUS, "")]),
        ] {
            volumes.create(spec).unwrap();
        }
        let options = [("type", "none"), ("device", "/tmp"), ("o", "bind")];
        let options = options
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        volumes
            .create(VolumeSpec {
                options,
                ..labelled("elsewhere", &[(ANONYMOUS, "")])
            })
            .unwrap();
        volumes.claim("used", "c").unwrap();
        fs::write(volumes.find("anonymous").unwrap().mountpoint.join("f"), [0; 10]).unwrap();
        let pruned = volumes.prune(&filter).unwrap();
        assert_eq!(pruned.volumes, expected, "{filter:?}");
        assert_eq!(
            pruned.reclaimed,
            if expected.contains(&"anonymous") { 10 } else { 0 }
        );
    };
    let labels = |text, absent| PruneFilter {
        labels: vec![LabelFilter::parse(text, absent)],
        all: false,
    };
    check(PruneFilter::default(), &["anonymous", "labelled"]);
    check(
        PruneFilter {
            all: true,
            ..PruneFilter::default()
        },
        &["anonymous", "labelled", "named"],
    );
    check(labels("keep", false), &["labelled"]);
    check(labels("keep=yes", false), &["labelled"]);
    check(labels("keep=no", false), &[]);
    check(labels("keep", true), &["anonymous"]);
}

#[test]
fn creation_and_removal_are_events() {
    let node = Node::new();
    let mut events = node.events.subscribe(crate::events::EventQuery::default());
    let volumes = node.open();
    volumes.create(named("data")).unwrap();
    volumes.create(named("data")).unwrap();
    volumes.remove("data", false).unwrap();
    let told: Vec<String> = std::iter::from_fn(|| events.next_now())
        .map(|event| event.action.clone())
        .collect();
    assert_eq!(told, ["create", "destroy"]);
}

#[test]
fn a_subpath_is_found_inside_the_volume_and_nowhere_else() {
    let volumes = Node::new().open();
    let (volume, _) = volumes.create(named("data")).unwrap();
    fs::create_dir_all(volume.mountpoint.join("a/b")).unwrap();
    std::os::unix::fs::symlink("/a", volume.mountpoint.join("link")).unwrap();
    let source = |subpath| volumes.mount("data", "c", subpath).map(|mounted| mounted.source);
    let data = volume.mountpoint.canonicalize().unwrap();
    assert_eq!(source("").unwrap(), volume.mountpoint);
    assert_eq!(source("a/b").unwrap(), data.join("a/b"));
    assert_eq!(
        source("link").unwrap(),
        data.join("a"),
        "the link's root is the volume"
    );
    assert!(
        text(source("../..")).is_empty(),
        "the volume's root has no parent"
    );
    assert!(text(source("none")).ends_with("no such file or directory"));
}

#[test]
fn a_bind_volume_is_its_device() {
    let volumes = Node::new().open();
    let device = tempfile::tempdir().unwrap();
    let device_path = device.path().to_str().unwrap().to_owned();
    let options = [
        ("type", "none"),
        ("device", device_path.as_str()),
        ("o", "bind,ro"),
    ];
    let options = options
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    volumes
        .create(VolumeSpec {
            options,
            ..named("bound")
        })
        .unwrap();
    let mounted = volumes.mount("bound", "c", "").unwrap();
    assert_eq!(
        mounted,
        Mounted {
            source: device.path().into(),
            recursive: false,
            read_only: true
        }
    );
    drop(device);
    assert!(text(volumes.mount("bound", "c", "")).ends_with("no such file or directory"));
    volumes.remove("bound", false).unwrap();
}

#[test]
fn the_directory_of_volumes_is_closed_to_others() {
    let node = Node::new();
    let (volume, _) = node.open().create(named("data")).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(volume.root()), mode(&volume.mountpoint)), (0o701, 0o755));
    assert_eq!(
        volume.mountpoint.metadata().unwrap().uid(),
        rustix::process::getuid().as_raw()
    );
}

/// A tree as an image might have it at a mount point.
fn image_root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    fs::create_dir_all(path("srv/data/sub")).unwrap();
    fs::write(path("srv/data/file"), "content").unwrap();
    fs::set_permissions(path("srv/data/file"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(path("srv/data/file"), path("srv/data/sub/same")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path("srv/data/link")).unwrap();
    fs::set_permissions(path("srv/data"), fs::Permissions::from_mode(0o1750)).unwrap();
    fs::write(path("srv/plain"), "").unwrap();
    root
}

#[test]
fn a_fresh_volume_takes_what_the_image_has_and_a_used_one_nothing() {
    let volumes = Node::new().open();
    let root = image_root();
    let root = fs::File::open(root.path()).unwrap();
    let (volume, _) = volumes.create(named("data")).unwrap();
    assert!(volumes.populate("data", &root, Path::new("/srv/data")).unwrap());
    let data = &volume.mountpoint;
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o7777, 0o1750);
    let (file, same) = (
        data.join("file").metadata().unwrap(),
        data.join("sub/same").metadata().unwrap(),
    );
    assert_eq!(
        (file.ino(), file.permissions().mode() & 0o7777),
        (same.ino(), 0o4755)
    );
    assert_eq!(
        fs::read_link(data.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert_eq!(volumes.size("data").unwrap(), 7);
    fs::remove_file(data.join("file")).unwrap();
    assert!(!volumes.populate("data", &root, Path::new("/srv/data")).unwrap());
    assert!(!data.join("file").exists());
}

#[test]
fn nothing_is_copied_where_the_image_has_nothing_and_a_file_is_refused() {
    let volumes = Node::new().open();
    let root = image_root();
    let root = fs::File::open(root.path()).unwrap();
    volumes.create(named("data")).unwrap();
    assert!(!volumes.populate("data", &root, Path::new("/none")).unwrap());
    assert_eq!(
        text(volumes.populate("data", &root, Path::new("/srv/plain"))),
        "cannot mount volume over existing file, file exists /srv/plain"
    );
    // A link of the image's leads inside the image only.
    assert!(
        !volumes
            .populate("data", &root, Path::new("/srv/data/link"))
            .unwrap()
    );
}
