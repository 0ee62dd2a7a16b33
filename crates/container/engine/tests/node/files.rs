//! Volumes, and files copied into and out of containers.

use engine::copy::PutOptions;
use engine::spec::{ContainerSpec, MountKind, MountSpec, VolumeSource};
use engine::{Error, Remove, StopOptions};

use crate::fixture::*;

fn volume(target: &str, name: &str) -> MountSpec {
    let source = match name {
        "" => VolumeSource::anonymous(),
        name => VolumeSource::Named {
            name: name.into(),
            driver: String::new(),
            options: Default::default(),
            labels: Default::default(),
        },
    };
    MountSpec {
        target: target.into(),
        read_only: false,
        kind: MountKind::Volume {
            source,
            no_copy: false,
            subpath: String::new(),
            propagation: None,
        },
    }
}

fn with(mut spec: ContainerSpec, mounts: Vec<MountSpec>) -> ContainerSpec {
    spec.mounts = mounts;
    spec
}

/// An archive of files.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        // The builder refuses names that lead out; what is tested here does not.
        let bytes = header.as_old_mut();
        bytes.name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn names(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
        .collect()
}

#[test]
fn a_volume_starts_with_the_image_s_content_and_outlives_its_containers() {
    on_node(async |daemon| {
        let first = daemon
            .run(
                "first",
                with(spec(&["write", "/etc/new", "kept"]), vec![volume("/etc", "data")]),
            )
            .await;
        assert_eq!(daemon.wait(&first).await.code, 0);
        daemon
            .engine
            .remove(
                &first,
                Remove {
                    volumes: true,
                    ..Remove::default()
                },
            )
            .await
            .unwrap();
        let again = with(
            spec(&["cat", "/v/new", "--", "ls", "/v"]),
            vec![volume("/v", "data")],
        );
        let second = daemon.run("second", again).await;
        daemon.wait(&second).await;
        let said = daemon.output(&second).await;
        assert!(
            said.starts_with("kept") && said.ends_with("new passwd resolv.conf\n"),
            "{said}"
        );
        let refused = daemon.engine.volumes().remove("data", false).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("remove data: volume is in use - [{second}]")
        );
    });
}

#[test]
fn an_anonymous_volume_goes_with_its_container_if_asked() {
    on_node(async |daemon| {
        for (volumes, left) in [(false, 1), (true, 1)] {
            let id = daemon
                .run("box", with(spec(&["true"]), vec![volume("/data", "")]))
                .await;
            daemon.wait(&id).await;
            daemon
                .engine
                .remove(
                    &id,
                    Remove {
                        volumes,
                        ..Remove::default()
                    },
                )
                .await
                .unwrap();
            assert_eq!(daemon.engine.volumes().list().len(), left);
        }
    });
}

#[test]
fn volumes_are_shared_read_only_where_that_is_asked() {
    on_node(async |daemon| {
        let owner = daemon
            .create("owner", with(spec(&["true"]), vec![volume("/data", "shared")]))
            .await;
        let mut reader = spec(&["write", "/data/x", "y"]);
        reader.volumes_from = vec![(owner, true)];
        let id = daemon.run("reader", reader).await;
        assert_ne!(daemon.wait(&id).await.code, 0, "it is read-only");
    });
}

#[test]
fn files_go_in_and_out_of_a_running_container() {
    on_node(async |daemon| {
        let memory = MountSpec {
            target: "/memory".into(),
            read_only: false,
            kind: MountKind::Tmpfs {
                size: 0,
                mode: None,
                options: vec![],
            },
        };
        let mut waiting = with(spec(&["wait"]), vec![volume("/data", "data"), memory]);
        waiting.open_stdin = true;
        let id = daemon.run("box", waiting).await;
        let engine = daemon.engine.clone();
        tokio::task::spawn_blocking(move || {
            let (view, container) = (engine.files("box").unwrap(), engine.find("box").unwrap());
            let put = |path: &str, name: &str| {
                let bytes = archive(&[(name, "content")]);
                let mut bytes: &[u8] = &bytes;
                view.put(
                    &container,
                    "box",
                    path,
                    &mut bytes,
                    (engine.images(), PutOptions::default()),
                )
            };
            for place in ["/", "/memory", "/data", "/etc/"] {
                put(place, "fresh").unwrap();
                let stat = view.stat("box", &format!("{place}/fresh")).unwrap();
                assert_eq!((stat.size, stat.mode), (7, 0o640), "{place}");
            }
            let mut bytes = Vec::new();
            view.pack("box", "/data", &mut bytes).unwrap();
            assert_eq!(names(&bytes), ["data/", "data/fresh"]);
            let refused = |path, name| put(path, name).unwrap_err().to_string();
            assert_eq!(
                refused("/none", "x"),
                "Could not find the file /none in container box"
            );
            assert_eq!(refused("/probe", "x"), "extraction point is not a directory");
            // What leads out is refused or ends inside, but never outside.
            let outside = format!("../../../../../../../../tmp/escape-{}", &id[..12]);
            drop(put("/data", &outside));
            assert!(
                !std::path::Path::new("/tmp")
                    .join(format!("escape-{}", &id[..12]))
                    .exists()
            );
        })
        .await
        .unwrap();
        daemon
            .engine
            .stop(
                "box",
                StopOptions {
                    timeout: Some(0),
                    ..StopOptions::default()
                },
            )
            .await
            .unwrap();
    });
}

