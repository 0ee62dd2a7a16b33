//! Upstream's conformance tests `[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin]`
//! (`test/e2e/apimachinery/webhook.go`): the same steps, with the webhooks' server played by the test. Each is named as
//! there.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Does, MAPS, MUTATING, Outside, VALIDATING, answer, configure, hook, patch};
use crate::custom::{object, serve, widgets};
use crate::door::{Door, Got};

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
const MERGE: &str = "application/merge-patch+json";

/// Denies what holds unwanted data; adds `mutation-stage-1`, then `mutation-stage-2` where the first is there.
fn server() -> Arc<Outside> {
    Outside::new(|path, review| {
        let data = &review["request"]["object"]["data"];
        let add = |key: &str| {
            patch(
                review,
                &json!([{"op": "add", "path": format!("/data/{key}"), "value": "yes"}]),
            )
        };
        match path {
            "/always-deny" => denial(review, "this webhook denies all requests"),
            "/configmaps" if data["webhook-e2e-test"] == "webhook-disallow" => {
                denial(review, "the configmap contains unwanted key and value")
            }
            "/hangs" => Does::Hangs,
            "/mutating" if data["mutation-start"] == "yes" => add("mutation-stage-1"),
            "/mutating-2" if data["mutation-stage-1"] == "yes" => add("mutation-stage-2"),
            _ => answer(review, &json!({"allowed": true})),
        }
    })
}

fn denial(review: &Value, why: &str) -> Does {
    answer(
        review,
        &json!({"allowed": false, "status": {"message": why, "reason": why}}),
    )
}

fn rules(operations: &Value, group: &str, resources: &Value) -> Value {
    json!({"rules": [{"operations": operations, "apiGroups": [group], "apiVersions": ["*"], "resources": resources}]})
}

fn map(name: &str, data: &Value) -> String {
    json!({"metadata": {"name": name}, "data": data}).to_string()
}

fn plural(kind: &str) -> String {
    format!("{CONFIGURATIONS}/{}s", kind.to_lowercase())
}

fn data(got: &Got) -> Value {
    assert_eq!(got.code, 201, "{}", got.text);
    got.at("/data")
}

