//! APIServices: other servers behind this one's door.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apiserver::outbound::{Credentials, Outgoing, Trust};
use http::{Request, Response};
use serde_json::{Value, json};

use crate::custom::{serve, wait, widgets};
use crate::door::{Door, Got};
use crate::outside::{Does, Outside};

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const OWN: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.example.com";
const ROOT: &str = "/apis/metrics.example.com/v1beta1";
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// A server of metrics. `modern`: it has one document of discovery for everything.
fn metrics(modern: bool, there: Arc<AtomicBool>) -> Arc<Outside> {
    Outside::new(move |outgoing, _| {
        if !there.load(Ordering::Relaxed) {
            return Does::IsNotThere;
        }
        let resource = json!({"name": "loads", "singularName": "load", "namespaced": true, "kind": "Load", "verbs": ["get", "list"]});
        match outgoing.request.uri().path() {
            "/apis" if modern => Does::Responds(modern_discovery()),
            ROOT => Does::Answers(
                200,
                json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.example.com/v1beta1", "resources": [resource]}),
            ),
            "/openapi/v3" => Does::Answers(
                200,
                json!({"paths": {"apis/metrics.example.com/v1beta1": {"serverRelativeURL": "/openapi/v3/apis/metrics.example.com/v1beta1?hash=AB"}}}),
            ),
            "/apis/metrics.example.com/v1beta1/namespaces/default/loads/teapot" => {
                Does::Answers(418, json!({"kind": "Status", "code": 418}))
            }
            path => Does::Answers(200, json!({"asked": path})),
        }
    })
}

fn modern_discovery() -> Response<String> {
    let document = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "items": [{"metadata": {"name": "metrics.example.com"}, "versions": [
            {"version": "v1beta1", "resources": [{"resource": "loads", "scope": "Namespaced", "verbs": ["get"]}]},
        ]}],
    });
    Response::builder()
        .header(
            "content-type",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        )
        .body(document.to_string())
        .unwrap()
}

fn apiservice(more: &Value) -> String {
    let mut spec = json!({
        "group": "metrics.example.com", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
        "service": {"namespace": "default", "name": "metrics"}, "insecureSkipTLSVerify": true,
    });
    for (member, value) in more.as_object().unwrap() {
        spec[member] = value.clone();
    }
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.example.com"}, "spec": spec,
    })
    .to_string()
}

fn post(door: &Door, path: &str, body: &str) {
    let made = door.send("POST", path, body);
    assert_eq!(made.code, 201, "{made:?}");
}

fn service(door: &Door) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "metrics"},
        "spec": {"ports": [{"name": "https", "port": 443}]},
    });
    post(door, "/api/v1/namespaces/default/services", &service.to_string());
}

fn endpoints(door: &Door) {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "metrics-1", "labels": {"kubernetes.io/service-name": "metrics"}},
        "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"name": "https", "port": 4443}],
    });
    post(
        door,
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        &slice.to_string(),
    );
}

fn available(got: &Got) -> (Value, Value, Value) {
    let of = |member: &str| got.at(&format!("/status/conditions/0/{member}"));
    (of("status"), of("reason"), of("message"))
}

/// A door behind which the metrics are there.
fn with_metrics(outside: Arc<Outside>) -> Door {
    let door = Door::asking(outside);
    service(&door);
    endpoints(&door);
    post(&door, SERVICES, &apiservice(&json!({})));
    wait(&door, OWN, |got| available(got).1 == "Passed");
    door.settle();
    door
}

fn there() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

