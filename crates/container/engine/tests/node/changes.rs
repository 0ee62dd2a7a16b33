//! What is done to containers that exist: signals, freezing, names, limits, health.

use std::time::Duration;

use engine::events::EventQuery;
use engine::spec::{Healthcheck, IpcNamespace, NetworkMode, PidNamespace, Probe, Resources};
use engine::{Error, ExecSpec, HealthStatus, Remove, Status, StopOptions, Update};

use crate::fixture::*;

fn waiting() -> engine::ContainerSpec {
    let mut spec = spec(&["wait"]);
    spec.open_stdin = true;
    spec
}

fn at_once() -> StopOptions {
    StopOptions {
        timeout: Some(0),
        ..StopOptions::default()
    }
}

async fn text<T: std::fmt::Debug>(result: impl Future<Output = Result<T, Error>>) -> String {
    result.await.unwrap_err().to_string()
}

#[test]
fn a_signal_ends_a_program_and_is_its_exit_code() {
    on_node(async |daemon| {
        // Process 1 heeds no signal that it has no handler for, so somebody else is that.
        let mut heeding = waiting();
        heeding.init = true;
        let id = daemon.run("victim", heeding).await;
        daemon.engine.kill("victim", 10).await.unwrap();
        assert_eq!(daemon.wait(&id).await.code, 128 + 10);
        let refused = text(daemon.engine.kill("victim", 9)).await;
        assert_eq!(refused, format!("container {id} is not running"));
        assert!(matches!(
            daemon.engine.stop("victim", at_once()).await,
            Err(Error::NotModified)
        ));
    });
}

#[test]
fn a_program_that_does_not_heed_its_stop_signal_is_killed_when_its_time_is_up() {
    on_node(async |daemon| {
        let mut deaf = waiting();
        // Process 1 of a PID namespace heeds no signal that it has no handler for.
        deaf.stop_signal = "SIGCHLD".into();
        let id = daemon.run("deaf", deaf).await;
        let mut events = daemon.engine.events().subscribe(EventQuery::default());
        daemon.engine.stop(&id, at_once()).await.unwrap();
        let state = daemon.engine.find(&id).unwrap().state.clone();
        assert_eq!((state.status, state.exit_code), (Status::Exited, 137));
        let told: Vec<String> = std::iter::from_fn(|| events.next_now())
            .filter(|event| event.actor.id == id)
            .map(|event| event.action.clone())
            .collect();
        assert_eq!(told, ["kill", "kill", "die", "stop"]);
    });
}

#[test]
fn a_frozen_container_answers_nothing_until_it_is_thawed() {
    on_node(async |daemon| {
        let id = daemon.run("ice", waiting()).await;
        daemon.engine.pause("ice").await.unwrap();
        assert_eq!(daemon.engine.find("ice").unwrap().state.status, Status::Paused);
        assert_eq!(
            text(daemon.engine.pause("ice")).await,
            format!("Container {id} is already paused")
        );
        let exec = ExecSpec {
            args: vec!["/probe".into(), "true".into()],
            ..ExecSpec::default()
        };
        assert_eq!(
            text(daemon.engine.exec_create("ice", exec)).await,
            "Container ice is paused, unpause the container before exec"
        );
        assert_eq!(
            text(daemon.engine.remove("ice", Remove::default())).await,
            "cannot remove container \"/ice\": container is paused and must be unpaused first"
        );
        daemon.engine.unpause("ice").await.unwrap();
        assert_eq!(
            text(daemon.engine.unpause("ice")).await,
            format!("Container {id} is not paused")
        );
        daemon.engine.pause("ice").await.unwrap();
        daemon.engine.stop("ice", at_once()).await.unwrap();
        assert_eq!(daemon.engine.find("ice").unwrap().state.status, Status::Exited);
    });
}

#[test]
fn a_name_changes_hands() {
    on_node(async |daemon| {
        let first = daemon.create("one", spec(&["true"])).await;
        daemon.create("two", spec(&["true"])).await;
        let taken = text(daemon.engine.rename("two", "one")).await;
        assert!(
            taken.starts_with("Error when allocating new name: Conflict. The container name \"/one\""),
            "{taken}"
        );
        assert_eq!(
            text(daemon.engine.rename("one", "one")).await,
            "Renaming a container with the same name as its current name"
        );
        daemon.engine.rename("one", "/three").await.unwrap();
        daemon.engine.rename("two", "one").await.unwrap();
        assert_eq!(&*daemon.engine.find("three").unwrap().id, &*first);
    });
}