/// should include webhook resources in discovery documents [Conformance]
#[test]
fn should_include_webhook_resources_in_discovery_documents() {
    let door = Door::open();
    let groups = door.send("GET", "/apis", "").text;
    assert!(groups.contains("\"admissionregistration.k8s.io\""));
    assert_eq!(
        door.send("GET", "/apis/admissionregistration.k8s.io", "")
            .at("/versions/0/groupVersion"),
        "admissionregistration.k8s.io/v1"
    );
    let resources = door.send("GET", CONFIGURATIONS, "").text;
    for name in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        assert!(resources.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// should be able to deny pod and configmap creation [Conformance]
#[test]
fn should_be_able_to_deny_pod_and_configmap_creation() {
    let door = Door::asking(server());
    let pods = rules(&json!(["CREATE"]), "", &json!(["pods"]));
    let maps = rules(&json!(["CREATE", "UPDATE", "DELETE"]), "", &json!(["configmaps"]));
    configure(
        &door,
        VALIDATING,
        "v",
        &[
            hook("pods", "/always-deny", &pods),
            hook("maps", "/configmaps", &maps),
        ],
    );
    let pod = json!({"metadata": {"name": "disallowed-pod"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let got = door.send("POST", "/api/v1/namespaces/default/pods", &pod.to_string());
    let why = r#"admission webhook "pods.example.com" denied the request: this webhook denies all requests"#;
    assert_eq!((got.code, got.message().as_str()), (400, why));
    let unwanted = json!({"webhook-e2e-test": "webhook-disallow"});
    let why = r#"admission webhook "maps.example.com" denied the request: the configmap contains unwanted key and value"#;
    assert_eq!(
        door.send("POST", MAPS, &map("disallowed", &unwanted)).message(),
        why
    );
    data(&door.send("POST", MAPS, &map("allowed", &json!({"admit": "this"}))));
    for (method, kind) in [("PUT", "application/json"), ("PATCH", MERGE)] {
        let got = door.send_as(
            method,
            &format!("{MAPS}/allowed"),
            kind,
            &map("allowed", &unwanted),
        );
        assert_eq!(got.message(), why, "{method}");
    }
}

/// should be able to deny attaching pod [Conformance]
#[test]
fn should_be_able_to_deny_attaching_pod() {
    let door = Door::asking(server());
    let attach = rules(&json!(["CONNECT"]), "", &json!(["pods/attach"]));
    configure(&door, VALIDATING, "v", &[hook("attach", "/always-deny", &attach)]);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(
        door.send("POST", "/api/v1/namespaces/default/pods", &pod.to_string())
            .code,
        201
    );
    let got = door.send(
        "POST",
        "/api/v1/namespaces/default/pods/p/attach?container=c&stdin=true",
        "",
    );
    let why =
        r#"admission webhook "attach.example.com" denied the request: this webhook denies all requests"#;
    assert_eq!(got.message(), why, "{}", got.text);
}

/// should be able to deny custom resource creation, update and deletion [Conformance]
#[test]
fn should_be_able_to_deny_custom_resource_creation_update_and_deletion() {
    let outside = Outside::new(|_, review| {
        let disallowed = |object: &Value| object["spec"]["webhook-e2e-test"] == "webhook-disallow";
        let (new, old) = (&review["request"]["object"], &review["request"]["oldObject"]);
        let deleted = review["request"]["operation"] == "DELETE" && disallowed(old);
        match disallowed(new) || deleted {
            true => denial(review, "the custom resource contains unwanted data"),
            false => answer(review, &json!({"allowed": true})),
        }
    });
    let door = Door::asking(outside);
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    serve(&door, &widgets(&free, &json!({})));
    let widget = |name: &str, value: &str| {
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"webhook-e2e-test": value}}).to_string()
    };
    // One that was there before the webhook cannot be deleted, either.
    assert_eq!(
        door.send("POST", WIDGETS, &widget("old", "webhook-disallow"))
            .code,
        201
    );
    let all = rules(
        &json!(["CREATE", "UPDATE", "DELETE"]),
        "example.com",
        &json!(["widgets"]),
    );
    configure(&door, VALIDATING, "v", &[hook("cr", "/cr", &all)]);
    let why = r#"admission webhook "cr.example.com" denied the request: the custom resource contains unwanted data"#;
    assert_eq!(
        door.send("POST", WIDGETS, &widget("w", "webhook-disallow"))
            .message(),
        why
    );
    assert_eq!(door.send("POST", WIDGETS, &widget("w", "fine")).code, 201);
    let worse = door.send_as(
        "PATCH",
        &format!("{WIDGETS}/w"),
        MERGE,
        &widget("w", "webhook-disallow"),
    );
    assert_eq!(worse.message(), why);
    assert_eq!(door.send("DELETE", &format!("{WIDGETS}/old"), "").message(), why);
}

/// should unconditionally reject operations on fail closed webhook [Conformance]
#[test]
fn should_unconditionally_reject_operations_on_fail_closed_webhook() {
    let door = Door::asking(Outside::new(|_, _| Does::IsNotThere));
    let only = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}, "failurePolicy": "Fail"});
    configure(&door, VALIDATING, "v", &[hook("closed", "/configmaps", &only)]);
    let got = door.send("POST", MAPS, &map("m", &json!({})));
    assert_eq!((got.code, got.at("/reason")), (500, "InternalError".into()));
}

/// should mutate configmap [Conformance]
#[test]
fn should_mutate_configmap() {
    let door = Door::asking(server());
    let create = rules(&json!(["CREATE"]), "", &json!(["configmaps"]));
    let hooks = [
        hook("one", "/mutating", &create),
        hook("two", "/mutating-2", &create),
    ];
    configure(&door, MUTATING, "m", &hooks);
    assert_eq!(
        data(&door.send("POST", MAPS, &map("m", &json!({"mutation-start": "yes"})))),
        json!({"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"})
    );
}

/// should mutate pod and apply defaults after mutation [Conformance]
#[test]
fn should_mutate_pod_and_apply_defaults_after_mutation() {
    let outside = Outside::new(|_, review| {
        let init =
            json!({"name": "webhook-added-init-container", "image": "webhook-added-image", "resources": {}});
        patch(
            review,
            &json!([{"op": "add", "path": "/spec/initContainers", "value": [init]}]),
        )
    });
    let door = Door::asking(outside);
    let pods = rules(&json!(["CREATE"]), "", &json!(["pods"]));
    configure(&door, MUTATING, "m", &[hook("pods", "/pods", &pods)]);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let got = door.send("POST", "/api/v1/namespaces/default/pods", &pod.to_string());
    assert_eq!(got.code, 201, "{}", got.text);
    let added = got.at("/spec/initContainers/0");
    assert_eq!(added["name"], "webhook-added-init-container");
    assert_eq!(
        (
            &added["terminationMessagePolicy"],
            &added["terminationMessagePath"],
            &added["imagePullPolicy"]
        ),
        (&json!("File"), &json!("/dev/termination-log"), &json!("Always"))
    );
}

