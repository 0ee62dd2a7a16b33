//! Which run of a container an attached client gets.

use engine::{Attach, Error, Remove, StopOptions};

use crate::fixture::*;

const ALL: Attach = Attach {
    stdin: true,
    stdout: true,
    stderr: true,
    logs: false,
    stream: true,
};

fn waiting(tty: bool) -> engine::ContainerSpec {
    let mut spec = spec(&["wait", "--", "echo", "over", "--", "exit", "6"]);
    (spec.tty, spec.open_stdin, spec.stdin_once) = (tty, true, !tty);
    spec
}

#[test]
fn who_attaches_between_two_runs_gets_the_next_one() {
    on_node(async |daemon| {
        for tty in [false, true] {
            let id = daemon.create(&format!("again-{tty}"), waiting(tty)).await;
            for _ in 0..3 {
                let mut first = daemon.engine.attach(&id, ALL).await.unwrap();
                let watch = Attach { stdin: false, ..ALL };
                let mut second = daemon.engine.attach(&id, watch).await.unwrap();
                daemon.engine.start(&id).await.unwrap();
                read_until(&mut second, "ready").await;
                // The end of a terminal's input is a key.
                say(&first, if tty { "\u{4}" } else { "words" }).await;
                first.input = None;
                let said = read_all(&mut first).await.0.replace('\r', "");
                assert!(
                    said.starts_with("ready\n") && said.ends_with("over\n"),
                    "{said:?}"
                );
                assert!(read_all(&mut second).await.0.trim().ends_with("over"));
                assert_eq!(daemon.wait(&id).await.code, 6);
            }
        }
    });
}

#[test]
fn what_an_attached_client_gets_ends_with_the_run() {
    on_node(async |daemon| {
        let id = daemon.run("restarted", waiting(false)).await;
        let mut before = daemon.engine.attach(&id, ALL).await.unwrap();
        let at_once = StopOptions {
            timeout: Some(0),
            ..StopOptions::default()
        };
        daemon.engine.restart(&id, at_once.clone()).await.unwrap();
        read_all(&mut before).await;
        // Its input is not the next run's either, and neither is the end of it.
        let mut after = daemon.engine.attach(&id, ALL).await.unwrap();
        drop(before);
        daemon.engine.restart(&id, at_once).await.unwrap();
        read_all(&mut after).await;
        let mut last = daemon.engine.attach_running(&id, ALL).await.unwrap();
        last.input = None;
        assert!(read_all(&mut last).await.0.ends_with("over\n"));
        assert_eq!(daemon.wait(&id).await.code, 6);
    });
}

#[test]
fn only_a_program_that_runs_is_attached_to_where_that_is_asked() {
    on_node(async |daemon| {
        let id = daemon.create("ended", spec(&["true"])).await;
        for _ in 0..2 {
            let refused = daemon.engine.attach_running(&id, ALL).await;
            assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
            daemon.engine.start(&id).await.unwrap();
            daemon.wait(&id).await;
        }
    });
}

#[test]
fn a_client_that_waits_for_a_run_hears_that_none_comes() {
    on_node(async |daemon| {
        let mut failing = spec(&["true"]);
        (failing.open_stdin, failing.stdin_once) = (true, true);
        let id = daemon.run("gone", failing).await;
        daemon.wait(&id).await;
        let mut waiting = daemon.engine.attach(&id, ALL).await.unwrap();
        daemon.engine.remove(&id, Remove::default()).await.unwrap();
        assert_eq!(read_all(&mut waiting).await.0, "");
    });
}
