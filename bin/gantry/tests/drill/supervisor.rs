//! The supervisor is killed alone, with pods and services on the node.

use super::{ASKING, DAEMON, IDENTITIES, SUPERVISOR, USABLE, WORKLOADS, begin, finish, kill, node, sh};

#[test]
fn pods_and_services_notice_nothing() {
    let daemon = node();
    sh(&daemon, WORKLOADS);
    let before = sh(&daemon, IDENTITIES);
    let asking = begin(&daemon, ASKING);
    sh(&daemon, "until_ok '[ -e asking ]'");
    for file in [SUPERVISOR, DAEMON, SUPERVISOR] {
        kill(&daemon, &[file]);
        daemon.gantry_ok(&["up", "-d"]);
    }
    std::fs::write(daemon.directory.join("enough"), "").unwrap();
    finish(&daemon, asking);
    assert_eq!(sh(&daemon, IDENTITIES), before);
    // A line that a killed supervisor had read may be missing; see docs/formats/supervisor-protocol.md.
    sh(&daemon, &USABLE.replace("| counted 10", "| grep -q '^line '"));
}