/// should not be able to mutate or prevent deletion of webhook configuration objects [Conformance]
#[test]
fn should_not_be_able_to_mutate_or_prevent_deletion_of_webhook_configuration_objects() {
    let outside = Outside::new(|path, review| match path {
        "/deny" => denial(review, "no"),
        _ => patch(
            review,
            &json!([{"op": "add", "path": "/metadata/labels", "value": {"mutated": "yes"}}]),
        ),
    });
    let door = Door::asking(outside.clone());
    let all = rules(
        &json!(["*"]),
        "admissionregistration.k8s.io",
        &json!(["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]),
    );
    configure(&door, VALIDATING, "deny", &[hook("deny", "/deny", &all)]);
    configure(&door, MUTATING, "mutate", &[hook("mutate", "/mutate", &all)]);
    for kind in [VALIDATING, MUTATING] {
        configure(&door, kind, "dummy", &[hook("dummy", "/dummy", &json!({}))]);
        let path = format!("{}/dummy", plural(kind));
        assert_eq!(door.send("GET", &path, "").at("/metadata/labels"), Value::Null);
        assert_eq!(door.send("DELETE", &path, "").code, 200);
    }
    assert!(outside.asked().is_empty());
}

/// should mutate custom resource [Conformance]
#[test]
fn should_mutate_custom_resource() {
    mutates_widgets(
        &json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        true,
    );
}

/// should mutate custom resource with pruning [Conformance]
#[test]
fn should_mutate_custom_resource_with_pruning() {
    let text = json!({"type": "string"});
    let known = json!({"type": "object", "properties": {"data": {"type": "object", "properties": {
        "mutation-start": text, "mutation-stage-1": text,
    }}}});
    mutates_widgets(&known, false);
}

/// Two webhooks change a custom resource; what the second adds stays if the schema knows it.
fn mutates_widgets(schema: &Value, keeps_second: bool) {
    let door = Door::asking(server());
    serve(&door, &widgets(schema, &json!({})));
    let create = rules(&json!(["CREATE", "UPDATE"]), "example.com", &json!(["widgets"]));
    let hooks = [
        hook("one", "/mutating", &create),
        hook("two", "/mutating-2", &create),
    ];
    configure(&door, MUTATING, "m", &hooks);
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "data": {"mutation-start": "yes"}});
    let mut expected = json!({"mutation-start": "yes", "mutation-stage-1": "yes"});
    if keeps_second {
        expected["mutation-stage-2"] = "yes".into();
    }
    assert_eq!(data(&door.send("POST", WIDGETS, &widget.to_string())), expected);
}

/// should mutate custom resource with different stored version [Conformance]
#[test]
fn should_mutate_custom_resource_with_different_stored_version() {
    let door = Door::asking(server());
    let free = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let versions = |stored: &str| -> Value {
        let version =
            |name: &str| json!({"name": name, "served": true, "storage": name == stored, "schema": free});
        json!([version("v1"), version("v2")])
    };
    serve(&door, &crate::custom::definition(&versions("v1")));
    let rules = json!({"rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["widgets"]}]});
    configure(&door, MUTATING, "m", &[hook("one", "/mutating", &rules)]);
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "data": {"mutation-start": "yes"}});
    let made = door.send("POST", WIDGETS, &widget.to_string());
    assert_eq!(data(&made)["mutation-stage-1"], "yes");
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    let stored = json!({"spec": {"versions": versions("v2")}});
    let changed = door.send_as("PATCH", definition, MERGE, &stored.to_string());
    assert_eq!(changed.code, 200, "{}", changed.text);
    door.settle();
    let again = json!({"data": {"mutation-start": "yes", "mutation-stage-1": null}});
    let patched = door.send_as("PATCH", &format!("{WIDGETS}/w"), MERGE, &again.to_string());
    assert_eq!(patched.code, 200, "{}", patched.text);
    assert_eq!(
        patched.at("/data/mutation-stage-1"),
        "yes",
        "the webhook is asked in the version that it names"
    );
}

