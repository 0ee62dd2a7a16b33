//! `gantry apply`, `get` and `delete` on a node of their own.

use std::process::Stdio;

use super::{gantry, output, read_until, with_input};
use testkit::daemon::Daemon;

const MANIFEST: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: c, image: i}]}\n";

#[test]
fn what_is_applied_is_shown_and_deleted() {
    let daemon = Daemon::api();
    let applied = with_input(daemon.gantry(&["apply", "-f", "-"]), MANIFEST);
    let text = String::from_utf8(applied.stdout).unwrap();
    assert_eq!(
        text,
        "namespace/shop serverside-applied\ndeployment.apps/web serverside-applied\n",
        "{}",
        String::from_utf8_lossy(&applied.stderr)
    );
    let (code, table, _) = gantry(&daemon, &["get", "deploy", "-n", "shop"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "NAME   READY   UP-TO-DATE   AVAILABLE   AGE");
    assert!(lines[1].starts_with("web    0/1"), "{table}");
    let named = gantry(&daemon, &["get", "deployments.apps", "-A", "-o", "name"]);
    assert_eq!(named.1, "deployment.apps/web\n");
    let (_, json, _) = gantry(&daemon, &["get", "deploy/web", "-n", "shop", "-o", "json"]);
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (object["kind"].as_str(), object["spec"]["replicas"].as_i64()),
        (Some("Deployment"), Some(1))
    );
    let (_, yaml, _) = gantry(&daemon, &["get", "deploy", "web", "-n", "shop", "-o", "yaml"]);
    assert!(yaml.contains("kind: Deployment\n"), "{yaml}");
    let deleted = gantry(&daemon, &["delete", "deploy", "web", "-n", "shop"]);
    assert_eq!(
        deleted,
        (0, "deployment.apps \"web\" deleted\n".into(), String::new())
    );
    let none = gantry(&daemon, &["get", "deploy", "-n", "shop"]);
    assert_eq!(
        none,
        (0, String::new(), "No resources found in shop namespace.\n".into())
    );
}

#[test]
fn mistakes_get_a_sentence_and_an_exit_code() {
    let daemon = Daemon::api();
    for (words, code, says) in [
        (
            &["get", "nonsense"][..],
            1,
            "the server doesn't have a resource type \"nonsense\"",
        ),
        (&["get", "cm", "nope"], 1, "configmaps \"nope\" not found"),
        (&["get", "cm", "svc/x"], 2, "cannot be mixed"),
        (&["delete", "cm"], 2, "name the objects"),
        (&["delete", "cm", "nope"], 1, "configmaps \"nope\" not found"),
        (&["apply", "-f", "/no/such/file"], 1, "/no/such/file"),
        (&["apply"], 2, "--filename"),
    ] {
        let (got, _, stderr) = output(&mut daemon.gantry(words));
        assert!(got == code && stderr.contains(says), "{words:?}: {got} {stderr}");
    }
    let forgiven = gantry(&daemon, &["delete", "cm", "nope", "--ignore-not-found"]);
    assert_eq!(forgiven, (0, String::new(), String::new()));
    let wrong = with_input(
        daemon.gantry(&["apply", "-f", "-"]),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndta: {}\n",
    );
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains(".dta: field not declared in schema"),
        "{wrong:?}"
    );
}

fn map(name: &str, finalizers: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, finalizers: [{finalizers}]}}\n")
}

#[test]
fn what_changes_is_shown_as_it_changes() {
    let daemon = Daemon::api();
    for (words, first, then) in [
        (
            &["get", "cm", "-w", "-o", "name"][..],
            "configmap/kube-root-ca.crt\n",
            "configmap/one\n",
        ),
        (
            &["get", "cm", "-w"],
            "kube-root-ca.crt   1",
            "two                0",
        ),
    ] {
        let mut watch = daemon.gantry(words);
        let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
        let mut shown = watch.stdout.take().unwrap();
        read_until(&mut shown, first);
        applied(&daemon, &map(if words.len() > 3 { "one" } else { "two" }, ""));
        read_until(&mut shown, then);
        watch.kill().unwrap();
        watch.wait().unwrap();
    }
    let (code, _, stderr) = gantry(&daemon, &["get", "cm,svc", "-w"]);
    assert!(code == 2 && stderr.contains("only one resource"), "{stderr}");
}

fn applied(daemon: &Daemon, manifest: &str) {
    let applied = with_input(daemon.gantry(&["apply", "-f", "-"]), manifest);
    assert!(applied.status.success(), "{applied:?}");
}

#[test]
fn delete_waits_until_the_objects_are_gone() {
    let daemon = Daemon::api();
    applied(&daemon, &map("held", "example.com/hold"));
    let said = "configmap \"held\" deleted\n";
    let at_once = gantry(&daemon, &["delete", "cm", "held", "--wait=false"]);
    assert_eq!(at_once, (0, said.into(), String::new()));
    let (code, out, stderr) = gantry(&daemon, &["delete", "cm", "held", "--timeout", "50ms"]);
    assert_eq!((code, out.as_str()), (1, said));
    assert!(
        stderr.contains("timed out waiting for the condition on configmaps/held"),
        "{stderr}"
    );
    let mut waits = daemon.gantry(&["delete", "cm", "held"]);
    let mut waits = waits.stdout(Stdio::piped()).spawn().unwrap();
    read_until(waits.stdout.as_mut().unwrap(), said);
    assert!(waits.try_wait().unwrap().is_none(), "it is there still");
    applied(&daemon, &map("held", ""));
    assert_eq!(waits.wait().unwrap().code(), Some(0));
    assert_eq!(gantry(&daemon, &["get", "cm", "held"]).0, 1);
}
