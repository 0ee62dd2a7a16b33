//! Volumes that are mounted: memory, parts of volumes, what a node that goes down leaves.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driver::SystemClock;
use engine::spec::{MountKind, MountSpec};
use kubelet::pod::EmptyDir;
use kubelet::traits::Volumes as _;
use kubelet::volume::{Content, FileEntry, Mounts, Payload, Plugin};
use kubelet::{ContainerIx, Pod};
use kuberuntime::volumes::VolumeStore;

/// A pod and its volumes. What is mounted goes with it.
struct Node {
    root: tempfile::TempDir,
    store: VolumeStore,
    pod: Arc<Pod>,
}

impl Node {
    fn with(spec: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let json =
            format!(r#"{{"metadata": {{"name": "p", "namespace": "x", "uid": "u"}}, "spec": {spec}}}"#);
        Self {
            store: VolumeStore::new(root.path(), Arc::new(SystemClock::new())),
            pod: Arc::new(Pod::parse(json.as_bytes()).unwrap()),
            root,
        }
    }

    fn mounted(&self) -> Vec<PathBuf> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let targets = table
            .lines()
            .map(|line| PathBuf::from(line.split(' ').nth(4).unwrap()));
        targets
            .filter(|target| target.starts_with(self.root.path()))
            .collect()
    }

    async fn write(&self, payloads: Vec<Payload>) -> Arc<Mounts> {
        self.store.write(&self.pod, payloads).await.unwrap()
    }