#[test]
fn a_request_is_sent_on_in_the_name_of_who_asks() {
    let outside = metrics(true, there());
    let door = with_metrics(outside.clone());
    outside.asked();
    let path = format!("{ROOT}/namespaces/default/loads?limit=1&labelSelector=a%3Db");
    let request = Request::post(&path)
        .header("content-type", "application/x")
        .header("authorization", "Bearer secret")
        .header("x-remote-user", "somebody-else")
        .header("connection", "x-mine")
        .header("x-mine", "1")
        .header("accept", "application/y");
    let got = door.request(request, "the body");
    assert_eq!(
        (got.code, got.at("/asked")),
        (200, format!("{ROOT}/namespaces/default/loads").into())
    );
    let asked = outside.asked();
    assert_eq!(asked.len(), 1);
    let sent: &Outgoing = &asked[0].0;
    assert_eq!(
        sent.request.uri().to_string(),
        format!("https://metrics.default.svc:443{path}")
    );
    assert_eq!(sent.request.body(), "the body");
    assert_eq!(sent.address.unwrap().to_string(), "10.1.2.3:4443");
    assert_eq!(
        (sent.server_name.as_deref(), &sent.trust, sent.credentials),
        (
            Some("metrics.default.svc"),
            &Trust::Anyone,
            Credentials::FrontProxy
        )
    );
    let all = |name: &str| -> Vec<&str> {
        let values = sent.request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(all("x-remote-user"), ["admin"]);
    assert_eq!(all("x-remote-group"), ["system:masters", "system:authenticated"]);
    assert_eq!(
        (all("content-type"), all("accept")),
        (vec!["application/x"], vec!["application/y"])
    );
    assert_eq!(
        all("authorization").len() + all("x-mine").len() + all("connection").len(),
        0
    );
    assert_eq!(
        all("x-forwarded-uri"),
        [format!("{ROOT}/namespaces/default/loads").as_str()]
    );
    let refused = door.send("GET", &format!("{ROOT}/namespaces/default/loads/teapot"), "");
    assert_eq!((refused.code, refused.at("/code")), (418, json!(418)));
}

#[test]
fn rights_are_judged_before_a_request_is_sent_on() {
    let outside = metrics(true, there());
    let door = with_metrics(outside.clone());
    outside.asked();
    let got = door.anonymous(Request::get(format!("{ROOT}/namespaces/default/loads")), "");
    assert_eq!(got.code, 403, "{got:?}");
    assert_eq!(outside.asked().len(), 0);
}

#[test]
fn a_server_that_cannot_be_reached_is_unavailable() {
    let there = there();
    let outside = metrics(true, there.clone());
    let door = with_metrics(outside);
    there.store(false, Ordering::Relaxed);
    let path = format!("{ROOT}/namespaces/default/loads");
    let got = door.send("GET", &path, "");
    assert_eq!(
        (got.code, got.text.as_str()),
        (
            503,
            "error trying to reach service: dial tcp 10.0.0.9:443: connect: connection refused\n"
        )
    );
    // Whatever makes the server look again lets it see that the other is gone.
    let label = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    assert_eq!(
        door.send_as("PATCH", OWN, "application/merge-patch+json", label)
            .code,
        200
    );
    let got = wait(&door, OWN, |got| available(got).1 == "FailedDiscoveryCheck");
    let url = format!("https://10.1.2.3:4443{ROOT}");
    assert_eq!(
        available(&got).2,
        format!(
            "failing or missing response from {url}: Get \"{url}\": dial tcp 10.0.0.9:443: connect: connection refused"
        )
    );
    door.settle();
    let got = door.send("GET", &path, "");
    assert_eq!((got.code, got.text.as_str()), (503, "service unavailable\n"));
    let request = Request::get("/apis").header("accept", AGGREGATED);
    let document = door.request(request, "").json();
    let items = document["items"].as_array().unwrap();
    assert_eq!(items.last().unwrap()["versions"][0]["freshness"], "Stale");
}

#[test]
fn the_condition_says_what_is_missing() {
    let door = Door::asking(metrics(true, there()));
    post(&door, SERVICES, &apiservice(&json!({})));
    let of = |reason: &str| {
        let got = wait(&door, OWN, |got| available(got).1 == reason);
        available(&got).2
    };
    assert_eq!(
        of("ServiceNotFound"),
        r#"service/metrics in "default" is not present"#
    );
    service(&door);
    assert_eq!(
        of("EndpointsNotFound"),
        r#"cannot find endpointslices for service/metrics in "default""#
    );
    endpoints(&door);
    assert_eq!(of("Passed"), "all checks passed");
    let port = r#"{"spec":{"service":{"port":8443}}}"#;
    assert_eq!(
        door.send_as("PATCH", OWN, "application/merge-patch+json", port)
            .code,
        200
    );
    assert_eq!(
        of("ServicePortError"),
        r#"service/metrics in "default" is not listening on port 8443"#
    );
    let local = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.local.example.com"},
        "spec": {"group": "local.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100},
    });
    let made = door.send("POST", SERVICES, &local.to_string());
    assert_eq!(
        available(&made),
        (
            "True".into(),
            "Local".into(),
            "Local APIServices are always available".into()
        )
    );
}

