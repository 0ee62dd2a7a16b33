//! Daemons that die between asking for a process and entering that it runs.

use engine::{Container, Remove, Status};
use jiff::Timestamp;
use testkit::cut::Cut;

use crate::deaths::Process;
use crate::fixture::*;

/// A container whose daemon is gone, and has begun a process of this script for it that no row tells of.
fn cut(node: &Node, script: &str, cut: Cut) -> (String, u32) {
    let process = Process::start(node);
    let id = process.does(async |daemon| daemon.create("cut", spec(&["wait"])).await);
    drop(process);
    let pid = node.cut_start(&id, script, cut);
    (id, pid)
}

/// It runs as this process, and began after it was made.
fn assert_runs(container: &Container, pid: u32) {
    let state = &container.state;
    assert_eq!((state.status, state.pid), (Status::Running, pid));
    let began = state.started_at.expect("it is known when it began");
    // The kernel counts hundredths of a second.
    let since = began.duration_since(container.created).as_millis();
    assert!(
        since >= -20 && began <= Timestamp::now(),
        "{began} {}",
        container.created
    );
}

#[test]
fn a_process_that_no_row_tells_of_is_its_container_s_from_when_it_began() {
    let node = isolated();
    let (id, pid) = cut(&node, "exec sleep 1000", Cut::Running);
    let process = Process::start(&node);
    let first = process.does(async |daemon| daemon.engine.find(&id).unwrap());
    assert_runs(&first, pid);
    drop(process);
    // The next one goes by what was written down.
    let process = Process::start(&node);
    process.does(async |daemon| {
        let container = daemon.engine.find(&id).unwrap();
        assert_eq!(container.state, first.state);
        daemon.engine.kill(&id, 0).await.unwrap();
        let ended = daemon.engine.find(&id).unwrap();
        assert_eq!((ended.state.status, ended.state.exit_code), (Status::Exited, 137));
        // Lives are told apart: the next start is another one.
        daemon.engine.start(&id).await.unwrap();
        let force = Remove {
            force: true,
            ..Remove::default()
        };
        daemon.engine.remove(&id, force).await.unwrap();
    });
    process.close();
}

#[test]
fn a_run_of_which_no_daemon_saw_anything_has_begun_and_ended() {
    let node = isolated();
    let (id, _) = cut(&node, "exit 3", Cut::Ended);
    let process = Process::start(&node);
    process.does(async |daemon| {
        let container = daemon.engine.find(&id).unwrap();
        let state = &container.state;
        assert_eq!((state.status, state.exit_code), (Status::Exited, 3));
        let (began, ended) = (state.started_at.unwrap(), state.finished_at.unwrap());
        assert!(container.created <= began && began <= ended, "{container:?}");
    });
    process.close();
}

#[test]
fn a_start_that_is_under_way_is_waited_for() {
    let node = isolated();
    let (id, pid) = cut(&node, "exec sleep 1000", Cut::Starting);
    let process = std::thread::scope(|scope| {
        // Whichever of them comes first.
        scope.spawn(|| node.go_on(&id));
        Process::start(&node)
    });
    let container = process.does(async |daemon| daemon.engine.find(&id).unwrap());
    assert_runs(&container, pid);
    process.close();
}

#[test]
fn a_start_that_comes_too_late_is_undone() {
    let node = isolated();
    let (id, pid) = cut(&node, "exec sleep 1000", Cut::Starting);
    let child = sys::pidfd::open(sys::pidfd::Pid::from_raw(pid.cast_signed()).unwrap()).unwrap();
    // It waits for a while, and is ready then all the same.
    let process = Process::start(&node);
    let status = |daemon: &Daemon| daemon.engine.find(&id).unwrap().state.status;
    assert_eq!(process.does(async |daemon| status(daemon)), Status::Created);
    node.go_on(&id);
    sys::poll::readable(&child).unwrap();
    process.does(async |daemon| {
        assert_eq!(status(daemon), Status::Created);
        daemon.engine.remove(&id, Remove::default()).await.unwrap();
    });
    process.close();
}
