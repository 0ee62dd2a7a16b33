//! The real kubectl against the API server: tables of transcripts.
//!
//! A step is a command line and what its output must hold. kubectl is the one of PATH; a machine without it
//! fails the suite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's helpers fail the test by panicking"
)]

use std::io::Write;
use std::process::{Command, Stdio};

use testkit::daemon::{Daemon, Kind};

/// What a step must show.
enum Says {
    /// It succeeds, and standard output is this.
    Out(&'static str),
    /// It succeeds, and standard output holds this.
    Has(&'static str),
    /// It fails, and standard error holds this.
    Fails(&'static str),
}
use Says::{Fails, Has, Out};

/// Words, standard input, outcome.
type Step = (&'static str, &'static str, Says);

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {k: v}\n";
const CHANGED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {k: w}\n";

/// Life of objects, verb by verb.
const VERBS: &[Step] = &[
    (
        "get namespaces -o name",
        "",
        Out("namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n"),
    ),
    (
        "create configmap a --from-literal=x=y",
        "",
        Out("configmap/a created\n"),
    ),
    (
        "create configmap a --from-literal=x=y",
        "",
        Fails("error: failed to create configmap: configmaps \"a\" already exists"),
    ),
    ("get configmap a -o jsonpath={.data.x}", "", Out("y")),
    (
        "get configmap a --no-headers -o custom-columns=N:.metadata.name",
        "",
        Out("a\n"),
    ),
    (
        "get configmap nope",
        "",
        Fails("Error from server (NotFound): configmaps \"nope\" not found"),
    ),
    (
        "get nopes",
        "",
        Fails("error: the server doesn't have a resource type \"nopes\""),
    ),
    (
        "apply --server-side -f -",
        CONFIG_MAP,
        Out("configmap/b serverside-applied\n"),
    ),
    (
        "apply --server-side --field-manager=other -f -",
        CHANGED,
        Fails("Apply failed with 1 conflict: conflict with \"kubectl\": .data.k"),
    ),
    (
        "apply --server-side --field-manager=other --force-conflicts -f -",
        CHANGED,
        Out("configmap/b serverside-applied\n"),
    ),
    ("get configmap b -o jsonpath={.data.k}", "", Out("w")),
    ("label configmap b tier=web", "", Out("configmap/b labeled\n")),
    ("annotate configmap b note=hi", "", Out("configmap/b annotated\n")),
    ("get configmap -l tier=web -o name", "", Out("configmap/b\n")),
    (
        "get configmap -l tier!=web --field-selector metadata.name=a -o name",
        "",
        Out("configmap/a\n"),
    ),
    (
        "patch configmap b --type=merge -p {\"data\":{\"k\":null,\"m\":\"1\"}}",
        "",
        Out("configmap/b patched\n"),
    ),
    (
        "patch configmap b --type=json -p [{\"op\":\"test\",\"path\":\"/data/m\",\"value\":\"1\"},{\"op\":\"add\",\"path\":\"/data/n\",\"value\":\"2\"}]",
        "",
        Out("configmap/b patched\n"),
    ),
    (
        "get configmap b -o jsonpath={.data}",
        "",
        Out("{\"m\":\"1\",\"n\":\"2\"}"),
    ),
    (
        "create deployment web --image=example",
        "",
        Out("deployment.apps/web created\n"),
    ),
    (
        "scale deployment web --replicas=3",
        "",
        Out("deployment.apps/web scaled\n"),
    ),
    ("get deployment web -o jsonpath={.spec.replicas}", "", Out("3")),
    (
        "create namespace shop --dry-run=server",
        "",
        Out("namespace/shop created (server dry run)\n"),
    ),
    ("get namespace shop", "", Fails("(NotFound)")),
    (
        "create configmap c -n nowhere",
        "",
        Fails("namespaces \"nowhere\" not found"),
    ),
    (
        "get pods --as=somebody",
        "",
        Fails(
            "pods is forbidden: User \"somebody\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
        ),
    ),
    ("get services", "", Has("kubernetes   ClusterIP   10.43.0.1")),
    ("get --raw /readyz", "", Out("ok")),
    ("delete configmap a b", "", Has("configmap \"a\" deleted")),
    ("get configmap b", "", Fails("(NotFound)")),
    (
        "delete deployment --all",
        "",
        Has("deployment.apps \"web\" deleted"),
    ),
];

fn kubectl(daemon: &Daemon, words: &str) -> Command {
    let mut command = daemon.namespace.command("timeout 60 kubectl");
    let kubeconfig = daemon.directory.join("data/kubeconfig");
    command
        .args(words.split(' '))
        .env("KUBECONFIG", kubeconfig)
        .env("HOME", &daemon.directory);
    command
}

fn check(daemon: &Daemon, (words, input, says): &Step) -> Result<(), String> {
    let mut command = kubectl(daemon, words);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl runs");
    // A client that fails before it reads has ended its side.
    let _ = child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().expect("kubectl ends");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let good = match says {
        Out(text) => output.status.success() && out == *text,
        Has(text) => output.status.success() && out.contains(text),
        Fails(text) => !output.status.success() && err.contains(text),
    };
    good.then_some(())
        .ok_or_else(|| format!("kubectl {words}: {}\n{out}{err}", output.status))
}

#[test]
fn verbs_do_what_they_say() {
    let daemon = Daemon::start(Kind::Gantry);
    let failures: Vec<String> = VERBS
        .iter()
        .filter_map(|step| check(&daemon, step).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_resource_is_listed() {
    let daemon = Daemon::start(Kind::Gantry);
    let output = kubectl(&daemon, "api-resources --verbs=list -o name")
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.lines().count() > 50, "{listed}");
    let all = listed.lines().collect::<Vec<_>>().join(",");
    let output = kubectl(&daemon, &format!("get {all} -A")).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What was acknowledged is there after the daemon was killed, and the certificates are the same.
#[test]
fn a_killed_daemon_loses_no_acknowledged_write() {
    let daemon = Daemon::gantry_with(&["--api-port", "6443"]);
    let pid = || {
        std::fs::read_to_string(daemon.run_dir().join("gantry.pid"))
            .unwrap()
            .trim()
            .to_owned()
    };
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let name = format!("kept-{round}-{number}");
            if kubectl(&daemon, &format!("create configmap {name}"))
                .output()
                .unwrap()
                .status
                .success()
            {
                acknowledged.push(name);
            }
        }
        let victim = pid();
        assert!(
            Command::new("kill")
                .args(["-9", &victim])
                .status()
                .unwrap()
                .success()
        );
        daemon.gantry_ok(&["up", "-d"]);
        assert_ne!(pid(), victim);
    }
    let output = kubectl(&daemon, "get configmaps -o jsonpath={.items[*].metadata.name}")
        .output()
        .unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let found: Vec<&str> = found.split_whitespace().collect();
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|name| !found.contains(&name.as_str()))
        .collect();
    assert_eq!(acknowledged.len(), 15);
    assert!(lost.is_empty(), "{lost:?}");
}
