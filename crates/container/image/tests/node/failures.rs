//! Everything that can fail, failing at each step: nothing of it stays.

use std::fs;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{Commit, CommitLayer, HistoryRow, ImageConfig, Inline, WorkerJob, Workers};
use store::{
    Error, KeyValue, Pending, RangeRequest, RangeResponse, Revision, Store, Watch, WatchRequest, Write,
    Written,
};

use super::snapshots::inside;
use super::support::{Node, archive, memory, open, tar};

/// A store whose writes fail from the n-th on, until it is mended: the power has gone.
pub(crate) struct Failing {
    inner: Arc<dyn Store>,
    pub(crate) left: AtomicUsize,
    /// Sees each write before it is done.
    look: Box<dyn Fn(&Write) + Send + Sync>,
}

impl Failing {
    pub(crate) fn after(writes: usize) -> Arc<Self> {
        Self::seen(writes, |_| {})
    }

    /// One whose writes do not fail, and are looked at.
    pub(crate) fn never(look: impl Fn(&Write) + Send + Sync + 'static) -> Arc<Self> {
        Self::seen(usize::MAX, look)
    }

    fn seen(writes: usize, look: impl Fn(&Write) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            inner: memory(),
            left: AtomicUsize::new(writes),
            look: Box::new(look),
        })
    }
}

impl Store for Failing {
    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    fn get(&self, key: &[u8]) -> Pending<Option<Arc<KeyValue>>> {
        self.inner.get(key)
    }

    fn range(&self, request: &RangeRequest) -> Pending<RangeResponse> {
        self.inner.range(request)
    }

    fn write(&self, write: Write) -> Pending<Written> {
        (self.look)(&write);
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.inner.write(write),
            Err(_) => Pending::ready(Err(Error::Closed)),
        }
    }

    fn watch(&self, request: &WatchRequest) -> Watch {
        self.inner.watch(request)
    }

    fn compact(&self, revision: Revision) -> Pending<()> {
        self.inner.compact(revision)
    }
}

/// Workers of whom the n-th dies.
struct Dying(AtomicUsize);

impl Workers for Dying {
    fn run(&self, job: WorkerJob<'_>) -> io::Result<ExitStatus> {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(io::Error::from_raw_os_error(11));
        }
        Inline.run(job)
    }
}

fn example() -> Vec<u8> {
    let (one, two) = (tar(&["a = 1"]), tar(&["b = 2"]));
    archive(&["x:1", "x:2"], &[&one, &two])
}

/// The process dies after each of its writes in turn; the next start clears up.
#[test]
fn a_load_that_is_cut_off_leaves_nothing() {
    let mut writes = 0;
    loop {
        let store = Failing::after(writes);
        let node = Node::with(store.clone(), Arc::new(Inline));
        let loaded = node.load(&example());
        store.left.store(usize::MAX, Ordering::SeqCst);
        let node = node.reopen();
        if loaded.is_ok() {
            assert_eq!(node.images.list().len(), 1);
            assert!(writes >= 6, "a lease, two layers, an image, two tags");
            break;
        }
        node.assert_empty();
        writes += 1;
    }
}

#[test]
fn a_name_that_was_about_to_move_stays_where_it_was() {
    for writes in 0.. {
        let store = Failing::after(usize::MAX);
        let node = Node::with(store.clone(), Arc::new(Inline));
        let before = node.load_one(&archive(&["x:1"], &[&tar(&["old = 1"])]));
        store.left.store(writes, Ordering::SeqCst);
        let loaded = node.load(&example());
        store.left.store(usize::MAX, Ordering::SeqCst);
        let node = node.reopen();
        let named = node.images.resolve("x:1").unwrap().id;
        if loaded.is_ok() {
            assert_ne!(named, before);
            break;
        }
        assert_eq!(named, before, "after {writes} writes");
        assert_eq!(node.images.list().len(), 1);
    }
}

#[test]
fn a_worker_that_dies_takes_the_load_with_it() {
    for nth in 0..3 {
        let node = Node::with(memory(), Arc::new(Dying(AtomicUsize::new(nth))));
        let error = node.load(&example()).unwrap_err();
        assert_eq!(error.to_string(), "start a worker");
        node.reopen().assert_empty();
    }
    let node = Node::with(memory(), Arc::new(Dying(AtomicUsize::new(3))));
    assert!(node.load(&example()).is_ok());
}

/// A build step that is cut off loses at most the step: the image below stays whole.
#[test]
fn a_commit_that_is_cut_off_leaves_the_image_below() {
    for writes in 0.. {
        let store = Failing::after(usize::MAX);
        let node = Node::with(store.clone(), Arc::new(Inline));
        let parent = node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
        let rootfs = node.images.prepare("c", Some(&parent)).unwrap();
        inside(&rootfs, |root| fs::write(root.join("b"), "x").unwrap());
        store.left.store(writes, Ordering::SeqCst);
        let made = node.images.commit(Commit {
            hidden: false,
            parent: Some(&parent),
            layer: CommitLayer::Move("c"),
            config: ImageConfig::for_host(),
            history: HistoryRow::default(),
            reference: Some("y".parse().unwrap()),
            lease: None,
        });
        store.left.store(usize::MAX, Ordering::SeqCst);
        let node = node.reopen();
        node.images.release("c").unwrap();
        let node = node.reopen();
        let images = node.images.list().len();
        let (snapshots, blobs) = node.on_disk();
        if made.is_ok() {
            // One snapshot more than layers: the init layer upon the image below.
            assert_eq!((images, snapshots.len(), blobs.len()), (2, 3, 2));
            break;
        }
        assert_eq!(
            (images, snapshots.len(), blobs.len()),
            (1, 2, 1),
            "after {writes} writes"
        );
    }
}

#[test]
fn what_no_row_names_is_cleared_at_the_start() {
    let node = Node::new();
    node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
    let path = node.directory.path().to_owned();
    fs::create_dir_all(path.join("snapshots/99/fs/deep")).unwrap();
    fs::write(path.join("content/blobs/sha256/junk"), "x").unwrap();
    fs::create_dir_all(path.join("content/ingest/5")).unwrap();
    let node = node.reopen();
    assert_eq!(node.on_disk().0, ["1"]);
    assert_eq!(node.on_disk().1.len(), 1);
    let rootfs = node.images.prepare("c", None).unwrap();
    assert!(
        rootfs.upper.unwrap().ends_with("100/fs"),
        "a number is not used again"
    );
}

/// A disk that lost a layer is said so, and the rest goes on.
#[test]
fn an_image_whose_layer_is_lost_is_not_offered() {
    let node = Node::new();
    node.load_one(&archive(&["x:1"], &[&tar(&["a = 1"])]));
    node.load_one(&archive(&["y:1"], &[&tar(&["b = 1"])]));
    fs::remove_dir_all(node.directory.path().join("snapshots/1")).unwrap();
    let Node {
        images,
        store,
        directory,
    } = node;
    drop(images);
    let images = open(directory.path(), store, Arc::new(Inline));
    assert_eq!(
        images.resolve("x:1").unwrap_err().to_string(),
        "No such image: x:1"
    );
    assert!(images.resolve("y:1").is_ok());
}
