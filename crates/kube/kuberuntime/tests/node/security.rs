//! Whom containers run as and what they may do, judged by the kernel.

use std::fs;

use kubelet::traits::Runtime;

use crate::fixture::*;

/// What the probe says in a pod with these security contexts, and its exit code.
fn said(words: &[&str], of_pod: &str, own: &str) -> (String, i32) {
    let container = probe("c", words, &format!(r#""securityContext":{own}"#));
    let pod = pod(
        "sec",
        &format!(r#"{{"securityContext":{of_pod},"containers":[{container}]}}"#),
    );
    let mut answer = None;
    on_node(async |daemon| answer = Some(daemon.said(&pod).await));
    answer.unwrap()
}

#[test]
fn users_and_groups_are_those_that_were_asked_for() {
    let of_pod = r#"{"runAsUser":33,"runAsGroup":7,"fsGroup":9,"supplementalGroups":[8]}"#;
    let (text, code) = said(&["ids"], of_pod, "{}");
    assert_eq!((text.as_str(), code), ("uid=33 gid=7 groups=7,8,9,55\n", 0));
    let strict = of_pod.replace('}', r#","supplementalGroupsPolicy":"Strict"}"#);
    let (text, _) = said(&["ids"], &strict, r#"{"runAsUser":34}"#);
    assert_eq!(text, "uid=34 gid=7 groups=7,8,9\n");
}

#[test]
fn a_plain_container_has_the_runtime_s_rights_and_no_more() {
    let words = [
        "status",
        "CapEff",
        "NoNewPrivs",
        "Seccomp",
        "--",
        "stat",
        "/proc/interrupts",
    ];
    let (text, code) = said(&words, "{}", "{}");
    assert_eq!(code, 0, "{text}");
    for line in ["CapEff: 00000000a80425fb", "NoNewPrivs: 0", "Seccomp: 2"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("/proc/interrupts char 1:3"), "{text}");
}

#[test]
fn rights_are_given_and_taken() {
    let words = [
        "status",
        "CapEff",
        "NoNewPrivs",
        "Seccomp",
        "--",
        "try",
        "write",
        "/x",
        "y",
    ];
    let own = r#"{"capabilities":{"add":["KILL"],"drop":["ALL"]},"allowPrivilegeEscalation":false,
        "readOnlyRootFilesystem":true,"seccompProfile":{"type":"Unconfined"}}"#;
    let (text, _) = said(&words, "{}", own);
    for line in [
        "CapEff: 0000000000000020",
        "NoNewPrivs: 1",
        "Seccomp: 0",
        "Read-only file system",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let (text, code) = said(
        &[
            "status",
            "Seccomp",
            "--",
            "write",
            "/proc/sys/kernel/domainname",
            "x",
        ],
        "{}",
        r#"{"privileged":true}"#,
    );
    assert_eq!((text.as_str(), code), ("Seccomp: 0\n", 0));
}

#[test]
fn a_profile_of_the_node_holds() {
    let node = isolated();
    let directory = node.path("data/kubelet/seccomp/own");
    fs::create_dir_all(&directory).unwrap();
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#;
    fs::write(directory.join("no-mkdir.json"), profile).unwrap();
    let with = |name: &str, file: &str| {
        let own = format!(
            r#""securityContext":{{"seccompProfile":{{"type":"Localhost","localhostProfile":"own/{file}"}}}}"#
        );
        one(name, &["try", "mkdir", "/x"], &own)
    };
    life(&node, async |daemon| {
        let (text, _) = daemon.said(&with("held", "no-mkdir.json")).await;
        assert!(text.contains("Operation not supported"), "{text}");
        let missing = with("missing", "none.json");
        daemon.pods.prepare(&missing).await.unwrap();
        let fault = daemon.start(&missing, 0, 0).await.unwrap_err();
        let said = format!("{fault:?}");
        assert!(
            said.starts_with("Create(") && said.contains("cannot load seccomp profile"),
            "{said}"
        );
        daemon.close().await;
    });
    node.assert_nothing_left();
}
