//! From create to remove.

use std::time::Duration;

use engine::spec::RestartPolicy;
use engine::{Attach, CommitOptions, Error, ExecSpec, Remove, Status, StopOptions, WaitCondition};

use crate::fixture::*;

#[test]
fn a_container_runs_is_waited_for_and_removed() {
    on_node(async |daemon| {
        let id = daemon
            .run("one", spec(&["echo", "hello", "--", "exit", "7"]))
            .await;
        assert_eq!(daemon.wait(&id).await.code, 7);
        assert_eq!(daemon.output(&id).await, "hello\n");
        let container = daemon.engine.find("one").unwrap();
        assert_eq!((container.state.status, container.state.pid), (Status::Exited, 0));
        daemon.engine.remove("one", Remove::default()).await.unwrap();
        assert!(matches!(daemon.engine.find("one"), Err(Error::NotFound(_))));
    });
}

#[test]
fn a_program_that_is_not_there_fails_the_start_with_127_and_leaves_nothing() {
    on_node(async |daemon| {
        let mut missing = spec(&[]);
        missing.args = vec!["nothing".into()];
        let id = daemon.create("missing", missing).await;
        let next = daemon.engine.waiter(&id, WaitCondition::NextExit).unwrap();
        let mut next = std::pin::pin!(next);
        let error = daemon.engine.start(&id).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc \
             create failed: unable to start container process: error during container init: exec: \"nothing\": \
             executable file not found in $PATH: unknown"
        );
        let container = daemon.engine.find(&id).unwrap();
        assert_eq!(
            (container.state.status, container.state.exit_code),
            (Status::Created, 127)
        );
        let heard = tokio::time::timeout(Duration::ZERO, &mut next).await;
        assert!(heard.is_err(), "nothing ran that could have ended: {heard:?}");
        daemon.engine.remove(&id, Remove::default()).await.unwrap();
        let heard = tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap();
        assert_eq!((heard.code, heard.error.as_str()), (127, ""));
    });
}

#[test]
fn an_attached_client_talks_to_the_program() {
    on_node(async |daemon| {
        let mut echo = spec(&["stdin"]);
        (echo.open_stdin, echo.stdin_once) = (true, true);
        let id = daemon.create("echo", echo).await;
        let all = Attach {
            stdin: true,
            stdout: true,
            stderr: true,
            stream: true,
            ..Attach::default()
        };
        let mut attached = daemon.engine.attach(&id, all).await.unwrap();
        daemon.engine.start(&id).await.unwrap();
        say(&attached, "over and out").await;
        attached.input = None;
        assert_eq!(read_all(&mut attached).await.0, "over and out");
        assert_eq!(daemon.wait(&id).await.code, 0);
    });
}

#[test]
fn a_terminal_is_the_container_s_own() {
    on_node(async |daemon| {
        let mut tty = spec(&["tty", "--", "stat", "/dev/pts/0", "/dev/console"]);
        (tty.tty, tty.open_stdin, tty.terminal_size) = (true, true, Some((24, 80)));
        let id = daemon.create("tty", tty).await;
        let all = Attach {
            stdin: true,
            stdout: true,
            stream: true,
            ..Attach::default()
        };
        let mut attached = daemon.engine.attach(&id, all).await.unwrap();
        daemon.engine.start(&id).await.unwrap();
        let said = read_all(&mut attached).await.0;
        assert!(
            said.starts_with("24x80 console=true controlling=true\r\n"),
            "{said}"
        );
        assert!(said.contains("/dev/pts/0 char"), "{said}");
    });
}

#[test]
fn an_exec_runs_in_the_container() {
    on_node(async |daemon| {
        let mut waiting = spec(&["wait"]);
        waiting.open_stdin = true;
        waiting.env = vec!["A=1".into()];
        let id = daemon.run("box", waiting).await;
        let exec = ExecSpec {
            args: ["/probe", "ids", "--", "env", "--", "exit", "3"]
                .map(str::to_owned)
                .to_vec(),
            user: "web".into(),
            env: vec!["B=2".into()],
            stdout: true,
            ..ExecSpec::default()
        };
        let exec = daemon.engine.exec_create(&id, exec).await.unwrap();
        let mut attached = daemon
            .engine
            .exec_start(&exec, false, None)
            .await
            .unwrap()
            .unwrap();
        let said = read_all(&mut attached).await.0;
        assert!(said.starts_with("uid=33 gid=44"), "{said}");
        for variable in ["A=1", "B=2", "HOME=/srv"] {
            assert!(said.lines().any(|line| line == variable), "{said}");
        }
        daemon
            .until(&id, |_| {
                daemon.engine.exec_inspect(&exec).unwrap().exit_code == Some(3)
            })
            .await;
        daemon
            .engine
            .stop(
                &id,
                StopOptions {
                    timeout: Some(0),
                    ..StopOptions::default()
                },
            )
            .await
            .unwrap();
        assert!(matches!(
            daemon.engine.exec_inspect(&exec),
            Err(Error::NotFound(_))
        ));
    });
}

/// Some have ended before the daemon hears that they were started.
/// The program may look at once, before anybody could have told it later.
#[test]
fn an_execs_terminal_has_its_size_from_the_first_moment() {
    on_node(async |daemon| {
        let mut waiting = spec(&["wait"]);
        (waiting.tty, waiting.open_stdin) = (true, true);
        let id = daemon.run("sized", waiting).await;
        for _ in 0..40 {
            let exec = ExecSpec {
                args: ["/probe", "tty"].map(str::to_owned).to_vec(),
                tty: true,
                stdout: true,
                ..ExecSpec::default()
            };
            let exec = daemon.engine.exec_create(&id, exec).await.unwrap();
            let size = Some((33, 77));
            let started = daemon.engine.exec_start(&exec, false, size).await.unwrap();
            let said = read_all(&mut started.unwrap()).await.0;
            assert!(said.starts_with("33x77 "), "{said}");
        }
    });
}

