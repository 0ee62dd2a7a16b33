//! What containers of a pod share, and what is left of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use kubelet::traits::{Refused, Runtime};

use crate::fixture::*;

#[test]
fn containers_of_a_pod_share_network_ipc_memory_and_names() {
    on_node(async |daemon| {
        let look = [
            "namespaces",
            "--",
            "hostname",
            "--",
            "cat",
            "/etc/hosts",
            "/etc/hostname",
            "/etc/resolv.conf",
        ];
        let writes = [&look[..], &["--", "write", "/dev/shm/x", "shared"]].concat();
        let reads = [&look[..], &["--", "cat", "/dev/shm/x"]].concat();
        let containers = [probe("a", &writes, ""), probe("b", &reads, "")].join(",");
        let pod = pod("shop", &format!(r#"{{"containers":[{containers}]}}"#));
        let sandbox = daemon.pods.prepare(&pod).await.unwrap();
        let address = sandbox.address.unwrap().to_string();
        let mut said = Vec::new();
        for at in [0, 1] {
            let started = daemon.start(&pod, at, 0).await.unwrap();
            assert_eq!(daemon.end_of(&started.id).await.code, 0);
            said.push(daemon.output(&started.id).await);
        }
        for kind in ["net:", "ipc:"] {
            let line = |text: &str| {
                text.lines()
                    .find(|line| line.starts_with(kind))
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(line(&said[0]), line(&said[1]));
            let own = fs::read_link(format!("/proc/self/ns/{}", kind.trim_end_matches(':'))).unwrap();
            assert_ne!(line(&said[0]), own.to_string_lossy());
        }
        assert!(
            said[1].contains("\nshop\n") && said[1].contains(&format!("{address}\tshop\n")),
            "{}",
            said[1]
        );
        assert!(said[1].contains("nameserver 10.43.0.10\n"), "{}", said[1]);
        assert!(said[1].ends_with("shared"), "{}", said[1]);
    });
}

#[test]
fn a_pod_with_the_node_s_network_is_called_as_the_node_is() {
    on_node(async |daemon| {
        let container = probe(
            "c",
            &["namespaces", "--", "hostname", "--", "cat", "/etc/hosts"],
            "",
        );
        let pod = pod(
            "host",
            &format!(r#"{{"hostNetwork":true,"hostIPC":true,"containers":[{container}]}}"#),
        );
        let sandbox = daemon.pods.prepare(&pod).await.unwrap();
        assert_eq!(sandbox.address, None);
        let (said, code) = daemon.said(&pod).await;
        assert_eq!(code, 0, "{said}");
        for kind in ["net", "ipc"] {
            let own = fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap();
            assert!(said.contains(&*own.to_string_lossy()), "{said}");
        }
        let own = rustix::system::uname();
        assert!(
            said.contains(&format!("\n{}\n", own.nodename().to_string_lossy())),
            "{said}"
        );
        assert!(
            said.contains("# Kubernetes-managed hosts file (host network)."),
            "{said}"
        );
    });
}

#[test]
fn limits_are_where_the_kernel_looks() {
    on_node(async |daemon| {
        let asked = r#""resources":{"requests":{"cpu":"250m","memory":"64Mi"},"limits":{"cpu":"500m","memory":"128Mi"}}"#;
        let pod = waiting("limited", asked);
        let started = daemon.run(&pod, 0).await;
        let pid = daemon.engine.find(&started.id).unwrap().state.pid;
        let (memory, cpu) = (group(pid, "memory"), group(pid, "cpu"));
        let above = |group: &Path| group.parent().unwrap().to_owned();
        assert!(
            above(&memory).ends_with("kubepods/burstable/poduid-limited"),
            "{}",
            memory.display()
        );
        let read = |directory: &Path, names: [&str; 2]| {
            let found = names
                .iter()
                .find_map(|name| fs::read_to_string(directory.join(name)).ok());
            found.unwrap().trim().to_owned()
        };
        for directory in [memory.clone(), above(&memory)] {
            let limit = read(&directory, ["memory.limit_in_bytes", "memory.max"]);
            assert_eq!(limit, (128 << 20).to_string());
        }
        for directory in [cpu.clone(), above(&cpu)] {
            let quota = read(&directory, ["cpu.cfs_quota_us", "cpu.max"]);
            assert!(["50000", "50000 100000"].contains(&&*quota), "{quota}");
        }
        if cpu.join("cpu.shares").exists() {
            for directory in [cpu.clone(), above(&cpu), above(&above(&cpu))] {
                assert_eq!(
                    read(&directory, ["cpu.shares", ""]),
                    "256",
                    "{}",
                    directory.display()
                );
            }
        }
        let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        assert_eq!(score.trim(), "938");
        let class = above(&above(&cpu));
        daemon
            .pods
            .stop(&started.id, std::time::Duration::ZERO)
            .await
            .unwrap();
        daemon.pods.tear_down(&pod.uid).await.unwrap();
        if class.join("cpu.shares").exists() {
            assert_eq!(
                read(&class, ["cpu.shares", ""]),
                "2",
                "nobody asks for anything any more"
            );
        }
    });
}

#[test]
fn parameters_of_a_pod_are_set_where_they_belong() {
    on_node(async |daemon| {
        let files = [
            "/proc/sys/kernel/shm_rmid_forced",
            "/proc/sys/net/ipv4/tcp_syncookies",
        ];
        let container = probe("c", &["cat", files[0], files[1]], "");
        let pod = |value: &str| {
            let sysctls = format!(
                r#"[{{"name":"kernel.shm_rmid_forced","value":"1"}},{{"name":"net.ipv4.tcp_syncookies","value":"{value}"}}]"#
            );
            pod(
                "set",
                &format!(r#"{{"securityContext":{{"sysctls":{sysctls}}},"containers":[{container}]}}"#),
            )
        };
        let Refused { reason, message } = daemon.pods.prepare(&pod("many")).await.unwrap_err();
        assert_eq!(reason, "FailedCreatePodSandBox");
        assert!(message.starts_with("Failed to create pod sandbox: "), "{message}");
        assert!(
            daemon
                .observed(&pod("0"))
                .await
                .is_none_or(|found| found.observed.sandbox.is_none())
        );
        assert_eq!(daemon.said(&pod("0")).await, ("1\n0\n".to_owned(), 0));
    });
}

#[test]
fn a_sandbox_is_made_once_and_found_again() {
    on_node(async |daemon| {
        let pod = waiting("again", "");
        let first = daemon.pods.prepare(&pod).await.unwrap();
        assert_eq!(daemon.pods.prepare(&pod).await.unwrap(), first);
        let seen = daemon.observed(&pod).await.unwrap();
        assert_eq!(
            (&*seen.namespace, &*seen.name, seen.grace.as_secs()),
            ("prod", "again", 30)
        );
        assert_eq!(seen.observed.sandbox, Some(first));
        daemon.pods.tear_down(&pod.uid).await.unwrap();
        assert_eq!(daemon.observed(&pod).await, None);
        daemon.pods.tear_down(&pod.uid).await.unwrap();
    });
}

/// All at once, as a node that is filled: nothing stays in the kernel or on the disk.
#[test]
fn a_hundred_pods_leave_nothing() {
    let node = isolated();
    life(&node, async |daemon| {
        let daemon = Arc::new((daemon.pods.clone(), daemon.engine.clone()));
        let mut lives = tokio::task::JoinSet::new();
        for number in 0..100 {
            let daemon = daemon.clone();
            lives.spawn(async move {
                let (pods, _) = &*daemon;
                let pod = waiting(&format!("many-{number}"), "");
                pods.prepare(&pod).await.unwrap();
                let started = pods
                    .start(&pod, kubelet::ContainerIx(0), 0, vec![], Arc::default())
                    .await
                    .unwrap();
                pods.stop(&started.id, std::time::Duration::ZERO).await.unwrap();
                pods.tear_down(&pod.uid).await.unwrap();
                pods.remove(&started.id).await;
            });
        }
        lives.join_all().await;
        let (pods, engine) = (&daemon.0, &daemon.1);
        assert_eq!(pods.observe(), []);
        assert!(engine.list().is_empty());
        for directory in [
            "data/kubelet/pods",
            "run/pods",
            "data/log/pods",
            "data/log/containers",
        ] {
            let left: Vec<_> = fs::read_dir(node.path(directory)).unwrap().collect();
            assert!(left.is_empty(), "{directory}: {left:?}");
        }
        engine.close(false).await;
        let (pods, networks) = (pods.clone(), engine.networks().clone());
        let closing = move || {
            pods.close();
            networks.close();
        };
        tokio::task::spawn_blocking(closing).await.unwrap();
    });
    node.assert_nothing_left();
}