#[test]
fn files_go_in_and_out_of_a_container_that_does_not_run() {
    on_node(async |daemon| {
        let mut idle = with(
            spec(&["cat", "/data/fresh", "/fresh"]),
            vec![volume("/data", "data")],
        );
        idle.mounts[0].read_only = false;
        let id = daemon.create("idle", idle).await;
        let engine = daemon.engine.clone();
        tokio::task::spawn_blocking(move || {
            let (view, container) = (engine.files("idle").unwrap(), engine.find("idle").unwrap());
            for place in ["/data", "/"] {
                let bytes = archive(&[("fresh", place)]);
                let put = (
                    engine.images(),
                    PutOptions {
                        owner: Some((33, 44)),
                        ..PutOptions::default()
                    },
                );
                view.put(&container, "idle", place, &mut &bytes[..], put).unwrap();
            }
            assert_eq!(engine.owner("idle").unwrap(), (0, 0));
            assert!(matches!(view.stat("idle", "/proc/self"), Err(Error::NotFound(_))));
        })
        .await
        .unwrap();
        daemon.engine.start(&id).await.unwrap();
        assert_eq!(daemon.wait(&id).await.code, 0);
        assert_eq!(daemon.output(&id).await, "/data/");
    });
}

#[test]
fn what_is_read_only_takes_no_files() {
    on_node(async |daemon| {
        let mut sealed = with(
            spec(&["true"]),
            vec![volume("/open", "one"), volume("/sealed", "two")],
        );
        (sealed.read_only_rootfs, sealed.mounts[1].read_only) = (true, true);
        daemon.create("sealed", sealed).await;
        let engine = daemon.engine.clone();
        tokio::task::spawn_blocking(move || {
            let (view, container) = (engine.files("sealed").unwrap(), engine.find("sealed").unwrap());
            let put = |path: &str| {
                let bytes = archive(&[("fresh", "x")]);
                let put = (engine.images(), PutOptions::default());
                view.put(&container, "sealed", path, &mut &bytes[..], put)
                    .map_err(|error| error.to_string())
            };
            assert_eq!(put("/").unwrap_err(), "container rootfs is marked read-only");
            assert_eq!(put("/sealed").unwrap_err(), "mounted volume is marked read-only");
            put("/open").unwrap();
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_create_that_fails_leaves_no_volume_of_its_own() {
    on_node(async |daemon| {
        let bind = MountSpec {
            target: "/bound".into(),
            read_only: false,
            kind: MountKind::Bind {
                source: "/nothing/is/here".into(),
                propagation: None,
                non_recursive: false,
                read_only_non_recursive: false,
                create_source: false,
            },
        };
        let missing = engine::ImageRef {
            reference: "none".into(),
            id: format!("sha256:{}", "0".repeat(64)),
        };
        for (mounts, image) in [
            (vec![volume("/data", ""), bind], daemon.image.clone()),
            (vec![volume("/data", "")], missing),
        ] {
            let create = engine::Create {
                spec: with(spec(&["true"]), mounts),
                image: Some(image),
                ..engine::Create::default()
            };
            daemon.engine.create(create).await.unwrap_err();
            assert!(daemon.engine.volumes().list().is_empty());
        }
    });
}

fn in_memory(name: &str) -> MountSpec {
    let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=0711")];
    let source = VolumeSource::Named {
        name: name.into(),
        driver: "local".into(),
        options: options
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        labels: Default::default(),
    };
    MountSpec {
        kind: MountKind::Volume {
            source,
            no_copy: true,
            subpath: String::new(),
            propagation: None,
        },
        ..volume("/memory", name)
    }
}

fn is_mounted(path: &std::path::Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}

#[test]
fn a_volume_in_memory_is_shared_while_it_is_used_and_gone_afterwards() {
    on_node(async |daemon| {
        let mut keeper = with(spec(&["wait"]), vec![in_memory("memory")]);
        keeper.open_stdin = true;
        daemon.run("keeper", keeper).await;
        let mountpoint = daemon.engine.volumes().find("memory").unwrap().mountpoint.clone();
        assert!(is_mounted(&mountpoint));
        for (name, command) in [
            ("writer", ["write", "/memory/x", "shared"].as_slice()),
            ("reader", &["cat", "/memory/x"]),
        ] {
            let id = daemon
                .run(name, with(spec(command), vec![in_memory("memory")]))
                .await;
            assert_eq!(daemon.wait(&id).await.code, 0);
            assert!(is_mounted(&mountpoint), "the keeper holds it");
            if name == "reader" {
                assert_eq!(daemon.output(&id).await, "shared");
            }
        }
        let now = StopOptions {
            timeout: Some(0),
            ..StopOptions::default()
        };
        daemon.engine.stop("keeper", now).await.unwrap();
        assert!(!is_mounted(&mountpoint));
    });
}
