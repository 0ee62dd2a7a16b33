//! `gantry apply`, `get` and `delete` on a node of their own.

use super::{gantry, output, with_input};
use testkit::daemon::{Daemon, Kind};

const MANIFEST: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: c, image: i}]}\n";

#[test]
fn what_is_applied_is_shown_and_deleted() {
    let daemon = Daemon::start(Kind::Gantry);
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
    let daemon = Daemon::start(Kind::Gantry);
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
