//! ResourceQuotas: what is charged, and what does not fit. The controller that fills in a new quota's status is played by
//! the test.

use serde_json::{Value, json};

use super::{PODS, asking, make, pod, refused};
use crate::door::Door;

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SERVICES: &str = "/api/v1/namespaces/default/services";

/// A server with one quota of which nothing is used.
fn limited(spec: &Value) -> Door {
    let door = Door::open();
    let mut quota = make(&door, QUOTAS, &json!({"metadata": {"name": "q"}, "spec": spec})).json();
    let hard = spec["hard"].as_object().unwrap();
    let used: serde_json::Map<String, Value> = hard.keys().map(|name| (name.clone(), "0".into())).collect();
    quota["status"] = json!({"hard": hard, "used": used});
    let put = door.send("PUT", &format!("{QUOTAS}/q/status"), &quota.to_string());
    assert_eq!(put.code, 200, "{put:?}");
    door
}

fn used(door: &Door) -> Value {
    door.send("GET", &format!("{QUOTAS}/q"), "").at("/status/used")
}

#[test]
fn pods_are_charged_for_what_they_ask() {
    let door = limited(
        &json!({"hard": {"pods": "2", "requests.cpu": "1", "limits.memory": "2Gi", "count/pods": "9"}}),
    );
    let resources = json!({"requests": {"cpu": "600m"}, "limits": {"memory": "1Gi"}});
    make(&door, PODS, &asking("a", &resources));
    let after = json!({"pods": "1", "requests.cpu": "600m", "limits.memory": "1Gi", "count/pods": "1"});
    assert_eq!(used(&door), after);
    refused(
        &door,
        PODS,
        &asking("b", &resources),
        403,
        r#"pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"#,
    );
    refused(
        &door,
        PODS,
        &pod("b", json!({})),
        403,
        r#"pods "b" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c"#,
    );
    assert_eq!(used(&door), after);
    let more = json!({"requests": {"cpu": "400m"}, "limits": {"memory": "512Mi"}});
    make(&door, PODS, &asking("c", &more));
    let full = json!({"pods": "2", "requests.cpu": "1", "limits.memory": "1536Mi", "count/pods": "2"});
    assert_eq!(used(&door), full);
}

#[test]
fn a_dry_run_is_judged_and_not_charged() {
    let door = limited(&json!({"hard": {"count/configmaps": "1"}}));
    let path = format!("{MAPS}?dryRun=All");
    make(&door, &path, &json!({"metadata": {"name": "m"}}));
    assert_eq!(used(&door), json!({"count/configmaps": "0"}));
    make(&door, MAPS, &json!({"metadata": {"name": "m"}}));
    refused(
        &door,
        &path,
        &json!({"metadata": {"name": "n"}}),
        403,
        r#"configmaps "n" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"#,
    );
}

#[test]
fn a_service_is_charged_again_when_its_type_changes() {
    let door = limited(&json!({"hard": {"services": "5", "services.nodeports": "1"}}));
    let spec =
        |kind: &str| json!({"type": kind, "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]});
    make(
        &door,
        SERVICES,
        &json!({"metadata": {"name": "s"}, "spec": spec("ClusterIP")}),
    );
    let patch = json!({"spec": {"type": "NodePort"}}).to_string();
    let got = door.send_as(
        "PATCH",
        &format!("{SERVICES}/s"),
        "application/merge-patch+json",
        &patch,
    );
    assert_eq!(
        (got.code, got.message().as_str()),
        (
            403,
            r#"services "s" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"#
        )
    );
    assert_eq!(used(&door), json!({"services": "1", "services.nodeports": "0"}));
}

#[test]
fn a_scope_leaves_others_alone() {
    let door = limited(&json!({"hard": {"pods": "1"}, "scopes": ["BestEffort"]}));
    make(&door, PODS, &asking("asks", &json!({"requests": {"cpu": "1"}})));
    assert_eq!(used(&door), json!({"pods": "0"}));
    make(&door, PODS, &pod("idle", json!({})));
    refused(
        &door,
        PODS,
        &pod("more", json!({})),
        403,
        r#"pods "more" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#,
    );
}

#[test]
fn a_quota_that_nobody_has_counted_lets_nothing_pass() {
    let door = Door::open();
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}});
    let mut quota = make(&door, QUOTAS, &quota).json();
    quota["status"] = json!({"hard": {"pods": "1"}});
    door.send("PUT", &format!("{QUOTAS}/q/status"), &quota.to_string());
    refused(
        &door,
        PODS,
        &pod("p", json!({})),
        403,
        r#"pods "p" is forbidden: status unknown for quota: q, resources: pods"#,
    );
}
