//! Daemons and supervisors that die while containers run.

use std::time::Duration;

use engine::spec::RestartPolicy;
use engine::{Attach, ContainerSpec, Remove, Status, StopOptions};
use tokio::runtime::Runtime;

use crate::fixture::*;

/// A daemon with everything it runs: dropped, it is gone as if it had been killed.
struct Process {
    daemon: Option<Daemon>,
    runtime: Option<Runtime>,
}

impl Process {
    fn start(node: &Node) -> Self {
        let runtime = Runtime::new().unwrap();
        let daemon = runtime.block_on(Daemon::open(node));
        Self {
            daemon: Some(daemon),
            runtime: Some(runtime),
        }
    }

    /// Ends as `down` does.
    fn close(mut self) {
        self.does(async |daemon| daemon.close().await);
        drop(self.runtime.take());
    }

    fn does<T>(&self, work: impl AsyncFnOnce(&Daemon) -> T) -> T {
        let (daemon, runtime) = (self.daemon.as_ref().unwrap(), self.runtime.as_ref().unwrap());
        runtime.block_on(work(daemon))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Tasks end where they are; the table's lock goes with the last of them.
        drop(self.runtime.take());
        drop(self.daemon.take());
    }
}

fn waiting() -> ContainerSpec {
    let mut spec = spec(&["wait", "--", "echo", "done", "--", "exit", "6"]);
    (spec.open_stdin, spec.stdin_once) = (true, true);
    spec
}

fn input() -> Attach {
    Attach {
        stdin: true,
        stdout: true,
        stream: true,
        ..Attach::default()
    }
}

#[test]
fn a_container_outlives_its_daemon_and_the_next_one_has_it_whole() {
    let node = isolated();
    let first = Process::start(&node);
    let id = first.does(async |daemon| daemon.run("kept", waiting()).await);
    let before = first.does(async |daemon| daemon.engine.find(&id).unwrap());
    drop(first);
    let second = Process::start(&node);
    second.does(async |daemon| {
        let container = daemon.engine.find("kept").unwrap();
        assert_eq!(
            (container.state.status, container.state.pid),
            (Status::Running, before.state.pid)
        );
        let exec = engine::ExecSpec {
            args: ["/probe", "hostname"].map(str::to_owned).to_vec(),
            stdout: true,
            ..engine::ExecSpec::default()
        };
        let exec = daemon.engine.exec_create(&id, exec).await.unwrap();
        let mut attached = daemon
            .engine
            .exec_start(&exec, false, None)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(read_all(&mut attached).await.0.trim(), &id[..12]);
        let mut attached = daemon.engine.attach(&id, input()).await.unwrap();
        attached.input = None;
        assert_eq!(read_all(&mut attached).await.0, "done\n");
        assert_eq!(daemon.wait(&id).await.code, 6);
        assert_eq!(daemon.output(&id).await, "ready\ndone\n");
    });
    second.close();
}

#[test]
fn what_a_start_that_was_cut_off_has_of_the_network_is_taken_back_by_the_next_daemon() {
    let node = isolated();
    let first = Process::start(&node);
    let id = first.does(async |daemon| {
        let id = daemon.create("cut", waiting()).await;
        let (networks, container) = (daemon.engine.networks().clone(), id.clone());
        let request = network::Attach {
            container,
            ..network::Attach::default()
        };
        let attached = tokio::task::spawn_blocking(move || networks.attach(request));
        attached.await.unwrap().unwrap();
        id
    });
    drop(first);
    let second = Process::start(&node);
    second.does(async |daemon| {
        assert_eq!(daemon.engine.find(&id).unwrap().state.status, Status::Created);
        assert!(daemon.engine.networks().sandbox(&id).is_none());
    });
    second.close();
}

#[test]
fn an_end_that_no_daemon_saw_is_processed_by_the_next() {
    let node = isolated();
    let first = Process::start(&node);
    let (id, pid, again) = first.does(async |daemon| {
        let id = daemon.run("unseen", waiting()).await;
        let mut always = waiting();
        always.restart = RestartPolicy::Always;
        let again = daemon.run("again", always).await;
        (id.clone(), daemon.engine.find(&id).unwrap().state.pid, again)
    });
    let other = first.does(async |daemon| daemon.engine.find(&again).unwrap().state.pid);
    drop(first);
    for pid in [pid, other] {
        let process = sys::pidfd::open(sys::pidfd::Pid::from_raw(pid.cast_signed()).unwrap()).unwrap();
        sys::pidfd::signal(&process, 9).unwrap();
        // Its end is recorded when its pidfd says so, or a little later; the next daemon hears of
        // it either way.
        sys::poll::readable(&process).unwrap();
    }
    let second = Process::start(&node);
    second.does(async |daemon| {
        let ended = daemon
            .until(&id, |container| container.state.status == Status::Exited)
            .await;
        assert_eq!(ended.state.exit_code, 137);
        let running = |container: &engine::Container| {
            container.state.status == Status::Running && container.state.pid != other
        };
        let restarted = daemon.until(&again, running).await;
        assert_eq!(restarted.restart_count, 1);
        daemon
            .engine
            .remove(
                &again,
                Remove {
                    force: true,
                    ..Remove::default()
                },
            )
            .await
            .unwrap();
    });
    second.close();
}

