//! Detached overlays, both ways of making them.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use sys::mount::{self, Overlay};

struct Layers {
    directory: tempfile::TempDir,
    lower: Vec<PathBuf>,
}

impl Layers {
    /// Layers that each have a file of their own and one that all have.
    fn new(count: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lower = (0..count).rev().map(|number| {
            let path = directory.path().join(format!("{number}:odd,name\\"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join(number.to_string()), "").unwrap();
            fs::write(path.join("all"), number.to_string()).unwrap();
            path
        });
        let lower = lower.collect();
        for name in ["upper", "work"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self { directory, lower }
    }

    fn mount(&self, way: fn(&Overlay<'_>) -> io::Result<OwnedFd>, writable: bool) -> io::Result<OwnedFd> {
        let (upper, work) = (
            self.directory.path().join("upper"),
            self.directory.path().join("work"),
        );
        way(&Overlay {
            lower: &self.lower,
            upper: writable.then_some((&*upper, &*work)),
            options: &[("index", "off")],
        })
    }
}

fn path(root: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", root.as_raw_fd()).into()
}

#[test]
fn layers_are_joined_and_changes_go_to_the_top() {
    for way in [mount::overlay, mount::by_string] {
        let layers = Layers::new(40);
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = layers.mount(way, true).unwrap();
        assert_eq!(
            fs::read_to_string("/proc/self/mountinfo").unwrap(),
            before,
            "attached nowhere"
        );
        assert_eq!(fs::read_dir(path(&root)).unwrap().count(), 41);
        assert_eq!(
            fs::read_to_string(path(&root).join("all")).unwrap(),
            "39",
            "the first one is topmost"
        );
        fs::write(path(&root).join("new"), "").unwrap();
        assert!(layers.directory.path().join("upper/new").exists());
    }
}

#[test]
fn a_view_without_an_upper_directory_cannot_be_written_to() {
    for way in [mount::overlay, mount::by_string] {
        let layers = Layers::new(2);
        let root = layers.mount(way, false).unwrap();
        let error = fs::write(path(&root).join("new"), "").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
    }
}

#[test]
fn a_copy_of_a_tree_can_be_made_read_only() {
    let directory = tempfile::tempdir().unwrap();
    let tree = mount::clone_tree(directory.path()).unwrap();
    mount::make_read_only(&tree).unwrap();
    let error = fs::write(path(&tree).join("new"), "").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
    fs::write(directory.path().join("new"), "").unwrap();
}
