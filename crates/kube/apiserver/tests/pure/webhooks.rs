//! Webhooks through the whole server: whom they are asked about, what they are told, what their answers do.

#[path = "webhooks/conformance.rs"]
mod conformance;

use std::sync::{Arc, Mutex};

use apiserver::Body;
use apiserver::outbound::{Outbound, OutboundError, Outgoing, Sending, Trust};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use serde_json::{Value, json};

use crate::door::{Door, Got};

/// What a server outside does with a review.
enum Does {
    Answers(u16, Value),
    Hangs,
    IsNotThere,
}

type Says = dyn Fn(&str, &Value) -> Does + Send + Sync;

/// Servers outside, told apart by the path.
struct Outside {
    says: Box<Says>,
    seen: Mutex<Vec<(Outgoing, Value)>>,
}

impl Outside {
    fn new(says: impl Fn(&str, &Value) -> Does + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            says: Box::new(says),
            seen: Mutex::default(),
        })
    }

    /// What was asked at each path, in order.
    fn asked(&self) -> Vec<(String, Value)> {
        let seen = self.seen.lock().unwrap();
        let of = |(outgoing, review): &(Outgoing, Value)| {
            (
                outgoing.request.uri().path().to_owned(),
                review["request"].clone(),
            )
        };
        seen.iter().map(of).collect()
    }

    fn last(&self) -> (Outgoing, Value) {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

impl Outbound for Outside {
    fn send(&self, outgoing: Outgoing) -> Sending {
        let review: Value = serde_json::from_slice(outgoing.request.body()).unwrap();
        let does = (self.says)(outgoing.request.uri().path(), &review);
        self.seen.lock().unwrap().push((outgoing, review));
        Box::pin(async move {
            match does {
                Does::Answers(code, answer) => {
                    let body = Body::full(answer.to_string());
                    Ok(Response::builder().status(code).body(body).unwrap())
                }
                Does::Hangs => std::future::pending().await,
                Does::IsNotThere => Err(OutboundError::Connect {
                    address: "10.0.0.9:443".to_owned(),
                    why: std::io::ErrorKind::ConnectionRefused.into(),
                }),
            }
        })
    }
}

/// An answer to a review, as v1 wants it.
fn answer(review: &Value, response: &Value) -> Does {
    let mut response = response.clone();
    response["uid"] = review["request"]["uid"].clone();
    Does::Answers(
        200,
        json!({"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response}),
    )
}

fn patch(review: &Value, operations: &Value) -> Does {
    let patch = STANDARD.encode(operations.to_string());
    answer(
        review,
        &json!({"allowed": true, "patch": patch, "patchType": "JSONPatch"}),
    )
}

fn hook(name: &str, path: &str, more: &Value) -> Value {
    let mut hook = json!({
        "name": format!("{name}.example.com"),
        "clientConfig": {"url": format!("https://hooks.example.com{path}"), "caBundle": "Q0E="},
        "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["configmaps"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    });
    for (member, value) in more.as_object().into_iter().flatten() {
        hook[member] = value.clone();
    }
    hook
}

fn configure(door: &Door, kind: &str, name: &str, hooks: &[Value]) {
    let body = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {"name": name}, "webhooks": hooks,
    });
    let path = format!("/apis/admissionregistration.k8s.io/v1/{}s", kind.to_lowercase());
    let made = door.send("POST", &path, &body.to_string());
    assert_eq!(made.code, 201, "{}", made.text);
}

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn make(door: &Door, query: &str, labels: &Value) -> Got {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "labels": labels}, "data": {"a": "1"}});
    door.send("POST", &format!("{MAPS}{query}"), &map.to_string())
}

