//! What pods ask of the engine besides what docker asks: namespaces behind files, logs in CRI's
//! format that are rotated, commands that are run to their end.

use std::time::Duration;

use engine::spec::{ContainerSpec, IpcNamespace, LogDriver};
use engine::{Create, Error, ExecSpec, Owner, Stream};

use crate::fixture::*;

fn command(words: &[&str]) -> ExecSpec {
    let words = ["/probe"].iter().chain(words);
    ExecSpec {
        args: words.map(|word| (*word).to_owned()).collect(),
        stdout: true,
        stderr: true,
        ..ExecSpec::default()
    }
}

fn waiting() -> ContainerSpec {
    let mut waiting = spec(&["wait"]);
    waiting.open_stdin = true;
    waiting
}

#[test]
fn a_command_is_run_to_its_end_and_the_beginning_of_its_output_kept() {
    on_node(async |daemon| {
        let id = daemon.run("box", waiting()).await;
        let run = async |words: &[&str], limit, keep| {
            let done = daemon.engine.exec_sync(&id, command(words), limit, keep);
            tokio::time::timeout(PATIENCE, done).await.expect("it is limited")
        };
        let said = run(&["echo", "hello", "--", "exit", "3"], PATIENCE, 4)
            .await
            .unwrap();
        assert_eq!((said.code, &*said.all()), (Some(3), &b"hell"[..]));
        // Its input is /dev/null unless it is asked for, so it would end at once.
        let mut endless = command(&["wait"]);
        endless.stdin = true;
        let killed = daemon
            .engine
            .exec_sync(&id, endless, Duration::from_secs(2), 64)
            .await
            .unwrap();
        assert_eq!(
            (killed.code, &*killed.of(Stream::Stdout)),
            (None, &b"ready\n"[..])
        );
        let mut missing = command(&[]);
        missing.args = vec!["/nothing".into()];
        let refused = daemon.engine.exec_sync(&id, missing, PATIENCE, 0).await;
        assert!(
            matches!(refused, Err(Error::Exec { code: 127, .. })),
            "{refused:?}"
        );
        assert!(daemon.engine.execs_of(&id).is_empty());
        daemon.engine.kill(&id, 0).await.unwrap();
    });
}

#[test]
fn who_waits_for_an_exec_hears_of_its_end_and_of_its_container_s() {
    on_node(async |daemon| {
        let id = daemon.run("box", waiting()).await;
        let ended = async |words: &[&str]| {
            let exec = daemon.engine.exec_create(&id, command(words)).await.unwrap();
            let ended = daemon.engine.exec_wait(&exec).unwrap();
            (exec, tokio::spawn(ended))
        };
        let (brief, heard) = ended(&["exit", "9"]).await;
        daemon.engine.exec_start(&brief, true, None).await.unwrap();
        assert_eq!(heard.await.unwrap(), 9);
        let (_never_started, heard) = ended(&["wait"]).await;
        daemon.engine.kill(&id, 0).await.unwrap();
        assert_eq!(heard.await.unwrap(), 137);
        assert!(matches!(daemon.engine.exec_wait(&brief), Err(Error::NotFound(_))));
    });
}

#[test]
fn two_containers_share_the_ipc_namespace_behind_a_file() {
    let node = isolated();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let file = node.path("ipc");
    sys::ipcns::create(&file, || std::fs::write("/proc/sys/kernel/shmmni", "77")).unwrap();
    runtime.block_on(async {
        let daemon = Daemon::open(&node).await;
        let mut said = Vec::new();
        for name in ["one", "two"] {
            let mut sharing = spec(&["cat", "/proc/sys/kernel/shmmni", "--", "namespaces"]);
            sharing.isolation.ipc = IpcNamespace::Path(file.to_string_lossy().into_owned());
            let id = daemon.run(name, sharing).await;
            daemon.wait(&id).await;
            let text = daemon.output(&id).await;
            said.push((text.lines().next().unwrap().to_owned(), line(&text, "ipc:")));
        }
        assert_eq!(said[0], said[1]);
        let own = std::fs::read_link("/proc/self/ns/ipc").unwrap();
        assert_eq!(said[0].0, "77");
        assert_ne!(said[0].1, own.to_string_lossy());
        daemon.close().await;
    });
    drop(runtime);
    sys::netns::unpin(&file).unwrap();
    node.assert_nothing_left();
}

fn line(text: &str, beginning: &str) -> String {
    let found = text.lines().find(|line| line.starts_with(beginning));
    found
        .unwrap_or_else(|| panic!("no {beginning} in {text}"))
        .to_owned()
}

#[test]
fn a_pod_s_log_is_rotated_and_its_container_outlives_the_daemon() {
    let node = isolated();
    let log = node.path("0.log").to_string_lossy().into_owned();
    let mut talking = spec(&["echo", "0123456789"]);
    for word in ["--", "echo", "0123456789"].repeat(8) {
        talking.args.push(word.into());
    }
    talking.log = LogDriver::Cri {
        path: log,
        max_size: 80,
        max_files: 3,
    };
    let id = life(&node, async |daemon| {
        let create = Create {
            name: Some("k8s_c_p_ns_u_0".into()),
            spec: talking,
            image: Some(daemon.image.clone()),
            owner: Owner::Pod {
                namespace: "ns".into(),
                name: "p".into(),
                uid: "u".into(),
            },
            ..Create::default()
        };
        let id = daemon.engine.create(create).await.unwrap().id;
        daemon.engine.start(&id).await.unwrap();
        assert_eq!(daemon.wait(&id).await.code, 0);
        daemon.engine.close(true).await;
        id
    });
    // An entry has 41 to 51 bytes, as many zeros as its time ends with: one leaves room in a file, two fill it.
    let lines = |name: &str| {
        let text = std::fs::read_to_string(node.path(name)).unwrap_or_default();
        text.lines()
            .filter(|line| line.ends_with(" stdout F 0123456789"))
            .count()
    };
    let kept = ["0.log", "0.log.1", "0.log.2", "0.log.3"].map(lines);
    // Nine entries, of which the oldest files have gone.
    assert_eq!(kept, [1, 2, 2, 0]);
    life(&node, async |daemon| {
        let found = daemon.engine.find("k8s_c_p_ns_u_0").unwrap();
        assert_eq!((&found.id, found.state.exit_code), (&id, 0));
        assert!(matches!(&found.owner, Owner::Pod { uid, .. } if uid == "u"));
        daemon.close().await;
    });
    node.assert_nothing_left();
}

/// One life of a daemon.
fn life<T>(node: &Node, work: impl AsyncFnOnce(&Daemon) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { work(&Daemon::open(node).await).await })
}
