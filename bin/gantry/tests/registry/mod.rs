//! The node's own registry: what docker has is pulled from it, what is pushed to it docker has. Root.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod clients;
mod kills;
mod mirror;
mod races;

use std::process::Output;

use testkit::daemon::Daemon;

/// Without pods: a registry is a matter of images.
fn node() -> Daemon {
    let daemon = Daemon::gantry_with(&["--without=kubelet,scheduler"]);
    daemon.load_images();
    daemon
}

fn run(daemon: &Daemon, words: &str) -> Output {
    let mut command = daemon.namespace.command(words);
    // Nobody's credentials.
    command
        .env("HOME", &daemon.directory)
        .env("XDG_RUNTIME_DIR", &daemon.directory);
    command.output().unwrap()
}

fn ok(daemon: &Daemon, words: &str) -> String {
    let output = run(daemon, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_docker_has_is_pulled_and_what_is_pushed_docker_runs() {
    let daemon = node();
    let copy = "skopeo --insecure-policy copy --src-tls-verify=false --dest-tls-verify=false";
    let (short, pushed) = (
        "docker://localhost:5000/library/busybox:latest",
        "localhost:5000/team/busybox:v2",
    );
    ok(&daemon, &format!("{copy} {short} docker://{pushed}"));
    let output = daemon.ok(&["run", "--rm", pushed, "echo", "it runs"]);
    assert_eq!(output.trim(), "it runs");
    let there = daemon.directory.join("layout");
    ok(
        &daemon,
        &format!("{copy} docker://{pushed} oci:{}:v2", there.display()),
    );
    assert!(there.join("index.json").exists());
    let all = ok(&daemon, "curl --silent --fail http://127.0.0.1:5000/v2/_catalog");
    assert!(
        all.contains("\"team/busybox\"") && all.contains("\"library/busybox\""),
        "{all}"
    );
    // TLS on the same port, and what docker removes stays.
    ok(
        &daemon,
        "curl --silent --fail --insecure https://localhost:5000/v2/team/busybox/manifests/v2",
    );
    let there = |name: &str, tag: &str| {
        let url = format!("http://localhost:5000/v2/{name}/manifests/{tag}");
        run(&daemon, &format!("curl --silent --fail --output /dev/null {url}"))
            .status
            .success()
    };
    let listed = || daemon.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    daemon.ok(&["rmi", "--force", pushed]);
    assert!(!listed().contains(pushed) && there("team/busybox", "v2"));
    assert!(daemon.ok(&["pull", pushed]).contains("Downloaded newer image"));
    // What docker pulled is docker's, also when it is deleted there; what docker only tagged goes wholly.
    ok(
        &daemon,
        &format!("skopeo delete --tls-verify=false docker://{pushed}"),
    );
    assert!(!there("team/busybox", "v2"));
    assert_eq!(
        daemon.ok(&["run", "--rm", pushed, "echo", "it runs"]).trim(),
        "it runs"
    );
    daemon.ok(&["tag", "busybox", "localhost:5000/only:1"]);
    assert!(there("only", "1"));
    daemon.ok(&["rmi", "localhost:5000/only:1"]);
    assert!(!there("only", "1"));
    // The whole way: tagged, pushed, removed with everything that nothing uses, pulled and run.
    let name = "localhost:5000/whole:1";
    daemon.ok(&["tag", "probe", name]);
    daemon.ok(&["push", name]);
    daemon.ok(&["rmi", "probe", pushed]);
    daemon.ok(&["image", "prune", "--all", "--force"]);
    assert_eq!(listed().trim(), "");
    daemon.ok(&["pull", name]);
    assert!(listed().contains(name));
    ok(
        &daemon,
        &format!("skopeo inspect --tls-verify=false docker://{name}"),
    );
}

/// Pods are told images by their digests, which a push tells.
#[test]
fn what_is_pushed_has_a_digest_and_what_is_here_is_pulled_by_it() {
    let daemon = node();
    let digests = |name: &str| daemon.ok(&["image", "inspect", "-f", "{{join .RepoDigests \"\\n\"}}", name]);
    daemon.ok(&["tag", "busybox", "localhost:5000/team/pushed:1"]);
    let said = daemon.ok(&["push", "localhost:5000/team/pushed:1"]);
    let pinned = digests("busybox");
    let pinned = pinned
        .lines()
        .find(|name| name.starts_with("localhost:5000/team/pushed@"));
    let (_, digest) = pinned.unwrap().split_once('@').unwrap();
    assert!(said.contains(&format!("1: digest: {digest}")), "{said}");
    daemon.ok(&["pull", pinned.unwrap()]);
    assert_eq!(
        daemon
            .ok(&["run", "--rm", pinned.unwrap(), "echo", "it runs"])
            .trim(),
        "it runs"
    );
    // One that was only given a name there has the digest under which the registry serves it.
    daemon.ok(&["tag", "probe", "localhost:5000/team/named:1"]);
    let head = ok(
        &daemon,
        "curl --silent --fail --head http://localhost:5000/v2/team/named/manifests/1",
    );
    let digest = head
        .lines()
        .find_map(|line| line.strip_prefix("docker-content-digest: "))
        .unwrap();
    let pinned = format!("localhost:5000/team/named@{digest}");
    assert!(daemon.ok(&["pull", &pinned]).contains(digest));
    assert!(digests("probe").contains(&pinned));
    // Who removes the tag removes all of it.
    daemon.ok(&["rmi", "localhost:5000/team/pushed:1"]);
    assert!(!digests("busybox").contains("team/pushed"));
}

#[test]
fn a_user_of_the_host_pulls_and_does_not_push() {
    let daemon = node();
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups curl --silent --output /dev/null --write-out %{http_code}";
    let url = "http://localhost:5000/v2/library/busybox";
    assert_eq!(ok(&daemon, &format!("{nobody} {url}/manifests/latest")), "200");
    assert_eq!(
        ok(&daemon, &format!("{nobody} --request POST {url}/blobs/uploads/")),
        "401"
    );
    let root = "curl --silent --output /dev/null --write-out %{http_code}";
    assert_eq!(
        ok(&daemon, &format!("{root} --request POST {url}/blobs/uploads/")),
        "202"
    );
}

#[test]
fn a_registry_for_everybody_is_not_opened_by_mistake() {
    let daemon = Daemon::prepare(testkit::daemon::Kind::Gantry);
    let (_, said) = daemon.gantry_fails(&["up", "--registry-bind", "0.0.0.0"]);
    assert!(said.contains("nobody could log in"), "{said}");
}