    /// Where the first container's first mount leads.
    fn source(&self, mounts: &Mounts) -> PathBuf {
        let mut all = self
            .store
            .mounts_of(&self.pod, ContainerIx(0), &[], mounts)
            .unwrap();
        match all.remove(0) {
            MountSpec {
                kind: MountKind::Bind { source, .. },
                ..
            } => source.into(),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.store.remove(&self.pod.uid).unwrap();
    }
}

fn secret(content: &str) -> Payload {
    let file = FileEntry {
        path: "key".to_owned(),
        mode: 0o400,
        owner: None,
        content: content.as_bytes().to_vec(),
    };
    Payload {
        volume: "v".to_owned(),
        content: Content::Files {
            plugin: Plugin::Secret,
            files: vec![file],
        },
    }
}

fn empty(medium: &str, limit: Option<&str>) -> Payload {
    Payload {
        volume: "v".to_owned(),
        content: Content::EmptyDir(EmptyDir {
            medium: medium.to_owned(),
            size_limit: limit.map(str::to_owned),
        }),
    }
}

const PART: &str = r#"{"containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/m", "subPath": "part"}]}]}"#;

#[tokio::test]
async fn secrets_are_in_memory_belong_to_the_group_and_are_mounted_once() {
    let node = Node::with(r#"{"securityContext": {"fsGroup": 4242}}"#);
    let path = node.write(vec![secret("1")]).await.volumes["v"].path.clone();
    assert_eq!(node.mounted(), std::slice::from_ref(&path));
    assert_eq!(path, node.root.path().join("u/volumes/kubernetes.io~secret/v"));
    let stat = |name: &str| {
        let meta = fs::metadata(path.join(name)).unwrap();
        (meta.gid(), meta.mode() & 0o7777)
    };
    assert_eq!((stat(""), stat("key")), ((4242, 0o2777), (4242, 0o440)));
    // A daemon that starts anew writes all volumes again.
    node.write(vec![secret("2")]).await;
    assert_eq!(node.mounted().len(), 1);
    assert_eq!(fs::read_to_string(path.join("key")).unwrap(), "2");
}

#[tokio::test]
async fn an_update_replaces_the_files() {
    let node = Node::with("{}");
    let path = node.write(vec![secret("1")]).await.volumes["v"].path.clone();
    node.store.update(&node.pod, secret("2")).await.unwrap();
    assert_eq!(fs::read_to_string(path.join("key")).unwrap(), "2");
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    let node = Node::with("{}");
    let path = node.write(vec![empty("Memory", Some("1Mi"))]).await.volumes["v"]
        .path
        .clone();
    fs::write(path.join("fits"), vec![1; 900 << 10]).unwrap();
    let error = fs::write(path.join("more"), vec![1; 900 << 10]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let usage = node.store.usage(&node.pod.uid).await;
    assert!(usage.volumes["v"] >= 900 << 10, "{usage:?}");
}

#[tokio::test]
async fn an_empty_directory_keeps_what_is_in_it_and_is_the_groups() {
    let node = Node::with(r#"{"securityContext": {"fsGroup": 4242}}"#);
    let path = node.write(vec![empty("", None)]).await.volumes["v"].path.clone();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.gid(), meta.mode() & 0o7777), (4242, 0o2777));
    fs::write(path.join("f"), "").unwrap();
    assert_eq!(fs::metadata(path.join("f")).unwrap().gid(), 4242);
    node.write(vec![empty("", None)]).await;
    assert!(path.join("f").exists());
}

#[tokio::test]
async fn a_part_of_a_volume_is_bound_and_bound_anew() {
    let node = Node::with(PART);
    let mounts = node.write(vec![empty("", None)]).await;
    let source = node.source(&mounts);
    assert_eq!(source, node.root.path().join("u/volume-subpaths/v/c/0"));
    fs::write(source.join("f"), "seen").unwrap();
    assert_eq!(
        fs::read_to_string(mounts.volumes["v"].path.join("part/f")).unwrap(),
        "seen"
    );
    assert_eq!(node.source(&mounts), source, "at the next start");
    assert_eq!(node.mounted(), [source]);
}

#[tokio::test]
async fn a_part_that_is_a_file_is_a_file() {
    let node = Node::with(&PART.replace("\"part\"", "\"key\""));
    let mounts = node.write(vec![secret("1")]).await;
    let source = node.source(&mounts);
    assert_eq!(fs::read_to_string(&source).unwrap(), "1");
    // What is mounted stays as it was when the container started.
    node.store.update(&node.pod, secret("2")).await.unwrap();
    assert_eq!(fs::read_to_string(&source).unwrap(), "1");
}

#[tokio::test]
async fn a_link_that_somebody_puts_in_the_way_leads_nowhere_else() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("stolen"), "").unwrap();
    let node = Node::with(PART);
    let mounts = node.write(vec![empty("", None)]).await;
    let volume = mounts.volumes["v"].path.clone();
    symlink(outside.path(), volume.join("part")).unwrap();
    let refused = node
        .store
        .mounts_of(&node.pod, ContainerIx(0), &[], &mounts)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        r#"failed to create subPath directory for volumeMount "v" of container "c""#
    );
    // After the volume was resolved, what it was resolved to stays.
    fs::remove_file(volume.join("part")).unwrap();
    let source = node.source(&mounts);
    fs::rename(volume.join("part"), volume.join("other")).unwrap();
    symlink(outside.path(), volume.join("part")).unwrap();
    assert!(!source.join("stolen").exists());
}

#[tokio::test]
async fn what_is_unmounted_is_not_removed_with_the_volumes() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), "").unwrap();
    let node = Node::with(PART);
    let mounts = node.write(vec![empty("", None)]).await;
    node.source(&mounts);
    // As a container with bidirectional propagation leaves it.
    let inner = mounts.volumes["v"].path.join("inner");
    fs::create_dir(&inner).unwrap();
    bind(outside.path(), &inner);
    node.store.unmount(&node.pod.uid).unwrap();
    assert_eq!(node.mounted(), Vec::<PathBuf>::new());
    assert!(inner.exists());
    bind(outside.path(), &inner);
    node.store.remove(&node.pod.uid).unwrap();
    assert!(!node.root.path().join("u/volumes").exists());
    assert!(outside.path().join("precious").exists());
}

fn bind(source: &Path, target: &Path) {
    rustix::mount::mount_bind_recursive(source, target).unwrap();
}
