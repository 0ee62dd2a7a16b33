//! Addresses and ports of Services, through the whole server: who has which, and what is left of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::door::{Door, Got};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";

fn post(door: &Door, name: &str, spec: &Value) -> Got {
    let mut spec = spec.clone();
    if spec["type"] != "ExternalName" && spec["ports"].is_null() {
        spec["ports"] = json!([{"port": 80}]);
    }
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    door.send("POST", SERVICES, &body.to_string())
}

fn address_object(door: &Door, address: &str) -> Got {
    door.send("GET", &format!("{ADDRESSES}/{address}"), "")
}

#[test]
fn an_address_is_an_object_as_long_as_a_service_has_it() {
    let door = Door::open();
    let made = post(&door, "a", &json!({}));
    assert_eq!(made.code, 201, "{}", made.text);
    let address = made.at("/spec/clusterIP").as_str().unwrap().to_owned();
    let object = address_object(&door, &address);
    assert_eq!(object.code, 200, "{}", object.text);
    let parent = json!({"resource": "services", "namespace": "default", "name": "a"});
    assert_eq!(object.at("/spec/parentRef"), parent);
    assert_eq!(door.send("DELETE", &format!("{SERVICES}/a"), "").code, 200);
    assert_eq!(address_object(&door, &address).code, 404);
    let again = post(&door, "b", &json!({"clusterIP": address}));
    assert_eq!(again.code, 201, "{}", again.text);
}

#[test]
fn the_first_service_has_the_first_address() {
    let door = Door::open();
    let kubernetes = door.send("GET", &format!("{SERVICES}/kubernetes"), "");
    let address = kubernetes.at("/spec/clusterIP").as_str().unwrap().to_owned();
    assert_eq!(
        address_object(&door, &address).at("/spec/parentRef/name"),
        "kubernetes"
    );
    let taken = post(&door, "a", &json!({"clusterIP": address}));
    assert_eq!(taken.code, 422, "{}", taken.text);
    let why = format!("failed to allocate IP {address}: provided IP is already allocated");
    assert!(taken.message().ends_with(&why), "{}", taken.message());
    let range = door.send("GET", "/apis/networking.k8s.io/v1/servicecidrs/kubernetes", "");
    assert_eq!(range.at("/status/conditions/0/type"), "Ready");
    assert_eq!(range.at("/status/conditions/0/status"), "True");
}

#[test]
fn a_port_of_the_nodes_is_one_services() {
    let door = Door::open();
    let spec = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_080}]});
    assert_eq!(post(&door, "a", &spec).code, 201);
    let second = post(&door, "b", &spec);
    assert_eq!(second.code, 422);
    let why = "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated";
    assert!(second.message().ends_with(why), "{}", second.message());
    // What a refused Service had taken is free again.
    let other = json!({"type": "NodePort", "ports": [{"port": 80}]});
    let third = post(&door, "c", &other);
    assert_eq!(third.code, 201);
    let port = third.at("/spec/ports/0/nodePort").as_i64().unwrap();
    assert!((30_000..32_768).contains(&port) && port != 30_080, "{port}");
}

#[test]
fn a_service_that_needs_no_address_has_none() {
    let door = Door::open();
    let headless = post(&door, "a", &json!({"clusterIP": "None"}));
    assert_eq!(headless.at("/spec/clusterIPs"), json!(["None"]));
    let external = post(
        &door,
        "b",
        &json!({"type": "ExternalName", "externalName": "x.y"}),
    );
    assert_eq!(external.code, 201, "{}", external.text);
    assert_eq!(external.at("/spec/clusterIP"), Value::Null);
    let changed = json!({"spec": {"type": "ClusterIP", "externalName": null, "ports": [{"port": 1}]}});
    let path = format!("{SERVICES}/b");
    let patched = door.send_as(
        "PATCH",
        &path,
        "application/merge-patch+json",
        &changed.to_string(),
    );
    assert_eq!(patched.code, 200, "{}", patched.text);
    let address = patched.at("/spec/clusterIP").as_str().unwrap().to_owned();
    assert_eq!(address_object(&door, &address).code, 200);
    let back = json!({"spec": {"type": "ExternalName", "externalName": "x.y", "clusterIP": null, "clusterIPs": null}});
    let patched = door.send_as("PATCH", &path, "application/merge-patch+json", &back.to_string());
    assert_eq!(patched.code, 200, "{}", patched.text);
    assert_eq!(address_object(&door, &address).code, 404);
}

