//! Starts that succeed and starts that do not.

use std::fs;

use engine::{Owner, Status};
use kubelet::ContainerIx;
use kubelet::container::{How, ImageFault, ImageReason, Sought, Standing, StartFault};
use kubelet::traits::{Ending, Runtime};

use crate::fixture::*;

#[test]
fn a_container_is_known_by_its_name_its_labels_and_its_log() {
    let node = isolated();
    life(&node, async |daemon| {
        let pod = one(
            "shop",
            &["echo", "hello", "--", "env"],
            r#""env":[{"name":"A","value":"1"}]"#,
        );
        daemon.pods.prepare(&pod).await.unwrap();
        let environment = vec![("A".to_owned(), "1".to_owned())];
        let start = daemon
            .pods
            .start(&pod, ContainerIx(0), 3, environment, Default::default());
        let started = start.await.unwrap();
        assert_eq!(started.image.image, "docker.io/library/probe:latest");
        assert!(started.image.id.starts_with("sha256:"));
        let user = started.user.clone().unwrap();
        assert_eq!((user.uid, user.gid, user.supplemental_groups), (0, 0, vec![0]));
        assert_eq!(daemon.end_of(&started.id).await.code, 0);
        let row = daemon.engine.find("k8s_c_shop_prod_uid-shop_3").unwrap();
        assert_eq!(&*row.id, &*started.id);
        assert!(
            matches!(&row.owner, Owner::Pod { namespace, name, uid } if namespace == "prod" && name == "shop" && uid == "uid-shop")
        );
        assert_eq!(row.spec.labels["io.kubernetes.container.restartCount"], "3");
        let said = daemon.output(&started.id).await;
        for line in ["hello", "A=1", "HOSTNAME=shop"] {
            assert!(said.lines().any(|each| each == line), "{line}: {said}");
        }
        let log = node.path("data/log/pods/prod_shop_uid-shop/c/3.log");
        assert!(fs::read_to_string(&log).unwrap().contains(" stdout F hello\n"));
        let link = node
            .path("data/log/containers")
            .join(format!("shop_prod_c-{}.log", started.id));
        assert_eq!(fs::read_link(&link).unwrap(), log);
        daemon.pods.tear_down(&pod.uid).await.unwrap();
        assert!(log.exists(), "the log of a dead container stays");
        daemon.pods.remove(&started.id).await;
        assert!(!log.exists() && fs::symlink_metadata(&link).is_err());
        assert_eq!(daemon.observed(&pod).await, None);
        assert!(!node.path("data/log/pods/prod_shop_uid-shop").exists());
        daemon.close().await;
    });
    node.assert_nothing_left();
}

#[test]
fn a_program_that_is_not_there_is_a_container_that_ended() {
    on_node(async |daemon| {
        let pod = pod(
            "none",
            r#"{"containers":[{"name":"c","image":"probe","command":["nothing"]}]}"#,
        );
        daemon.pods.prepare(&pod).await.unwrap();
        let Err(StartFault::Run {
            id, code, message, ..
        }) = daemon.start(&pod, 0, 0).await
        else {
            panic!("it does not start");
        };
        assert_eq!(code, 127);
        assert_eq!(
            message,
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
             failed: unable to start container process: error during container init: exec: \"nothing\": executable \
             file not found in $PATH: unknown"
        );
        let seen = daemon.observed(&pod).await.unwrap().observed.containers;
        let Standing::Ended(ended) = &seen[0].standing else {
            panic!("{seen:?}")
        };
        assert_eq!(
            (&seen[0].id, ended.how, ended.code, ended.started),
            (&id, How::NotStarted, 127, None)
        );
        assert_eq!(ended.message, message);
    });
}

