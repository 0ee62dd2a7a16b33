//! Probes and hooks, of a real pod.

use std::time::Duration;

use kubelet::container::ContainerId;
use kubelet::pod::Scheme;
use kubelet::traits::{Ask, Outcome, ProbeTarget, Prober, Runtime};

use crate::fixture::*;

fn target(id: &ContainerId, ask: Ask) -> ProbeTarget {
    ProbeTarget { id: id.clone(), ask }
}

fn command(words: &[&str]) -> Ask {
    Ask::Exec(
        ["/probe"]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect(),
    )
}

#[test]
fn commands_answer_with_their_codes_and_words() {
    on_node(async |daemon| {
        let started = daemon.run(&waiting("exec", ""), 0).await;
        let ask =
            async |ask: Ask, timeout: Duration| daemon.pods.probe(target(&started.id, ask), timeout).await;
        assert_eq!(ask(command(&["true"]), PATIENCE).await, Outcome::Success);
        let failed = ask(command(&["echo", "not yet", "--", "exit", "2"]), PATIENCE).await;
        assert_eq!(failed, Outcome::Failure("not yet\n".into()));
        let missing = ask(Ask::Exec(vec!["/nothing".into()]), PATIENCE).await;
        assert!(
            matches!(&missing, Outcome::Errored(text) if text.contains("no such file or directory")),
            "{missing:?}"
        );
        let hook = daemon
            .pods
            .hook(
                target(&started.id, command(&["echo", "a", "--", "exit", "1"])),
                PATIENCE,
            )
            .await;
        let text = r#"Exec lifecycle hook ([/probe echo a -- exit 1]) for Container "c" in Pod "exec_prod(uid-exec)" failed - error: command '/probe echo a -- exit 1' exited with 1: , message: "a\n""#;
        assert_eq!(hook, Err(text.into()));
        assert_eq!(
            daemon
                .pods
                .hook(target(&started.id, command(&["true"])), PATIENCE)
                .await,
            Ok(())
        );
        daemon.pods.stop(&started.id, Duration::ZERO).await.unwrap();
        assert!(matches!(
            ask(command(&["true"]), PATIENCE).await,
            Outcome::Errored(_)
        ));
    });
}

#[test]
fn a_command_that_takes_too_long_has_failed_and_is_gone() {
    on_node(async |daemon| {
        let sleeps = r#"{"containers":[{"name":"c","image":"busybox","command":["sleep","600"]}]}"#;
        let started = daemon.run(&pod("slow", sleeps), 0).await;
        let ask = Ask::Exec(["sleep", "601"].map(str::to_owned).to_vec());
        let late = daemon
            .pods
            .probe(target(&started.id, ask), Duration::from_millis(100))
            .await;
        assert_eq!(
            late,
            Outcome::Failure(r#"command "sleep 601" timed out after 0.1s"#.into())
        );
        assert_eq!(
            daemon.engine.top(&started.id, "").await.unwrap().processes.len(),
            1
        );
        daemon.pods.stop(&started.id, Duration::ZERO).await.unwrap();
    });
}

#[test]
fn a_server_in_a_pod_is_asked_over_the_pod_s_network() {
    on_node(async |daemon| {
        let serves = r#"{"containers":[{"name":"c","image":"busybox","command":["sh","-c","echo hi > /tmp/x; httpd -f -p 8080 -h /tmp"]}]}"#;
        let pod = pod("web", serves);
        let host = daemon
            .pods
            .prepare(&pod)
            .await
            .unwrap()
            .address
            .unwrap()
            .to_string();
        let http = |path: &str| Ask::Http {
            scheme: Scheme::Http,
            host: host.clone(),
            port: 8080,
            path: path.to_owned(),
            headers: vec![],
        };
        let tcp = Ask::Tcp {
            host: host.clone(),
            port: 8080,
        };
        let started = daemon.start(&pod, 0, 0).await.unwrap();
        let ask = async |ask: Ask| daemon.pods.probe(target(&started.id, ask), PATIENCE).await;
        let up = async {
            while ask(tcp.clone()).await != Outcome::Success {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("it listens");
        assert_eq!(ask(http("/x")).await, Outcome::Success);
        assert_eq!(
            ask(http("/y")).await,
            Outcome::Failure("HTTP probe failed with statuscode: 404".into())
        );
        daemon.pods.stop(&started.id, Duration::ZERO).await.unwrap();
        let refused = format!("dial tcp {host}:8080: connect: connection refused");
        assert_eq!(ask(tcp).await, Outcome::Failure(refused));
    });
}
