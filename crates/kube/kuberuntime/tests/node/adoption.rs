//! What a daemon finds of the pods of the one before.

use engine::{Create, Remove, Status};
use kubelet::container::{How, Standing};
use kubelet::traits::{Ending, Runtime};
use testkit::cut::Cut;

use crate::fixture::*;

#[test]
fn a_pod_outlives_its_daemon_and_the_next_one_has_it_whole() {
    let node = isolated();
    let pod = waiting("adopted", r#""resources":{"requests":{"cpu":"100m"}}"#);
    let dead = one(
        "done",
        &["write", "/dev/termination-log", "over", "--", "exit", "4"],
        "",
    );
    let (before, sandbox, started) = life(&node, async |daemon| {
        let started = daemon.run(&pod, 0).await;
        let done = daemon.run(&dead, 0).await;
        daemon.end_of(&done.id).await;
        let before = daemon.observed(&pod).await.unwrap();
        let sandbox = daemon.pods.prepare(&pod).await.unwrap();
        daemon.leave().await;
        (before, sandbox, started)
    });
    life(&node, async |daemon| {
        assert_eq!(daemon.observed(&pod).await.unwrap(), before);
        assert_eq!(
            before.observed.containers[0].standing,
            Standing::Running(started.at)
        );
        assert_eq!(daemon.pods.prepare(&pod).await.unwrap(), sandbox);
        let seen = daemon.observed(&dead).await.unwrap().observed.containers;
        let Standing::Ended(ended) = &seen[0].standing else {
            panic!("{seen:?}")
        };
        assert_eq!((ended.how, ended.code, &*ended.message), (How::Exited, 4, "over"));
        daemon
            .pods
            .stop(&started.id, std::time::Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(daemon.end_of(&started.id).await.code, 137);
        // The next start is in the sandbox that was there.
        let again = daemon.start(&pod, 0, 1).await.unwrap();
        daemon
            .pods
            .stop(&again.id, std::time::Duration::ZERO)
            .await
            .unwrap();
        daemon.close().await;
    });
    node.assert_nothing_left();
}

#[test]
fn an_end_that_no_daemon_saw_is_found_by_the_next() {
    let node = isolated();
    let pod = one("brief", &["wait"], r#""stdin":true"#);
    let (id, pid) = life(&node, async |daemon| {
        let started = daemon.run(&pod, 0).await;
        let pid = daemon.engine.find(&started.id).unwrap().state.pid;
        daemon.leave().await;
        (started.id, pid)
    });
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    life(&node, async |daemon| {
        let seen = daemon.observed(&pod).await.unwrap().observed;
        let ended = match &seen.containers[0].standing {
            Standing::Ended(ended) => ended.clone(),
            // The supervisor tells in its own time.
            Standing::Running(_) => daemon.end_of(&id).await,
            Standing::Created => panic!("{seen:?}"),
        };
        assert_eq!((ended.how, ended.code), (How::Exited, 137));
        assert!(seen.sandbox.is_some());
        daemon.close().await;
    });
    node.assert_nothing_left();
}

/// A pod's container whose daemon died before it could write down that it runs: its id, and its process's.
fn cut(node: &Node, pod: &std::sync::Arc<kubelet::Pod>) -> (String, u32) {
    let id = life(node, async |daemon| {
        let started = daemon.run(pod, 0).await;
        let row = daemon.engine.find(&started.id).unwrap();
        let force = Remove {
            force: true,
            ..Remove::default()
        };
        daemon.engine.remove(&row.id, force).await.unwrap();
        let same = Create {
            name: Some(row.name.clone()),
            spec: (*row.spec).clone(),
            image: row.image.clone(),
            owner: row.owner.clone(),
            ..Create::default()
        };
        let id = daemon.engine.create(same).await.unwrap().id;
        daemon.leave().await;
        id.to_string()
    });
    let pid = node.cut_start(&id, "exec sleep 1000", Cut::Running);
    (id, pid)
}

#[test]
fn what_a_daemon_began_and_did_not_write_down_is_found_running_and_nothing_beside_it() {
    let node = isolated();
    let pod = waiting("cut", "");
    let (id, pid) = cut(&node, &pod);
    life(&node, async |daemon| {
        let seen = daemon.observed(&pod).await.unwrap().observed.containers;
        assert_eq!((seen.len(), &*seen[0].id, seen[0].attempt), (1, &*id, 0));
        let row = daemon.engine.find(&id).unwrap();
        assert_eq!(row.state.pid, pid);
        let began = row.state.started_at.expect("it is known when it began");
        assert_eq!(seen[0].standing, Standing::Running(began.into()));
        daemon.close().await;
    });
    node.assert_nothing_left();
}

#[test]
fn two_attempts_of_a_container_never_run_at_once() {
    let node = isolated();
    let pod = waiting("single", "");
    let (id, pid) = cut(&node, &pod);
    let first = sys::pidfd::open(sys::pidfd::Pid::from_raw(pid.cast_signed()).unwrap()).unwrap();
    life(&node, async |daemon| {
        // Whatever made a kubelet think that the first one is gone.
        let second = daemon.start(&pod, 0, 1).await.unwrap();
        sys::poll::readable(&first).unwrap();
        let row = daemon.engine.find(&id).unwrap();
        assert_eq!((row.state.status, row.state.exit_code), (Status::Exited, 137));
        // Nor does anything run on when the pod is said to be taken down.
        daemon.pods.tear_down(&pod.uid).await.unwrap();
        let row = daemon.engine.find(&second.id).unwrap();
        assert_eq!(row.state.status, Status::Exited);
        daemon.close().await;
    });
    node.assert_nothing_left();
}

#[test]
fn after_a_reboot_there_is_no_sandbox_and_nobody_knows_how_it_ended() {
    let mut node = isolated();
    let pod = waiting("lost", "");
    let id = life(&node, async |daemon| {
        let started = daemon.run(&pod, 0).await;
        daemon.leave().await;
        started.id
    });
    node = node.reboot();
    life(&node, async |daemon| {
        let seen = daemon.observed(&pod).await.unwrap().observed;
        assert_eq!(seen.sandbox, None);
        let Standing::Ended(ended) = &seen.containers[0].standing else {
            panic!("{seen:?}")
        };
        assert_eq!(
            (&seen.containers[0].id, ended.how, ended.code),
            (&id, How::Unknown, 255)
        );
        let again = daemon.pods.prepare(&pod).await.unwrap();
        assert!(again.address.is_some());
        let started = daemon.start(&pod, 0, 1).await.unwrap();
        daemon
            .pods
            .stop(&started.id, std::time::Duration::ZERO)
            .await
            .unwrap();
        daemon.close().await;
    });
    node.assert_nothing_left();
}

#[test]
fn a_container_that_somebody_takes_away_is_missed() {
    on_node(async |daemon| {
        let pod = waiting("taken", "");
        let started = daemon.run(&pod, 0).await;
        let force = Remove {
            force: true,
            volumes: false,
        };
        daemon.engine.remove(&started.id, force).await.unwrap();
        let heard = daemon.heard().await;
        let told =
            matches!(&heard, Ending::Lost) || matches!(&heard, Ending::Ended { id, .. } if *id == started.id);
        assert!(told, "{heard:?}");
        assert_eq!(daemon.observed(&pod).await.unwrap().observed.containers, []);
    });
}