#[test]
fn limits_change_while_a_container_runs_and_stay() {
    on_node(async |daemon| {
        let id = daemon.run("limited", waiting()).await;
        let update = |memory: i64| Update {
            resources: Some(Resources {
                memory,
                memory_swap: memory,
                ..Resources::default()
            }),
            ..Update::default()
        };
        daemon.engine.update(&id, update(64 << 20)).await.unwrap();
        assert_eq!(daemon.engine.stats(&id).await.unwrap().memory.limit, 64 << 20);
        daemon.engine.restart(&id, at_once()).await.unwrap();
        assert_eq!(daemon.engine.stats(&id).await.unwrap().memory.limit, 64 << 20);
        let refused = text(daemon.engine.update(&id, update(1))).await;
        assert_eq!(refused, "Minimum memory limit allowed is 6MB");
    });
}

#[test]
fn a_program_that_eats_its_memory_is_killed_and_that_is_known() {
    on_node(async |daemon| {
        let mut glutton = spec(&["eat", "200000000"]);
        glutton.resources.memory = 32 << 20;
        glutton.resources.memory_swap = 32 << 20;
        let id = daemon.run("glutton", glutton).await;
        assert_eq!(daemon.wait(&id).await.code, 137);
        assert!(daemon.engine.find(&id).unwrap().state.oom_killed);
    });
}

#[test]
fn namespaces_of_another_container_are_shared() {
    on_node(async |daemon| {
        let mut first = waiting();
        first.isolation.ipc = IpcNamespace::Shareable;
        let first = daemon.run("first", first).await;
        let mut second = spec(&["namespaces"]);
        second.isolation.ipc = IpcNamespace::Container(first.clone());
        second.isolation.pid = PidNamespace::Container(first.clone());
        second.network.mode = NetworkMode::Container(first.clone());
        let second = daemon.run("second", second).await;
        assert_eq!(daemon.wait(&second).await.code, 0);
        let seen = daemon.output(&second).await;
        let pid = daemon.engine.find(&first).unwrap().state.pid;
        for name in ["ipc", "pid", "net"] {
            let own = std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
            assert!(
                seen.lines().any(|line| line == own.to_string_lossy()),
                "{name}: {seen}"
            );
        }
        daemon.engine.stop(&first, at_once()).await.unwrap();
        let refused = text(daemon.engine.start(&second)).await;
        assert!(refused.contains("non running container"), "{refused}");
    });
}

#[test]
fn health_is_what_the_probe_says() {
    on_node(async |daemon| {
        let mut ill = waiting();
        ill.healthcheck = Some(Healthcheck {
            probe: Probe::Exec(
                ["/probe", "echo", "ouch", "--", "exit", "1"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(10),
            start_period: Duration::ZERO,
            start_interval: Duration::from_millis(20),
            retries: 2,
        });
        let id = daemon.run("ill", ill).await;
        let judged = daemon
            .until(&id, |container| {
                let health = container.state.health.as_ref().unwrap();
                health.status == HealthStatus::Unhealthy
            })
            .await;
        let health = judged.state.health.clone().unwrap();
        assert!(health.failing_streak >= 2 && health.log[0].exit_code == 1);
        assert_eq!(health.log[0].output, "ouch\n");
    });
}

#[test]
fn an_automatic_removal_waits_for_a_restart_that_was_asked_for() {
    on_node(async |daemon| {
        let mut brief = waiting();
        brief.auto_remove = true;
        let id = daemon.run("brief", brief).await;
        daemon.engine.restart(&id, at_once()).await.unwrap();
        assert_eq!(daemon.engine.find(&id).unwrap().state.status, Status::Running);
    });
}

#[test]
fn many_start_and_end_at_once() {
    on_node(async |daemon| {
        let lives = (0..32).map(|number| async move {
            let id = daemon
                .run(&format!("many-{number}"), spec(&["echo", "here"]))
                .await;
            assert_eq!(daemon.wait(&id).await.code, 0);
            assert_eq!(daemon.output(&id).await, "here\n");
            daemon.engine.remove(&id, Remove::default()).await.unwrap();
        });
        futures_util::future::join_all(lives).await;
        assert!(daemon.engine.list().is_empty());
    });
}