#[test]
fn pods_change_by_their_own_paths() {
    const PODS: &str = "/api/v1/namespaces/default/pods";
    let door = Door::open();
    let resources = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let container = |cpu: &str| json!({"name": "c", "image": "i", "resources": resources(cpu)});
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [container("1")]}});
    let made = door.send("POST", PODS, &pod.to_string());
    assert_eq!(made.code, 201, "{}", made.text);
    let patch = |way: &str, body: Value| {
        let path = format!("{PODS}/p{way}");
        door.send_as(
            "PATCH",
            &path,
            "application/strategic-merge-patch+json",
            &body.to_string(),
        )
    };
    let bigger = json!({"spec": {"containers": [{"name": "c", "resources": resources("2")}]}});
    let refused = patch("", bigger.clone());
    assert_eq!(refused.code, 422);
    assert!(
        refused
            .message()
            .contains("pod updates may not change fields other than"),
        "{}",
        refused.text
    );
    let resized = patch("/resize", bigger);
    assert_eq!(resized.code, 200, "{}", resized.text);
    assert_eq!(resized.at("/spec/containers/0/resources/requests/cpu"), "2");
    assert_eq!(resized.at("/metadata/generation"), 2);
    let debugger = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}});
    let debugged = patch("/ephemeralcontainers", debugger);
    assert_eq!(debugged.code, 200, "{}", debugged.text);
    assert_eq!(debugged.at("/spec/ephemeralContainers/0/name"), "d");
    assert_eq!(debugged.at("/metadata/generation"), 3);
    let twice = json!({"spec": {"ephemeralContainers": [{"name": "c", "image": "i"}]}});
    let refused = patch("/ephemeralcontainers", twice);
    assert_eq!(refused.code, 422, "{}", refused.text);
    assert!(
        refused.message().contains("Duplicate value: \"c\""),
        "{}",
        refused.text
    );
}

/// Upstream's kubernetesservice controller.
#[test]
fn the_apis_own_service_comes_back_and_leads_to_where_the_server_is() {
    let mut door = Door::open();
    let own = |door: &Door, at: &str| door.send("GET", at, "");
    let (service, endpoints) = (
        format!("{SERVICES}/kubernetes"),
        "/api/v1/namespaces/default/endpoints/kubernetes",
    );
    let slice = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
    for gone in [service.as_str(), endpoints, slice] {
        assert_eq!(door.send("DELETE", gone, "").code, 200);
        door.settle();
        // A Service's address is free only when its end has been dealt with.
        door.pass(Duration::from_secs(2));
        door.settle();
        assert_eq!(own(&door, gone).code, 200, "{gone}");
    }
    assert_eq!(own(&door, &service).at("/spec/clusterIP"), "10.43.0.1");
    assert_eq!(address_object(&door, "10.43.0.1").code, 200);
    let taken = post(&door, "a", &json!({"clusterIP": "10.43.0.1"}));
    assert_eq!(taken.code, 422, "{}", taken.text);

    let revision = own(&door, slice).at("/metadata/resourceVersion");
    door.settle();
    assert_eq!(own(&door, slice).at("/metadata/resourceVersion"), revision);
    door.start_at(7001);
    door.settle();
    assert_eq!(own(&door, &service).at("/spec/ports/0/targetPort"), 7001);
    assert_eq!(own(&door, endpoints).at("/subsets/0/ports/0/port"), 7001);
    assert_eq!(own(&door, slice).at("/ports/0/port"), 7001);
}
