//! The daemon is killed, once and again, under containers and pods.

use std::time::Instant;

use super::{ASKING, DAEMON, IDENTITIES, USABLE, WORKLOADS, begin, finish, kill, node, sh};

#[test]
fn containers_pods_and_services_notice_nothing() {
    let daemon = node();
    sh(&daemon, WORKLOADS);
    let before = sh(&daemon, IDENTITIES);
    let asking = begin(&daemon, ASKING);
    sh(&daemon, "until_ok '[ -e asking ]'");
    for _ in 0..3 {
        kill(&daemon, &[DAEMON]);
        daemon.gantry_ok(&["up", "-d"]);
    }
    std::fs::write(daemon.directory.join("enough"), "").unwrap();
    finish(&daemon, asking);
    assert_eq!(sh(&daemon, IDENTITIES), before);
    sh(&daemon, USABLE);
    // Probes go on.
    sh(
        &daemon,
        "k exec counts -- rm /alive; until_ok '[ \"$($ns kubectl get pod counts -o jsonpath={.status.containerStatuses[0].restartCount})\" = 1 ]'",
    );
}

#[test]
fn an_end_while_no_daemon_is_there_is_told_with_its_code_and_last_line() {
    let daemon = node();
    sh(
        &daemon,
        r#"
        ends='echo begun; nc -l -p 99 >/dev/null; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo line $i; done; exit 6'
        docker run -d --name ends busybox sh -c "$ends" >/dev/null
        k run ends --image=busybox --restart=Never -- sh -c "$ends" >/dev/null
        k run again --image=busybox --restart=OnFailure -- sh -c "$ends" >/dev/null
        k wait --for=condition=Ready pod/ends pod/again >/dev/null
        until_ok 'docker logs ends | grep -q begun'
        until_ok "$ns kubectl logs ends | grep -q begun"; until_ok "$ns kubectl logs again | grep -q begun"
        for ip in $(docker inspect -f '{{.NetworkSettings.IPAddress}}' ends) $(k get pod ends again -o jsonpath='{.items[*].status.podIP}'); do echo $ip; done > addresses
        "#,
    );
    // The supervisor is stopped as well, so that no next daemon comes before the ends.
    sh(
        &daemon,
        r#"
        kill -STOP $(cat $run/supervisor.pid)
        trap 'kill -CONT $(cat $run/supervisor.pid)' EXIT
        kill -9 $(cat $run/gantry.pid)
        for ip in $(cat addresses); do echo | $ns timeout 5 busybox nc $ip 99 || :; done
        "#,
    );
    let said = sh(
        &daemon,
        r#"
        docker wait ends
        docker logs ends | tail -n +2 | counted 1000
        k wait --for=jsonpath='{.status.phase}'=Failed pod/ends >/dev/null
        k get pod ends -o jsonpath='{.status.containerStatuses[0].state.terminated.exitCode}{"\n"}'
        k logs ends | tail -n +2 | counted 1000
        k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/again >/dev/null
        k get pod again -o jsonpath='{.status.containerStatuses[0].lastState.terminated.exitCode}{"\n"}'
        k logs again --previous | tail -n +2 | counted 1000
        "#,
    );
    assert_eq!(said, "6\n6\n6\n");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long users wait is what is asked")]
fn the_next_daemon_is_begun_soon() {
    let daemon = node();
    let pid = || std::fs::read_to_string(daemon.run_dir().join(DAEMON)).unwrap_or_default();
    for _ in 0..3 {
        let old = pid();
        let killed = Instant::now();
        kill(&daemon, &[DAEMON]);
        sh(
            &daemon,
            &format!("until_ok '[ \"$(cat $run/gantry.pid)\" != {} ]'", old.trim()),
        );
        // The first try comes after 0.1 s; the bound leaves room for a machine that compiles meanwhile.
        assert!(killed.elapsed().as_secs() < 5, "{:?}", killed.elapsed());
        daemon.gantry_ok(&["up", "-d"]);
    }
}
