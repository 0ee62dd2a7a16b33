//! Supervisor and daemon are killed at once: containers go on, and the next `up` takes them over.

use super::{ASKING, DAEMON, IDENTITIES, SUPERVISOR, USABLE, WORKLOADS, begin, finish, kill, node, sh};

const BOTH: &[&str] = &[SUPERVISOR, DAEMON];

#[test]
fn containers_and_pods_are_taken_over_with_their_logs() {
    let daemon = node();
    sh(&daemon, WORKLOADS);
    sh(&daemon, "docker run -d -i --name reads busybox cat >/dev/null");
    let before = sh(&daemon, IDENTITIES);
    let asking = begin(&daemon, ASKING);
    sh(&daemon, "until_ok '[ -e asking ]'");
    for _ in 0..2 {
        kill(&daemon, BOTH);
        daemon.gantry_ok(&["up", "-d"]);
    }
    std::fs::write(daemon.directory.join("enough"), "").unwrap();
    finish(&daemon, asking);
    assert_eq!(sh(&daemon, IDENTITIES), before);
    // What the supervisor had read and not written is lost: a line or two, not the rest.
    sh(&daemon, &USABLE.replace("| counted 10", "| grep -q '^line '"));
    sh(
        &daemon,
        r#"
        last() { docker logs --tail 1 counts | cut -d' ' -f2; }
        now=$(last); until_ok "[ \$(docker logs --tail 1 counts | cut -d' ' -f2) -gt $((now+20)) ]"
        docker logs counts | cut -d' ' -f2 | sort -nc
        newest=$(last); [ $(docker logs counts | wc -l) -gt $((newest - 10)) ]
        k logs counts | cut -d' ' -f2 | sort -nc
        "#,
    );
}

#[test]
fn an_end_after_the_takeover_is_known_and_one_before_is_not() {
    let daemon = node();
    sh(
        &daemon,
        r#"
        for each in before after; do
          docker run -d --name $each busybox sh -c 'echo begun; nc -l -p 99 >/dev/null; echo last; exit 6' >/dev/null
          until_ok "docker logs $each | grep -q begun"
          docker inspect -f '{{.NetworkSettings.IPAddress}}' $each > $each
          pid $each > $each.pid
        done
        docker run -d --name always --restart always busybox sh -c 'nc -l -p 99; exit 6' >/dev/null
        docker run -d --name kept --restart on-failure busybox sleep 1000 >/dev/null
        "#,
    );
    kill(&daemon, BOTH);
    sh(
        &daemon,
        "echo | $ns timeout 5 busybox nc $(cat before) 99 || :; until_ok '! grep -q \"^State:.[RSD]\" /proc/$(cat before.pid)/status'",
    );
    daemon.gantry_ok(&["up", "-d"]);
    let said = sh(
        &daemon,
        r#"
        docker wait before
        echo | $ns timeout 5 busybox nc $(cat after) 99 || :
        docker wait after
        docker logs after
        docker inspect -f '{{.RestartCount}} {{.State.Running}}' always kept
        docker stop -t 0 kept
        "#,
    );
    // The kernel tells an end to who has a descriptor of the process, from 6.15 on.
    let known = said.replace("\n255\nbegun", "\n6\nbegun");
    assert_eq!(known, "255\n6\nbegun\nlast\n0 true\n0 true\nkept\n");
}

#[test]
fn down_ends_what_nobody_holds_any_more() {
    let daemon = node();
    sh(&daemon, WORKLOADS);
    let pids = sh(&daemon, "pid counts; pid $(of_pod counts)");
    kill(&daemon, BOTH);
    daemon.gantry_ok(&["down", "--timeout", "2s"]);
    for pid in pids.lines() {
        // The host's init may take its time to reap it.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        assert!(
            status.is_empty() || status.contains("State:\tZ"),
            "{pid} still runs: {status}"
        );
    }
    assert_eq!(daemon.left(), Vec::<String>::new());
    assert_eq!(daemon.gantry_fails(&["down"]).0, 3);
    daemon.gantry_ok(&["up", "-d"]);
    sh(
        &daemon,
        "until_ok \"$ns busybox wget -qO- http://127.0.0.1:8090/\"; k rollout status deployment/web; k wait --for=condition=Ready pod/counts",
    );
}
