//! How containers end, and what they say last.

use std::time::Duration;

use kubelet::container::How;
use kubelet::traits::Runtime;

use crate::fixture::*;

#[test]
fn a_container_that_is_killed_ends_with_its_signal() {
    on_node(async |daemon| {
        let pod = waiting("killed", "");
        let started = daemon.run(&pod, 0).await;
        daemon.engine.kill(&started.id, 9).await.unwrap();
        let ended = daemon.end_of(&started.id).await;
        assert_eq!(
            (ended.how, ended.code, ended.started),
            (How::Exited, 137, Some(started.at))
        );
        assert!(ended.finished >= started.at);
        // One that has ended, or has gone, has stopped.
        daemon.pods.stop(&started.id, Duration::ZERO).await.unwrap();
        daemon.pods.remove(&started.id).await;
        daemon
            .pods
            .stop(&started.id, Duration::from_secs(1))
            .await
            .unwrap();
    });
}

#[test]
fn a_shorter_grace_shortens_a_stop() {
    on_node(async |daemon| {
        // As process 1 it does not hear SIGTERM.
        let pod = waiting("deaf", "");
        let started = daemon.run(&pod, 0).await;
        let slow = tokio::spawn(daemon.pods.stop(&started.id, Duration::from_secs(600)));
        daemon
            .pods
            .stop(&started.id, Duration::from_millis(1))
            .await
            .unwrap();
        assert_eq!(daemon.end_of(&started.id).await.code, 137);
        tokio::time::timeout(PATIENCE, slow)
            .await
            .expect("it is over")
            .unwrap()
            .unwrap();
    });
}

#[test]
fn a_container_that_takes_too_much_memory_is_said_to_have() {
    on_node(async |daemon| {
        let limit = r#""resources":{"limits":{"memory":"16Mi"}}"#;
        let started = daemon.run(&one("eats", &["eat", "67108864"], limit), 0).await;
        let ended = daemon.end_of(&started.id).await;
        assert_eq!((ended.how, ended.code), (How::OutOfMemory, 137));
    });
}

#[test]
fn last_words_are_those_of_the_file_or_the_end_of_the_log() {
    on_node(async |daemon| {
        let words = async |name: &str, commands: &[&str], more: &str| {
            let started = daemon.run(&one(name, commands, more), 0).await;
            daemon.end_of(&started.id).await.message
        };
        let file = [
            "write",
            "/dev/termination-log",
            "why",
            "--",
            "echo",
            "noise",
            "--",
            "exit",
            "3",
        ];
        assert_eq!(words("file", &file, "").await, "why");
        let fallback = r#""terminationMessagePolicy":"FallbackToLogsOnError""#;
        assert_eq!(words("both", &file, fallback).await, "why");
        let silent = ["echo", "noise", "--", "exit", "3"];
        assert_eq!(words("silent", &silent, "").await, "");
        assert_eq!(words("log", &silent, fallback).await, "noise\n");
        assert_eq!(words("well", &["echo", "noise"], fallback).await, "");
        let own = ["write", "/tmp-words", "mine", "--", "exit", "1"];
        assert_eq!(
            words("own", &own, r#""terminationMessagePath":"/tmp-words""#).await,
            "mine"
        );
    });
}

/// A shell that is told to end says so and ends.
#[test]
fn a_container_is_asked_with_its_own_signal_before_it_is_killed() {
    on_node(async |daemon| {
        let script = "trap 'echo told; exit 7' USR1; echo up; while :; do sleep 0.05; done";
        let container = format!(
            r#"{{"name":"c","image":"busybox","command":["sh","-c","{script}"],"lifecycle":{{"stopSignal":"SIGUSR1"}}}}"#
        );
        let pod = pod("asked", &format!(r#"{{"containers":[{container}]}}"#));
        let started = daemon.run(&pod, 0).await;
        let query = engine::logs::LogQuery {
            stdout: true,
            follow: true,
            ..Default::default()
        };
        let mut log = daemon.engine.logs(&started.id, query).unwrap();
        assert_eq!(log.recv().await.unwrap().unwrap().line, "up\n");
        daemon.pods.stop(&started.id, PATIENCE).await.unwrap();
        assert_eq!(daemon.end_of(&started.id).await.code, 7);
        assert_eq!(daemon.output(&started.id).await, "up\ntold\n");
    });
}
