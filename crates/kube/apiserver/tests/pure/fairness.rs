//! Priority and fairness: which schema a request is told, and what the server does to the objects.

use http::Request;
use serde_json::{Value, json};

use crate::door::Door;

const GROUP: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

fn uid(door: &Door, plural: &str, name: &str) -> String {
    let got = door.send("GET", &format!("{GROUP}/{plural}/{name}"), "");
    assert_eq!(got.code, 200, "{}", got.text);
    got.at("/metadata/uid").as_str().unwrap().to_owned()
}

fn dangling(door: &Door, name: &str) -> Value {
    let got = door.send("GET", &format!("{GROUP}/flowschemas/{name}"), "");
    got.at("/status/conditions/0")
}

#[test]
fn answers_say_which_schema_and_level_a_request_was() {
    let door = Door::open();
    let as_user = |user: &str, group: &str| {
        Request::get("/api/v1/namespaces/default/pods")
            .header("impersonate-user", user)
            .header("impersonate-group", group)
    };
    let cases = [
        (Request::get("/api/v1/nodes"), "exempt", "exempt", 200),
        (
            as_user("somebody", "people"),
            "global-default",
            "global-default",
            403,
        ),
        (
            as_user("system:node:n", "system:nodes"),
            "system-nodes",
            "system",
            403,
        ),
        (
            as_user("system:serviceaccount:a:b", "system:serviceaccounts"),
            "service-accounts",
            "workload-low",
            403,
        ),
    ];
    for (request, schema, level, code) in cases {
        let got = door.request(request, "");
        assert_eq!(got.code, code, "{schema}: {}", got.text);
        let header = |name: &str| got.headers[name].to_str().unwrap().to_owned();
        assert_eq!(
            header("x-kubernetes-pf-flowschema-uid"),
            uid(&door, "flowschemas", schema)
        );
        let level = uid(&door, "prioritylevelconfigurations", level);
        assert_eq!(header("x-kubernetes-pf-prioritylevel-uid"), level);
    }
}

#[test]
fn a_new_schema_is_judged_and_then_matched() {
    let door = Door::open();
    assert_eq!(dangling(&door, "global-default")["status"], "False");
    let schema = json!({
        "metadata": {"name": "readers"},
        "spec": {
            "matchingPrecedence": 50,
            "priorityLevelConfiguration": {"name": "reading"},
            "rules": [{
                "subjects": [{"kind": "User", "user": {"name": "reader"}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/version"]}],
            }],
        },
    });
    let made = door.send("POST", &format!("{GROUP}/flowschemas"), &schema.to_string());
    assert_eq!(made.code, 201, "{}", made.text);
    door.settle();
    let condition = dangling(&door, "readers");
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("True"), &json!("NotFound"))
    );

    let level = json!({
        "metadata": {"name": "reading"},
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}},
    });
    let made = door.send(
        "POST",
        &format!("{GROUP}/prioritylevelconfigurations"),
        &level.to_string(),
    );
    assert_eq!(made.code, 201, "{}", made.text);
    door.settle();
    let condition = dangling(&door, "readers");
    assert_eq!(condition["status"], "False");
    assert_eq!(
        condition["message"],
        "This FlowSchema references the PriorityLevelConfiguration object named \"reading\" and it exists"
    );
    let got = door.request(Request::get("/version").header("impersonate-user", "reader"), "");
    let told = got.headers["x-kubernetes-pf-flowschema-uid"].to_str().unwrap();
    assert_eq!(told, uid(&door, "flowschemas", "readers"));
}

#[test]
fn mandatory_objects_come_back() {
    let door = Door::open();
    for (plural, name) in [
        ("flowschemas", "catch-all"),
        ("prioritylevelconfigurations", "exempt"),
    ] {
        let before = uid(&door, plural, name);
        let gone = door.send("DELETE", &format!("{GROUP}/{plural}/{name}"), "");
        assert_eq!(gone.code, 200, "{}", gone.text);
        door.settle();
        assert_ne!(uid(&door, plural, name), before);
    }
}

#[test]
fn levels_and_queues_are_dumped() {
    let door = Door::open();
    let dump = |what: &str| {
        door.send(
            "GET",
            &format!("/debug/api_priority_and_fairness/dump_{what}"),
            "",
        )
        .text
    };
    let levels = dump("priority_levels");
    assert!(
        levels.starts_with("PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, "),
        "{levels}"
    );
    assert_eq!(levels.lines().count(), 9, "{levels}");
    assert!(dump("queues").starts_with("PriorityLevelName, Index, "));
    assert!(dump("requests").starts_with("PriorityLevelName, FlowSchemaName, QueueIndex, "));
    assert_eq!(
        door.send("GET", "/debug/api_priority_and_fairness/dump_nothing", "")
            .code,
        404
    );
}