#[test]
fn what_cannot_be_given_is_said_in_upstream_s_words() {
    on_node(async |daemon| {
        let fault = async |name: &str, spec: &str| {
            let pod = pod(name, spec);
            daemon.pods.prepare(&pod).await.unwrap();
            let fault = daemon.start(&pod, 0, 0).await.unwrap_err();
            assert_eq!(daemon.observed(&pod).await.unwrap().observed.containers, []);
            fault
        };
        let root = fault(
            "root",
            r#"{"securityContext":{"runAsNonRoot":true},"containers":[{"name":"c","image":"probe","command":["/probe"]}]}"#,
        );
        let text = r#"container has runAsNonRoot and image will run as root (pod: "root_prod(uid-root)", container: c)"#;
        assert_eq!(root.await, StartFault::Config(text.into()));
        let nothing = fault("nothing", r#"{"containers":[{"name":"c","image":"probe"}]}"#).await;
        assert_eq!(nothing, StartFault::Create("no command specified".into()));
        let volume = r#"{"containers":[{"name":"c","image":"probe","command":["/probe"],"volumeMounts":[{"name":"v","mountPath":"/v"}]}]}"#;
        let text = r#"cannot find volume "v" to mount into container "c""#;
        assert_eq!(fault("volume", volume).await, StartFault::Config(text.into()));
        let target = r#"{"ephemeralContainers":[{"name":"c","image":"probe","command":["/probe"],"targetContainerName":"d"}]}"#;
        let text = "unable to find target container d";
        assert_eq!(fault("target", target).await, StartFault::Config(text.into()));
    });
}

#[test]
fn images_are_found_by_their_policy_and_wake_who_waits() {
    on_node(async |daemon| {
        let found = async |image: &str, policy: &str| {
            let spec = format!(
                r#"{{"containers":[{{"name":"c","image":"{image}","imagePullPolicy":"{policy}"}}]}}"#
            );
            let found = daemon.pods.image(&pod("p", &spec), ContainerIx(0)).await;
            found
                .map(|sought| match sought {
                    Sought::Here(found) => found.image,
                    Sought::Elsewhere => "in its registry".to_owned(),
                })
                .map_err(|ImageFault { reason, message }| (reason, message))
        };
        let pulls = Ok("in its registry".to_owned());
        for policy in ["IfNotPresent", "Never", "Always"] {
            assert_eq!(
                found("probe", policy).await.unwrap(),
                "docker.io/library/probe:latest",
                "{policy}"
            );
        }
        assert_eq!(
            found("docker.io/library/probe:latest", "IfNotPresent")
                .await
                .unwrap(),
            "docker.io/library/probe:latest"
        );
        assert_eq!(found("docker.io/library/probe:latest", "Always").await, pulls);
        assert_eq!(found("web:1", "IfNotPresent").await, pulls);
        assert_eq!(
            found("web:1", "Never").await,
            Err((
                ImageReason::ErrImageNeverPull,
                r#"Container image "web:1" is not present with pull policy of Never"#.to_owned()
            ))
        );
        let (reason, message) = found("web:", "Never").await.unwrap_err();
        assert_eq!(reason, ImageReason::InvalidImageName);
        assert_eq!(
            message,
            r#"Failed to apply default image tag "web:": couldn't parse image name "web:": invalid reference format"#
        );
        let nowhere = pod(
            "p",
            r#"{"containers":[{"name":"c","image":"localhost:1/web:1"}]}"#,
        );
        let fault = daemon
            .pods
            .pull(&nowhere, ContainerIx(0), Vec::new())
            .await
            .unwrap_err();
        assert_eq!(fault.reason, ImageReason::ErrImagePull);
        assert!(
            fault.message.contains("dial tcp 127.0.0.1:1: connect: "),
            "{}",
            fault.message
        );
        let images = daemon.engine.images();
        let probe = images.resolve("probe").unwrap();
        images
            .tag(&probe.id, &image::Reference::parse("web:1").unwrap())
            .unwrap();
        // The door tells; here it is the test.
        daemon.engine.events().publish(engine::events::Event {
            kind: engine::events::Kind::Image,
            action: "tag".into(),
            actor: Default::default(),
            time: jiff::Timestamp::UNIX_EPOCH,
        });
        assert_eq!(daemon.heard().await, Ending::Images);
        assert_eq!(found("web:1", "Always").await.unwrap(), "docker.io/library/web:1");
    });
}

#[test]
fn one_dead_container_of_each_name_is_kept() {
    let node = isolated();
    life(&node, async |daemon| {
        let pod = one("crash", &["exit", "1"], "");
        daemon.pods.prepare(&pod).await.unwrap();
        for attempt in 0..3 {
            let started = daemon.start(&pod, 0, attempt).await.unwrap();
            daemon.end_of(&started.id).await;
        }
        // A start that another daemon has left half made is in nobody's way.
        let again = daemon.start(&pod, 0, 2).await.unwrap();
        daemon.end_of(&again.id).await;
        let seen = daemon.observed(&pod).await.unwrap().observed.containers;
        let attempts: Vec<u32> = seen.iter().map(|container| container.attempt).collect();
        assert!(attempts == [2] || attempts == [2, 1], "{attempts:?}");
        assert!(!node.path("data/log/pods/prod_crash_uid-crash/c/0.log").exists());
        let rows = daemon.engine.list();
        assert!(rows.iter().all(|row| row.state.status == Status::Exited));
        daemon.close().await;
    });
    node.assert_nothing_left();
}

#[test]
fn an_ephemeral_container_sees_the_processes_of_its_target() {
    on_node(async |daemon| {
        let containers = probe("main", &["wait"], r#""stdin":true"#);
        let look = probe(
            "look",
            &["cat", "/proc/1/cmdline"],
            r#""targetContainerName":"main""#,
        );
        let pod = pod(
            "seen",
            &format!(r#"{{"containers":[{containers}],"ephemeralContainers":[{look}]}}"#),
        );
        let main = daemon.run(&pod, 0).await;
        let look = daemon.start(&pod, 1, 0).await.unwrap();
        assert_eq!(daemon.end_of(&look.id).await.code, 0);
        assert_eq!(daemon.output(&look.id).await, "/probe\0wait\0");
        daemon
            .pods
            .stop(&main.id, std::time::Duration::ZERO)
            .await
            .unwrap();
    });
}