#[test]
fn discovery_and_openapi_tell_of_other_servers() {
    for modern in [true, false] {
        let outside = metrics(modern, there());
        let door = with_metrics(outside.clone());
        let group = json!({"groupVersion": "metrics.example.com/v1beta1", "version": "v1beta1"});
        let groups = door.send("GET", "/apis", "").json();
        let last = groups["groups"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&last["name"], &last["versions"], &last["preferredVersion"]),
            (&json!("metrics.example.com"), &json!([group]), &group)
        );
        let own = door.send("GET", "/apis/metrics.example.com", "");
        assert_eq!((own.code, own.at("/kind")), (200, "APIGroup".into()));
        let plain = door.send("GET", ROOT, "");
        assert_eq!((plain.code, plain.at("/kind")), (200, "APIResourceList".into()));
        let request = Request::get("/apis").header("accept", AGGREGATED);
        let document = door.request(request, "").json();
        let item = document["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(item["metadata"]["name"], "metrics.example.com");
        assert_eq!(item["versions"][0]["freshness"], "Current");
        assert_eq!(item["versions"][0]["resources"][0]["resource"], "loads", "{item}");
        assert!(item["versions"][0]["resources"][0]["responseKind"].is_object());
        let index = door.send("GET", "/openapi/v3", "").json();
        assert_eq!(
            index["paths"]["apis/metrics.example.com/v1beta1"]["serverRelativeURL"],
            "/openapi/v3/apis/metrics.example.com/v1beta1?hash=AB"
        );
        let path = "/openapi/v3/apis/metrics.example.com/v1beta1";
        assert_eq!(
            door.send("GET", &format!("{path}?hash=AB"), "").at("/asked"),
            path
        );
        assert_eq!(door.send("DELETE", OWN, "").code, 200);
        door.settle();
        assert_eq!(door.send("GET", ROOT, "").code, 404);
        assert_eq!(door.send("GET", "/apis/metrics.example.com", "").code, 404);
    }
}

#[test]
fn custom_resources_have_apiservices_of_their_own() {
    let door = Door::open();
    serve(&door, &widgets(&json!({"type": "object"}), &json!({})));
    let path = format!("{SERVICES}/v1.example.com");
    let got = wait(&door, &path, |got| got.code == 200);
    assert_eq!(available(&got).1, "Local");
    assert_eq!(
        (
            got.at("/metadata/labels/kube-aggregator.kubernetes.io~1automanaged"),
            got.at("/spec/groupPriorityMinimum")
        ),
        ("true".into(), json!(1000))
    );
    assert_eq!(door.send("DELETE", &path, "").code, 200);
    wait(&door, &path, |got| got.code == 200);
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    assert_eq!(door.send("DELETE", definition, "").code, 200);
    wait(&door, &path, |got| got.code == 404);
}

#[test]
fn other_servers_can_know_whom_to_believe() {
    let door = Door::open();
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let got = door.send("GET", path, "");
    assert_eq!(got.at("/data/requestheader-client-ca-file"), "front proxy");
    assert_eq!(
        got.at("/data/requestheader-allowed-names"),
        r#"["front-proxy-client"]"#
    );
}
