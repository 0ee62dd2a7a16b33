//! The reboot drill: every process is killed, and what a reboot takes from the kernel is taken away by hand.

use std::path::Path;

use testkit::daemon::Daemon;

use super::{WORKLOADS, node, sh};

/// Containers of every restart policy.
const POLICIES: &str = r#"
docker network create own >/dev/null
docker run -d --name always --restart always --network own --network-alias other -v kept:/v busybox sh -c 'echo kept > /v/f; exec sleep 1000' >/dev/null
docker run -d --name unless --restart unless-stopped busybox sleep 1000 >/dev/null
docker run -d --name stopped --restart unless-stopped busybox sleep 1000 >/dev/null
docker stop -t 0 stopped >/dev/null
docker run -d --name failing --restart on-failure busybox sleep 1000 >/dev/null
docker run -d --name never busybox sleep 1000 >/dev/null
k exec counts -- sh -c 'echo disk > /disk/f; echo memory > /memory/f'
k get pods -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}' > pods
k get service web -o jsonpath='{.spec.clusterIP}' > address
"#;

/// How it has to be afterwards.
const BACK: &str = r#"
k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/counts >/dev/null
k wait --for=condition=Ready pod/counts >/dev/null
k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod -l app=web >/dev/null
k rollout status deployment/web >/dev/null
until_ok "$ns busybox wget -qO- http://$(cat address)/"
until_ok "$ns busybox wget -qO- http://127.0.0.1:8090/"
k get pods -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}' | diff pods -
k get pods -l app=web -o jsonpath='{range .items[*]}{.status.containerStatuses[0].restartCount} {.status.phase}{"\n"}{end}'
k get pods -l job-name=once -o jsonpath='{.items[*].status.phase} {.items[*].status.containerStatuses[0].restartCount}{"\n"}'
k get job once -o jsonpath='{.status.succeeded}{"\n"}'
k exec counts -- sh -c 'cat /disk/f; ls /memory'
docker ps -a --filter name=always --filter name=unless --filter name=stopped --filter name=failing --filter name=never --format '{{.Names}} {{.State}}' | sort
docker exec always cat /v/f
docker run --rm --network own busybox ping -c 1 other >/dev/null
docker inspect -f '{{.State.ExitCode}}' never
"#;

const EXPECTED: &str = "1 Running\n1 Running\nSucceeded 0\n1\ndisk\nalways running\nfailing running\nnever exited\nstopped exited\nunless running\nkept\n255\n";

/// What of the kernel is taken away.
enum Lost {
    Everything,
    /// Processes and links; mounts, groups and files stay.
    Some,
}

#[test]
fn everything_is_back_after_a_reboot() {
    drill(&Lost::Everything);
}

#[test]
fn everything_is_back_where_some_of_the_kernels_objects_are_left() {
    drill(&Lost::Some);
}

fn drill(lost: &Lost) {
    let daemon = node();
    sh(&daemon, WORKLOADS);
    sh(&daemon, POLICIES);
    reboot(&daemon, lost);
    daemon.gantry_ok(&["up", "-d"]);
    // A mount that is left has kept what is in it.
    let expected = match lost {
        Lost::Everything => EXPECTED.to_owned(),
        Lost::Some => EXPECTED.replace("disk\n", "disk\nf\n"),
    };
    assert_eq!(sh(&daemon, BACK), expected);
    daemon.gantry_ok(&["down", "--timeout", "1s"]);
    assert_eq!(daemon.left(), Vec::<String>::new());
}

fn reboot(daemon: &Daemon, lost: &Lost) {
    let name = &daemon.name;
    // All at once, so that nobody acts on the death of another.
    let kills = ["unified/", ""].map(|place| format!("/sys/fs/cgroup/{place}{name}/cgroup.kill"));
    let kill = kills.iter().find(|path| Path::new(path).exists()).unwrap();
    std::fs::write(kill, "1").unwrap();
    sh(
        daemon,
        &format!(
            r#"until_ok '! find /sys/fs/cgroup -path "*/{name}/*" -name cgroup.procs -exec cat {{}} + | grep -q .'"#
        ),
    );
    if matches!(lost, Lost::Some) {
        let links = "for l in $($ns busybox ip -o link | sed 's/^[0-9]*: *\\([^:@]*\\).*/\\1/' | grep -v '^lo$'); do $ns busybox ip link delete $l 2>/dev/null || :; done";
        sh(daemon, links);
        return;
    }
    daemon.lose_network();
    sh(
        daemon,
        &format!(
            r#"
            tac /proc/self/mountinfo | cut -d' ' -f5 | grep "^$PWD/" | while read mount; do umount -l "$mount"; done
            # A group is busy for a moment more than its last process is in it. Others' groups come and go meanwhile, of
            # which find complains.
            groups() {{ find /sys/fs/cgroup -depth -type d \( -path "*/{name}" -o -path "*/{name}/*" \) "$@" 2>/dev/null || :; }}
            while [ -n "$(groups)" ]; do groups -exec rmdir {{}} \; ; done
            rm -rf $run
            "#
        ),
    );
    assert_eq!(daemon.left(), Vec::<String>::new());
}