#[test]
fn a_refusal_reaches_the_client_with_its_code_and_its_warnings() {
    let outside = Outside::new(|_, review| {
        answer(
            review,
            &json!({
                "allowed": false, "warnings": ["beware"],
                "status": {"code": 402, "reason": "PaymentRequired", "message": "nothing is free", "details": {"name": "m"}},
            }),
        )
    });
    let door = Door::asking(outside.clone());
    configure(&door, VALIDATING, "v", &[hook("deny", "/deny", &json!({}))]);
    let got = make(&door, "", &json!({}));
    assert_eq!(got.code, 402);
    assert_eq!(
        got.message(),
        r#"admission webhook "deny.example.com" denied the request: nothing is free"#
    );
    assert_eq!(
        (got.at("/reason"), got.at("/details/name")),
        ("PaymentRequired".into(), "m".into())
    );
    assert_eq!(got.warnings, [r#"299 - "beware""#]);
    let (outgoing, review) = outside.last();
    assert_eq!(
        outgoing.request.uri().to_string(),
        "https://hooks.example.com/deny?timeout=10s"
    );
    assert_eq!(outgoing.trust, Trust::Authorities("CA".into()));
    assert_eq!(
        (&review["kind"], &review["apiVersion"]),
        (&json!("AdmissionReview"), &json!("admission.k8s.io/v1"))
    );
    assert_eq!(door.send("GET", &format!("{MAPS}/m"), "").code, 404);
}

#[test]
fn a_webhook_is_told_what_is_done_by_whom_to_what() {
    let outside = Outside::new(|_, review| answer(review, &json!({"allowed": true})));
    let door = Door::asking(outside.clone());
    configure(&door, VALIDATING, "v", &[hook("see", "/see", &json!({}))]);
    assert_eq!(make(&door, "?fieldManager=me", &json!({})).code, 201);
    let patched = door.send_as(
        "PATCH",
        &format!("{MAPS}/m"),
        "application/merge-patch+json",
        r#"{"data":{"a":"2"}}"#,
    );
    assert_eq!(patched.code, 200, "{}", patched.text);
    let body = json!({"gracePeriodSeconds": 0, "propagationPolicy": "Foreground"}).to_string();
    assert_eq!(
        door.send("DELETE", &format!("{MAPS}/m?dryRun=All"), &body).code,
        200
    );
    let asked: Vec<Value> = outside.asked().into_iter().map(|(_, request)| request).collect();
    let map = json!({"group": "", "version": "v1", "kind": "ConfigMap"});
    let maps = json!({"group": "", "version": "v1", "resource": "configmaps"});
    for (request, operation) in asked.iter().zip(["CREATE", "UPDATE", "DELETE"]) {
        assert_eq!(request["operation"], operation);
        assert_eq!((&request["kind"], &request["requestKind"]), (&map, &map));
        assert_eq!(
            (&request["resource"], &request["requestResource"]),
            (&maps, &maps)
        );
        assert_eq!(
            (&request["name"], &request["namespace"]),
            (&json!("m"), &json!("default"))
        );
        assert_eq!(
            request["userInfo"],
            json!({"username": "admin", "groups": ["system:masters", "system:authenticated"]})
        );
    }
    assert_eq!(asked[0]["oldObject"], Value::Null);
    assert_eq!(
        asked[0]["options"],
        json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"})
    );
    assert_eq!(
        (&asked[0]["object"]["kind"], &asked[0]["object"]["data"]["a"]),
        (&json!("ConfigMap"), &json!("1"))
    );
    assert_eq!(
        (
            &asked[1]["object"]["data"]["a"],
            &asked[1]["oldObject"]["data"]["a"]
        ),
        (&json!("2"), &json!("1"))
    );
    assert_eq!(asked[1]["options"]["kind"], "UpdateOptions");
    assert_eq!(
        (&asked[2]["object"], &asked[2]["oldObject"]["data"]["a"]),
        (&Value::Null, &json!("2"))
    );
}

#[test]
fn webhooks_change_objects_one_after_the_other() {
    let outside = Outside::new(|path, review| {
        let at = |value: &str| json!([{"op": "add", "path": format!("/data/{value}"), "value": "yes"}]);
        match path {
            "/first" => patch(review, &at("first")),
            "/second" if review["request"]["object"]["data"]["first"] == "yes" => {
                patch(review, &at("second"))
            }
            _ => answer(review, &json!({"allowed": true})),
        }
    });
    let door = Door::asking(outside.clone());
    configure(&door, MUTATING, "b", &[hook("second", "/second", &json!({}))]);
    configure(&door, MUTATING, "a", &[hook("first", "/first", &json!({}))]);
    let got = make(&door, "", &json!({}));
    assert_eq!(got.code, 201, "{}", got.text);
    assert_eq!(
        got.at("/data"),
        json!({"a": "1", "first": "yes", "second": "yes"})
    );
    let paths: Vec<String> = outside.asked().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/first", "/second"]);
}

#[test]
fn who_asks_for_it_is_asked_again_when_a_later_one_has_changed_the_object() {
    let outside = Outside::new(|path, review| match path {
        "/later" => patch(
            review,
            &json!([{"op": "add", "path": "/data/later", "value": "yes"}]),
        ),
        _ => answer(review, &json!({"allowed": true})),
    });
    let door = Door::asking(outside.clone());
    configure(
        &door,
        MUTATING,
        "m",
        &[
            hook("again", "/again", &json!({"reinvocationPolicy": "IfNeeded"})),
            hook("once", "/once", &json!({})),
            hook("later", "/later", &json!({"reinvocationPolicy": "IfNeeded"})),
        ],
    );
    assert_eq!(make(&door, "", &json!({})).code, 201);
    let asked = outside.asked();
    let paths: Vec<&str> = asked.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/again", "/once", "/later", "/again"]);
    assert_eq!(asked[3].1["object"]["data"]["later"], "yes");
}

#[test]
fn failures_are_ignored_or_not_as_the_policy_says() {
    let door = Door::asking(Outside::new(|path, review| match path {
        "/gone" => Does::IsNotThere,
        "/hangs" => Does::Hangs,
        "/broken" => Does::Answers(500, json!("oops")),
        "/lies" => answer(review, &json!({"allowed": true, "patch": "W10="})),
        _ => Does::Answers(
            200,
            json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}),
        ),
    }));
    let cases = [
        (
            "/gone",
            r#"failed to call webhook: Post "https://hooks.example.com/gone?timeout=10s": dial tcp 10.0.0.9:443: connect: connection refused"#,
        ),
        (
            "/hangs",
            r#"failed to call webhook: Post "https://hooks.example.com/hangs?timeout=10s": context deadline exceeded"#,
        ),
        (
            "/broken",
            r#"failed to call webhook: an error on the server ("\"oops\"") has prevented the request from succeeding"#,
        ),
        (
            "/lies",
            "received invalid webhook response: validating webhook may not return response.patch",
        ),
        (
            "/empty",
            "received invalid webhook response: webhook response was absent",
        ),
    ];
    for (path, why) in cases {
        configure(&door, VALIDATING, "v", &[hook("w", path, &json!({}))]);
        let got = make(&door, "", &json!({}));
        let message = format!(r#"Internal error occurred: failed calling webhook "w.example.com": {why}"#);
        assert_eq!((got.code, got.message()), (500, message));
        let config = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/v";
        let open = r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#;
        let opened = door.send_as("PATCH", config, "application/json-patch+json", open);
        assert_eq!(opened.code, 200, "{}", opened.text);
        assert_eq!(make(&door, "?dryRun=All", &json!({})).code, 201, "{path}");
        assert_eq!(door.send("DELETE", config, "").code, 200);
    }
}

#[test]
fn a_webhook_with_side_effects_sees_no_dry_run() {
    let door = Door::asking(Outside::new(|_, review| {
        answer(review, &json!({"allowed": true}))
    }));
    configure(&door, VALIDATING, "v", &[hook("w", "/w", &json!({}))]);
    let patch = r#"[{"op":"replace","path":"/webhooks/0/sideEffects","value":"Some"}]"#;
    let config = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/v";
    // v1 takes no such webhook any more; one that was made with v1beta1 may still be there.
    assert_eq!(
        door.send_as("PATCH", config, "application/json-patch+json", patch)
            .code,
        422
    );
    assert_eq!(make(&door, "?dryRun=All", &json!({})).code, 201);
}

#[test]
fn selectors_choose_namespaces_and_objects() {
    let outside = Outside::new(|_, review| answer(review, &json!({"allowed": false})));
    let door = Door::asking(outside.clone());
    let selector = |key: &str, value: &str| json!({"matchLabels": {key: value}});
    configure(
        &door,
        VALIDATING,
        "v",
        &[
            hook(
                "elsewhere",
                "/ns",
                &json!({"namespaceSelector": selector("kubernetes.io/metadata.name", "kube-system")}),
            ),
            hook(
                "others",
                "/object",
                &json!({"objectSelector": selector("app", "x")}),
            ),
        ],
    );
    assert_eq!(make(&door, "?dryRun=All", &json!({})).code, 201);
    assert_eq!(make(&door, "?dryRun=All", &json!({"app": "x"})).code, 400);
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    let got = door.send(
        "POST",
        "/api/v1/namespaces/kube-system/configmaps",
        &body.to_string(),
    );
    assert_eq!(
        got.message(),
        r#"admission webhook "elsewhere.example.com" denied the request without explanation"#
    );
}

#[test]
fn a_rule_of_another_version_is_met_by_conversion_unless_it_wants_none() {
    let outside = Outside::new(|_, review| answer(review, &json!({"allowed": true})));
    let door = Door::asking(outside.clone());
    let rules = json!([{"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["horizontalpodautoscalers"]}]);
    configure(
        &door,
        VALIDATING,
        "v",
        &[
            hook("any", "/any", &json!({"rules": rules})),
            hook(
                "exact",
                "/exact",
                &json!({"rules": rules, "matchPolicy": "Exact"}),
            ),
        ],
    );
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]},
    });
    let got = door.send(
        "POST",
        "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
        &scaler.to_string(),
    );
    assert_eq!(got.code, 201, "{}", got.text);
    let asked = outside.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let (path, request) = &asked[0];
    assert_eq!(path, "/any");
    assert_eq!(
        (&request["kind"]["version"], &request["requestKind"]["version"]),
        (&json!("v1"), &json!("v2"))
    );
    assert_eq!(request["object"]["apiVersion"], "autoscaling/v1");
    assert_eq!(request["object"]["spec"]["targetCPUUtilizationPercentage"], 50);
}