#[test]
fn a_container_outlives_its_supervisor_with_its_clients_and_its_exit_code() {
    let mut node = isolated();
    let process = Process::start(&node);
    let (id, mut attached) = process.does(async |daemon| {
        let id = daemon.create("orphan", waiting()).await;
        let mut attached = daemon.engine.attach(&id, input()).await.unwrap();
        daemon.engine.start(&id).await.unwrap();
        read_until(&mut attached, "ready\n").await;
        (id, attached)
    });
    node.replace_supervisor();
    process.does(async |daemon| {
        // What it says until the next supervisor has it waits in the pipe, and is logged.
        attached.input = None;
        read_all(&mut attached).await;
        assert_eq!(daemon.output(&id).await, "ready\ndone\n");
        assert_eq!(daemon.wait(&id).await.code, 6);
    });
    process.close();
}

#[test]
fn after_a_reboot_what_ran_has_ended_and_policies_start_it_again() {
    let node = isolated();
    let first = Process::start(&node);
    let (plain, always, stopped) = first.does(async |daemon| {
        let plain = daemon.run("plain", waiting()).await;
        let with = |policy| {
            let mut spec = waiting();
            spec.restart = policy;
            spec
        };
        let always = daemon.run("always", with(RestartPolicy::Always)).await;
        let stopped = daemon.run("stopped", with(RestartPolicy::UnlessStopped)).await;
        let at_once = StopOptions {
            timeout: Some(0),
            ..StopOptions::default()
        };
        daemon.engine.stop(&stopped, at_once).await.unwrap();
        (plain, always, stopped)
    });
    drop(first);
    let node = node.reboot();
    let second = Process::start(&node);
    second.does(async |daemon| {
        let running = |container: &engine::Container| container.state.status == Status::Running;
        daemon.until(&always, running).await;
        let state = |id: &str| daemon.engine.find(id).unwrap().state.clone();
        assert_eq!(
            (state(&plain).status, state(&plain).exit_code),
            (Status::Exited, 255)
        );
        assert_eq!(state(&stopped).status, Status::Exited);
        daemon
            .engine
            .remove(
                &always,
                Remove {
                    force: true,
                    ..Remove::default()
                },
            )
            .await
            .unwrap();
    });
    second.close();
}

#[test]
fn what_the_node_s_own_end_kills_is_not_stopped_by_hand() {
    let node = isolated();
    let process = Process::start(&node);
    // As process 1 the probe does not heed SIGTERM.
    let stubborn = || {
        let mut spec = waiting();
        (spec.restart, spec.stop_timeout) = (RestartPolicy::UnlessStopped, Some(1000));
        spec
    };
    let names = ["kept", "by-hand", "once"];
    process.does(async |daemon| {
        daemon.run("kept", stubborn()).await;
        daemon.run("by-hand", stubborn()).await;
        daemon.run("once", waiting()).await;
        let at_once = StopOptions {
            timeout: Some(0),
            ..StopOptions::default()
        };
        daemon.engine.stop("by-hand", at_once).await.unwrap();
        assert!(!daemon.engine.close_within(Duration::ZERO).await);
        for name in names {
            let state = daemon.engine.find(name).unwrap().state.clone();
            assert_eq!((state.status, state.exit_code), (Status::Exited, 137), "{name}");
            assert!(state.finished_at > state.started_at, "{name}: {state:?}");
            assert_eq!(state.stopped_by_user, name == "by-hand", "{name}");
        }
    });
    drop(process);
    let process = Process::start(&node);
    process.does(async |daemon| {
        let statuses = names.map(|name| daemon.engine.find(name).unwrap().state.status);
        assert_eq!(statuses, [Status::Running, Status::Exited, Status::Exited]);
        daemon.engine.close_within(Duration::ZERO).await;
    });
    process.close();
}