/// should deny crd creation [Conformance]
#[test]
fn should_deny_crd_creation() {
    let door = Door::asking(server());
    let create = rules(
        &json!(["CREATE"]),
        "apiextensions.k8s.io",
        &json!(["customresourcedefinitions"]),
    );
    configure(&door, VALIDATING, "v", &[hook("crd", "/always-deny", &create)]);
    let definition = widgets(&object(&json!({})), &json!({}));
    let got = door.send(
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        &definition.to_string(),
    );
    let why = r#"admission webhook "crd.example.com" denied the request: this webhook denies all requests"#;
    assert_eq!((got.code, got.message().as_str()), (400, why));
}

/// should honor timeout [Conformance]
#[test]
fn should_honor_timeout() {
    let door = Door::asking(server());
    for (seconds, policy, code) in [(1, "Fail", 500), (1, "Ignore", 201)] {
        let slow = json!({"timeoutSeconds": seconds, "failurePolicy": policy});
        configure(&door, VALIDATING, "slow", &[hook("slow", "/hangs", &slow)]);
        let got = door.send("POST", MAPS, &map(&policy.to_lowercase(), &json!({})));
        assert_eq!(got.code, code, "{}", got.text);
        if code == 500 {
            assert!(
                got.message()
                    .ends_with("?timeout=1s\": context deadline exceeded"),
                "{}",
                got.message()
            );
        }
        assert_eq!(
            door.send("DELETE", &format!("{}/slow", plural(VALIDATING)), "")
                .code,
            200
        );
    }
    let unbounded = hook("slow", "/hangs", &json!({}));
    configure(&door, VALIDATING, "slow", &[unbounded]);
    let read = door.send("GET", &format!("{}/slow", plural(VALIDATING)), "");
    assert_eq!(read.at("/webhooks/0/timeoutSeconds"), 10, "the default of v1");
    let got = door.send("POST", MAPS, &map("m", &json!({})));
    assert!(
        got.message()
            .ends_with("?timeout=10s\": context deadline exceeded"),
        "{}",
        got.message()
    );
}

/// patching/updating a validating webhook should work [Conformance], patching/updating a mutating webhook should work
/// [Conformance]
#[test]
fn patching_updating_a_webhook_should_work() {
    let door = Door::asking(server());
    let disallowed = json!({"webhook-e2e-test": "webhook-disallow"});
    let started = json!({"mutation-start": "yes"});
    for (kind, path, body) in [
        (VALIDATING, "/configmaps", &disallowed),
        (MUTATING, "/mutating", &started),
    ] {
        let create = rules(&json!(["CREATE"]), "", &json!(["configmaps"]));
        configure(&door, kind, "w", &[hook("w", path, &create)]);
        let at = format!("{}/w", plural(kind));
        let acts = |name: &str| {
            let got = door.send("POST", &format!("{MAPS}?dryRun=All"), &map(name, body));
            got.code != 201 || got.at("/data/mutation-stage-1") == "yes"
        };
        assert!(acts("m"), "{kind}");
        let mut updated = door.send("GET", &at, "").json();
        updated["webhooks"][0]["rules"][0]["operations"] = json!(["UPDATE"]);
        assert_eq!(door.send("PUT", &at, &updated.to_string()).code, 200);
        assert!(!acts("m"), "{kind} of updates");
        let create = r#"[{"op":"replace","path":"/webhooks/0/rules/0/operations","value":["CREATE"]}]"#;
        assert_eq!(
            door.send_as("PATCH", &at, "application/json-patch+json", create)
                .code,
            200
        );
        assert!(acts("m"), "{kind} of creations");
        assert_eq!(door.send("DELETE", &at, "").code, 200);
    }
}

/// listing validating webhooks should work [Conformance], listing mutating webhooks should work [Conformance]
#[test]
fn listing_webhooks_should_work() {
    let door = Door::asking(server());
    for (kind, path) in [(VALIDATING, "/always-deny"), (MUTATING, "/mutating")] {
        for at in 0..10 {
            let body = json!({
                "metadata": {"name": format!("w{at}"), "labels": {"e2e": "list"}},
                "webhooks": [hook(&format!("w{at}"), path, &json!({}))],
            });
            assert_eq!(door.send("POST", &plural(kind), &body.to_string()).code, 201);
        }
        let listed = door.send("GET", &format!("{}?labelSelector=e2e%3Dlist", plural(kind)), "");
        assert_eq!(listed.at("/items").as_array().unwrap().len(), 10);
        let create = || {
            door.send(
                "POST",
                &format!("{MAPS}?dryRun=All"),
                &map("m", &json!({"mutation-start": "yes"})),
            )
        };
        let got = create();
        assert!(
            got.code == 400 || got.at("/data/mutation-stage-1") == "yes",
            "{}",
            got.text
        );
        let deleted = door.send(
            "DELETE",
            &format!("{}?labelSelector=e2e%3Dlist", plural(kind)),
            "",
        );
        assert_eq!(deleted.code, 200, "{}", deleted.text);
        assert_eq!(data(&create()), json!({"mutation-start": "yes"}));
    }
}

