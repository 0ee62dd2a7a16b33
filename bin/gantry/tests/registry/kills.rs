//! The daemon is killed in the middle of pulls and pushes, of its own client and of its registry: what was begun is begun
//! again, and nothing of it stays.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use testkit::daemon::{Daemon, all};
use testkit::registry::Registry;

/// Debian's.
const PEER: u16 = 5055;

/// Half of a blob, in two chunks; prints where it goes on.
const HALF: &str = r#"
set -eu
reg=http://localhost:5000
head -c 3000000 /dev/urandom > blob
at=$(curl --silent --fail -X POST -D - $reg/v2/kept/app/blobs/uploads/ | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
head -c 1000000 blob | curl --silent --fail -X PATCH -H 'Content-Range: 0-999999' --data-binary @- $reg$at
tail -c +1000001 blob | head -c 700000 | curl --silent --fail -X PATCH -H 'Content-Range: 1000000-1699999' --data-binary @- $reg$at
# Of another, nothing has come yet: there is nothing to keep, and whoever goes on is told to begin anew.
curl --silent --fail -X POST -D - $reg/v2/kept/app/blobs/uploads/ | tr -d '\r' | sed -n 's/^[Ll]ocation: //p' > empty
echo $at > at
"#;
/// The rest; out of order it is refused, and told where to go on.
const REST: &str = r#"
set -eu
reg=http://localhost:5000 at=$(cat at) digest=sha256:$(sha256sum blob | cut -d' ' -f1)
status() { curl --silent --fail -D - $reg$1 | tr -d '\r' | sed -n 's/^[Rr]ange: //p'; }
test "$(status $at)" = 0-1699999
test "$(curl --silent -o /dev/null -w '%{http_code}' $reg$(cat empty))" = 404
code=$(head -c 10 blob | curl --silent -o /dev/null -w '%{http_code}' -X PATCH -H 'Content-Range: 0-9' --data-binary @- $reg$at)
test "$code" = 416
tail -c +1700001 blob | curl --silent --fail -X PUT --data-binary @- "$reg$at?digest=$digest"
curl --silent --fail $reg/v2/kept/app/blobs/$digest | cmp - blob
"#;

#[test]
fn an_upload_goes_on_after_the_daemon_was_killed() {
    let daemon = super::node();
    ok(&daemon, HALF);
    let pid = std::fs::read_to_string(daemon.run_dir().join("gantry.pid")).unwrap();
    let killed = Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    assert!(killed.success());
    daemon.gantry_ok(&["up", "-d"]);
    // And once more, as it goes down by itself.
    daemon.gantry_ok(&["down"]);
    daemon.gantry_ok(&["up", "-d"]);
    ok(&daemon, REST);
    ok(&daemon, WHOLE);
    assert_eq!(
        ok(
            &daemon,
            "ls $data/content/ingest $data/content/uploads | grep -v :"
        ),
        "\n"
    );
}

/// Five layers, some of them of several pieces.
const BUILD: &str = r#"
set -eu
for size in 1 2000000 5000000 300000; do head -c $size /dev/urandom > f$size; done
printf 'FROM busybox\nCOPY f1 /\nCOPY f2000000 /\nCOPY f5000000 /\nCOPY f300000 /\n' > Dockerfile
docker build -q -t localhost:5055/kill/app:1 . && docker push -q localhost:5055/kill/app:1
docker rmi localhost:5055/kill/app:1 && docker builder prune -af
"#;

/// What lies on the disk, but for the store's own files: blobs, layers, and what is being written.
const LISTED: &str = "cd $data && ls content/blobs/* content/ingest snapshots | sort";
/// Every blob is what it is called.
const WHOLE: &str = r#"cd $data/content/blobs/sha256 && for blob in *; do echo "$blob  $blob"; done | sha256sum --check --quiet"#;

pub(super) fn shell(daemon: &Daemon, script: &str) -> Command {
    let mut command = daemon.namespace.command("timeout --kill-after=5 100 sh -c");
    let place = daemon.directory.join("work");
    std::fs::create_dir_all(&place).unwrap();
    command
        .arg(script)
        .current_dir(&place)
        .env("data", daemon.directory.join("data"))
        .env("HOME", &place)
        .env("XDG_RUNTIME_DIR", &place)
        .env("DOCKER_HOST", daemon.host())
        .env("DOCKER_BUILDKIT", "0")
        .env("DOCKER_CONFIG", daemon.directory.join("config"));
    command
}

#[track_caller]
pub(super) fn ok(daemon: &Daemon, script: &str) -> String {
    let output = shell(daemon, script).output().unwrap();
    assert!(output.status.success(), "{script}: {}", all(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Kills the daemon once the script has said so many lines, and has it back; whether it had said as many.
fn killed_at(daemon: &Daemon, script: &str, line: usize) -> bool {
    let mut child = shell(daemon, script);
    let mut child = child
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.nth(line).is_some();
    if said {
        let pid = std::fs::read_to_string(daemon.run_dir().join("gantry.pid")).unwrap();
        let killed = Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
        assert!(killed.success());
        // It ends with its connection, or has ended before.
        lines.for_each(drop);
    }
    let ended = child.wait().unwrap();
    assert!(said || ended.success(), "{script}");
    // Returns when the next one is ready.
    daemon.gantry_ok(&["up", "-d"]);
    said
}

/// Lines from one death to the next. With one everything is tried, which takes four minutes.
const STEP: usize = 4;

/// Kills at one line after another; after each death `then` must succeed.
fn at_each_line(daemon: &Daemon, script: &str, then: &str) {
    let mut line = 0;
    while killed_at(daemon, script, line) {
        ok(daemon, then);
        line += STEP;
    }
    assert!(line > STEP, "{script}: {line} lines");
}

#[test]
fn a_death_in_the_middle_of_a_pull_or_push_leaves_nothing() {
    let daemon = super::node();
    let _peer = Registry::start(&daemon.namespace, PEER);
    ok(&daemon, BUILD);
    let before = ok(&daemon, LISTED);
    at_each_line(
        &daemon,
        "docker pull localhost:5055/kill/app:1",
        "docker pull -q localhost:5055/kill/app:1 && \
         docker run --rm localhost:5055/kill/app:1 sh -c 'wc -c < /f5000000' | grep 5000000 && \
         docker rmi localhost:5055/kill/app:1",
    );
    ok(&daemon, "docker rmi localhost:5055/kill/app:1");
    assert_eq!(ok(&daemon, LISTED), before);
    let copy = "skopeo --insecure-policy copy --src-tls-verify=false --dest-tls-verify=false \
        docker://localhost:5055/kill/app:1 docker://localhost:5000/kill/app:1";
    at_each_line(
        &daemon,
        copy,
        &format!(
            "{copy} && docker run --rm localhost:5000/kill/app:1 sh -c 'wc -c < /f5000000' | grep 5000000 && {WHOLE} && \
             docker rmi localhost:5000/kill/app:1"
        ),
    );
    let push = "docker push localhost:5055/kill/again:1";
    ok(
        &daemon,
        &format!("{copy} && docker tag localhost:5000/kill/app:1 localhost:5055/kill/again:1"),
    );
    at_each_line(&daemon, push, &format!("{push} && {WHOLE}"));
    assert_eq!(ok(&daemon, "ls $data/content/ingest"), "");
}