#[test]
fn short_execs_leave_nothing_behind() {
    on_node(async |daemon| {
        let mut waiting = spec(&["wait"]);
        waiting.open_stdin = true;
        let id = daemon.run("box", waiting).await;
        let before = pidfds();
        let mut execs = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (engine, id) = (daemon.engine.clone(), id.clone());
            execs.spawn(async move {
                for _ in 0..30 {
                    let exec = ExecSpec {
                        args: ["/probe", "exit", "0"].map(str::to_owned).to_vec(),
                        stdout: true,
                        ..ExecSpec::default()
                    };
                    let exec = engine.exec_create(&id, exec).await.unwrap();
                    let attached = engine.exec_start(&exec, false, None).await.unwrap();
                    read_all(&mut attached.unwrap()).await;
                }
            });
        }
        execs.join_all().await;
        daemon
            .until(&id, |_| daemon.engine.execs_of(&id).is_empty())
            .await;
        assert_eq!(pidfds(), before);
        daemon.engine.kill(&id, 0).await.unwrap();
    });
}

/// What they wrote is still in the terminal, or in the pipe, when they have ended.
#[test]
fn the_output_of_a_short_exec_is_complete() {
    on_node(async |daemon| {
        let mut waiting = spec(&["wait"]);
        waiting.open_stdin = true;
        let id = daemon.run("box", waiting).await;
        let mut execs = tokio::task::JoinSet::new();
        for tty in [false, true, false, true] {
            let (engine, id) = (daemon.engine.clone(), id.clone());
            execs.spawn(async move {
                for _ in 0..20 {
                    let exec = ExecSpec {
                        args: ["/probe", "echo", "a", "--", "exit", "3"]
                            .map(str::to_owned)
                            .to_vec(),
                        tty,
                        stdout: true,
                        ..ExecSpec::default()
                    };
                    let exec = engine.exec_create(&id, exec).await.unwrap();
                    let attached = engine.exec_start(&exec, false, None).await.unwrap();
                    let (said, _) = read_all(&mut attached.unwrap()).await;
                    assert_eq!(said, if tty { "a\r\n" } else { "a\n" });
                }
            });
        }
        execs.join_all().await;
        daemon.engine.kill(&id, 0).await.unwrap();
    });
}

/// A commit freezes what runs; what ends before it is frozen is committed all the same. Several at once make
/// some come at that moment.
#[test]
fn a_container_is_committed_however_soon_it_ends() {
    on_node(async |daemon| {
        let lives = (0..4).map(async |line| {
            for number in 0..8 {
                let brief = spec(&["exit", "0"]);
                let id = daemon.run(&format!("brief-{line}-{number}"), brief).await;
                let frozen = CommitOptions {
                    pause: true,
                    ..CommitOptions::default()
                };
                daemon.engine.commit(&id, frozen).await.unwrap();
                daemon.wait(&id).await;
            }
        });
        futures_util::future::join_all(lives).await;
    });
}

/// Attached before it starts, a container's first client misses nothing of it. Its output ends before its
/// end is entered, and who removes it then need not know.
#[test]
fn a_short_container_says_everything_and_goes() {
    on_node(async |daemon| {
        let lives = [false, true].map(async |tty| {
            for number in 0..10 {
                let mut brief = spec(&["echo", "a", "--", "exit", "3"]);
                brief.tty = tty;
                let id = daemon.create(&format!("brief-{tty}-{number}"), brief).await;
                let output = Attach {
                    stdout: true,
                    stream: true,
                    ..Attach::default()
                };
                let mut attached = daemon.engine.attach(&id, output).await.unwrap();
                let ended = daemon.engine.waiter(&id, WaitCondition::NextExit).unwrap();
                daemon.engine.start(&id).await.unwrap();
                let (said, _) = read_all(&mut attached).await;
                assert_eq!(said, if tty { "a\r\n" } else { "a\n" });
                let force = Remove {
                    force: true,
                    ..Remove::default()
                };
                daemon.engine.remove(&id, force).await.unwrap();
                assert_eq!(ended.await.unwrap().code, 3);
            }
        });
        futures_util::future::join_all(lives).await;
    });
}

/// How many processes this one holds on to.
fn pidfds() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    targets
        .filter(|target| target.as_os_str() == "anon_inode:[pidfd]")
        .count()
}

#[test]
fn a_failing_container_is_restarted_as_often_as_its_policy_says() {
    on_node(async |daemon| {
        let mut failing = spec(&["exit", "4"]);
        failing.restart = RestartPolicy::OnFailure { maximum: 2 };
        let id = daemon.run("again", failing).await;
        let ended = daemon
            .until(&id, |container| container.state.status == Status::Exited)
            .await;
        assert_eq!((ended.restart_count, ended.state.exit_code), (2, 4));
    });
}

#[test]
fn an_automatic_removal_takes_the_container_away() {
    on_node(async |daemon| {
        let mut brief = spec(&["exit", "5"]);
        brief.auto_remove = true;
        let id = daemon.create("brief", brief).await;
        let removed = daemon.engine.waiter(&id, WaitCondition::Removed).unwrap();
        daemon.engine.start(&id).await.unwrap();
        assert_eq!(
            tokio::time::timeout(PATIENCE, removed)
                .await
                .unwrap()
                .unwrap()
                .code,
            5
        );
        assert!(daemon.engine.find(&id).is_err());
    });
}