#[test]
fn configurations_and_reviews_are_nobodys_to_refuse() {
    let outside = Outside::new(|_, review| answer(review, &json!({"allowed": false})));
    let door = Door::asking(outside.clone());
    let rules =
        json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]);
    configure(
        &door,
        VALIDATING,
        "v",
        &[hook("all", "/all", &json!({"rules": rules}))],
    );
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}});
    let got = door.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        &review.to_string(),
    );
    assert_eq!(got.code, 201, "{}", got.text);
    assert_eq!(make(&door, "", &json!({})).code, 400);
    let config = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/v";
    assert_eq!(door.send("DELETE", config, "").code, 200);
    assert_eq!(outside.asked().len(), 1);
}

#[test]
fn a_service_leads_to_one_of_its_ready_endpoints() {
    let outside = Outside::new(|_, review| answer(review, &json!({"allowed": true})));
    let door = Door::asking(outside.clone());
    let service = json!({"clientConfig": {"service": {"name": "s", "namespace": "hooks", "path": "/admit", "port": 8443}}});
    configure(&door, VALIDATING, "v", &[hook("w", "", &service)]);
    let failed = |why: &str| {
        format!(
            r#"Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post "https://s.hooks.svc:8443/admit?timeout=10s": {why}"#
        )
    };
    assert_eq!(
        make(&door, "", &json!({})).message(),
        failed(r#"service "s" not found"#)
    );
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hooks"}});
    assert_eq!(
        door.send("POST", "/api/v1/namespaces", &namespace.to_string())
            .code,
        201
    );
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"name": "https", "port": 8443, "targetPort": 9443}]}});
    assert_eq!(
        door.send("POST", "/api/v1/namespaces/hooks/services", &service.to_string())
            .code,
        201
    );
    assert_eq!(
        make(&door, "", &json!({})).message(),
        failed(r#"no endpoints available for service "s""#)
    );
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
        "endpoints": [
            {"addresses": ["10.1.0.8"], "conditions": {"ready": false}},
            {"addresses": ["10.1.0.7"], "conditions": {"ready": true}},
        ],
        "ports": [{"name": "https", "port": 9443}],
    });
    let made = door.send(
        "POST",
        "/apis/discovery.k8s.io/v1/namespaces/hooks/endpointslices",
        &slice.to_string(),
    );
    assert_eq!(made.code, 201, "{}", made.text);
    let got = make(&door, "", &json!({}));
    assert_eq!(got.code, 201, "{}", got.text);
    let (outgoing, _) = outside.last();
    assert_eq!(outgoing.address, Some("10.1.0.7:9443".parse().unwrap()));
    assert_eq!(outgoing.server_name.as_deref(), Some("s.hooks.svc"));
}