/// should be able to create and update validating webhook configurations with match conditions [Conformance], and mutating
/// ones
#[test]
fn should_be_able_to_create_and_update_webhook_configurations_with_match_conditions() {
    let door = Door::open();
    for kind in [VALIDATING, MUTATING] {
        let conditions =
            json!([{"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}]);
        configure(
            &door,
            kind,
            "w",
            &[hook("w", "/w", &json!({"matchConditions": conditions}))],
        );
        let at = format!("{}/w", plural(kind));
        let mut read = door.send("GET", &at, "").json();
        assert_eq!(read["webhooks"][0]["matchConditions"], conditions);
        let updated = json!([
            {"name": "expression-1", "expression": "object.metadata.namespace == 'staging'"},
            {"name": "expression-2", "expression": "object.metadata.namespace == 'develop'"},
        ]);
        read["webhooks"][0]["matchConditions"] = updated.clone();
        assert_eq!(door.send("PUT", &at, &read.to_string()).code, 200);
        assert_eq!(
            door.send("GET", &at, "").at("/webhooks/0/matchConditions"),
            updated
        );
    }
}

/// should reject validating webhook configurations with invalid match conditions [Conformance], and mutating ones
#[test]
fn should_reject_webhook_configurations_with_invalid_match_conditions() {
    let door = Door::open();
    for kind in [VALIDATING, MUTATING] {
        let conditions = json!([{"name": "invalid-expression-1", "expression": "... [] bad expression"}]);
        let body = json!({"metadata": {"name": "w"}, "webhooks": [hook("w", "/w", &json!({"matchConditions": conditions}))]});
        let got = door.send("POST", &plural(kind), &body.to_string());
        assert_eq!(got.code, 422, "{}", got.text);
        assert!(got.message().contains("compilation failed"), "{}", got.message());
        assert_eq!(
            got.at("/details/causes/0/field"),
            "webhooks[0].matchConditions[0].expression"
        );
    }
}

/// should mutate everything except 'skip-me' configmaps [Conformance]
#[test]
fn should_mutate_everything_except_skip_me_configmaps() {
    let door = Door::asking(server());
    let mut create = rules(&json!(["CREATE"]), "", &json!(["configmaps"]));
    create["matchConditions"] =
        json!([{"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}]);
    configure(&door, MUTATING, "m", &[hook("m", "/mutating", &create)]);
    let started = json!({"mutation-start": "yes"});
    assert_eq!(data(&door.send("POST", MAPS, &map("skip-me", &started))), started);
    assert_eq!(
        data(&door.send("POST", MAPS, &map("mutate", &started))),
        json!({"mutation-start": "yes", "mutation-stage-1": "yes"})
    );
}

/// Conditions see no namespace, those that fail decide by the failure policy, and one that is false settles the matter.
#[test]
fn conditions_that_cannot_be_judged() {
    let door = Door::asking(server());
    let fails = json!({"name": "fails", "expression": "object.data.none == 'x'"});
    let cases = [
        (
            json!([{"name": "n", "expression": "namespaceObject == null"}]),
            "Fail",
            400,
        ),
        (json!([fails]), "Fail", 403),
        (json!([fails]), "Ignore", 201),
        (json!([fails, {"name": "f", "expression": "false"}]), "Fail", 201),
    ];
    for (conditions, policy, code) in cases {
        let more = json!({"matchConditions": conditions, "failurePolicy": policy});
        configure(&door, VALIDATING, "v", &[hook("v", "/always-deny", &more)]);
        let got = door.send(
            "POST",
            &format!("{MAPS}?dryRun=All"),
            &map("m", &json!({"a": "b"})),
        );
        assert_eq!(got.code, code, "{conditions} {policy}: {}", got.text);
        assert_eq!(
            door.send("DELETE", &format!("{}/v", plural(VALIDATING)), "").code,
            200
        );
    }
}
