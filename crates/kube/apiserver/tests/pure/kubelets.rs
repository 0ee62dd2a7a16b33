//! What is asked of kubelets: logs, exec, attach, port-forward, proxies.

use std::sync::{Arc, Mutex};

use apiserver::Body;
use apiserver::nodes::{NodeTarget, Nodes, Upgrade};
use apiserver::outbound::{OutboundError, Outgoing, Sending, Trust};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::door::{Door, Got};
use crate::outside::{Does, Outside};

/// A kubelet: says what it was asked, or what it was told to say.
#[derive(Default)]
struct Kubelet {
    says: Mutex<Option<(u16, &'static str)>>,
    asked: Mutex<Vec<(NodeTarget, Request<Bytes>)>>,
}

impl Nodes for Kubelet {
    fn call(&self, node: &NodeTarget, request: Request<Bytes>, _: Upgrade) -> Sending {
        let text = format!("{} {}", request.method(), request.uri());
        self.asked.lock().unwrap().push((node.clone(), request));
        let says = *self.says.lock().unwrap();
        Box::pin(async move {
            match says {
                None => Ok(Response::new(Body::full(text))),
                Some((0, _)) => Err(OutboundError::Connect {
                    address: "10.0.0.1:10251".to_owned(),
                    why: std::io::ErrorKind::ConnectionRefused.into(),
                }),
                Some((code, text)) => {
                    let mut response = Response::new(Body::full(text));
                    *response.status_mut() = code.try_into().unwrap();
                    Ok(response)
                }
            }
        })
    }
}

struct World {
    door: Door,
    kubelet: Arc<Kubelet>,
    outside: Arc<Outside>,
}

fn pod(name: &str, node: &str, containers: &[&str], ip: &str) -> (Value, Value) {
    let containers: Vec<Value> = containers
        .iter()
        .map(|name| json!({"name": name, "image": "i", "ports": [{"containerPort": 8080}]}))
        .collect();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": containers, "initContainers": [{"name": "init", "image": "i"}]},
    });
    let ips: Vec<Value> = [ip]
        .iter()
        .filter(|ip| !ip.is_empty())
        .map(|ip| json!({"ip": ip}))
        .collect();
    (pod, json!({"status": {"podIP": ip, "podIPs": ips}}))
}

const PODS: &str = "/api/v1/namespaces/default/pods";

impl World {
    fn new() -> Self {
        let (kubelet, outside) = (Arc::<Kubelet>::default(), outside());
        let door = Door::reaching(outside.clone(), kubelet.clone());
        let world = Self {
            door,
            kubelet,
            outside,
        };
        world.post(
            "/api/v1/nodes",
            &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}),
        );
        world.status("/api/v1/nodes/n", &json!({"status": {
            "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10_251}},
        }}));
        for (name, node, containers, ip) in [
            ("one", "n", &["c"][..], "10.42.0.7"),
            ("two", "n", &["c", "d"], ""),
            ("nowhere", "", &["c"], "127.0.0.1"),
            ("lost", "gone", &["c"], ""),
        ] {
            let (pod, status) = pod(name, node, containers, ip);
            world.post(PODS, &pod);
            world.status(&format!("{PODS}/{name}"), &status);
        }
        world
    }

    fn post(&self, path: &str, object: &Value) {
        let made = self.door.send("POST", path, &object.to_string());
        assert_eq!(made.code, 201, "{made:?}");
    }

    fn status(&self, path: &str, status: &Value) {
        let content = "application/merge-patch+json";
        let patched = self
            .door
            .send_as("PATCH", &format!("{path}/status"), content, &status.to_string());
        assert_eq!(patched.code, 200, "{patched:?}");
    }

    fn get(&self, path: &str) -> Got {
        self.door.send("GET", path, "")
    }

    fn upgrade(&self, path: &str) -> Got {
        let request = Request::post(format!("{PODS}/{path}"));
        let request = request
            .header("connection", "Upgrade")
            .header("upgrade", "SPDY/3.1");
        self.door.request(request.header("authorization", "Bearer x"), "")
    }
}

/// Servers outside: redirect, or say what they were asked.
fn outside() -> Arc<Outside> {
    Outside::new(|outgoing, _| match outgoing.request.uri().path() {
        "/away" => Does::Responds(
            Response::builder()
                .status(302)
                .header("location", "/login")
                .header("connection", "close")
                .body(String::new())
                .unwrap(),
        ),
        "/down" => Does::IsNotThere,
        _ => Does::Responds(Response::new(outgoing.request.uri().to_string())),
    })
}

#[test]
fn logs_are_read_of_the_pods_kubelet() {
    let world = World::new();
    for (query, asked) in [
        ("", "/containerLogs/default/one/c"),
        (
            "?container=init&follow=true",
            "/containerLogs/default/one/init?follow=true",
        ),
        (
            "?previous=1&timestamps=true&sinceSeconds=5&tailLines=7&limitBytes=9&follow=false",
            "/containerLogs/default/one/c?previous=true&timestamps=true&sinceSeconds=5&tailLines=7&limitBytes=9",
        ),
        (
            "?sinceTime=2026-01-02T03:04:05.9Z&stream=Stdout",
            "/containerLogs/default/one/c?sinceTime=2026-01-02T03%3A04%3A05Z&stream=Stdout",
        ),
    ] {
        let got = world.get(&format!("{PODS}/one/log{query}"));
        assert_eq!((got.code, got.text), (200, format!("GET {asked}")));
        assert_eq!(got.headers["content-type"], "text/plain");
    }
    let (node, request) = world.kubelet.asked.lock().unwrap().pop().unwrap();
    assert_eq!(
        (&*node.name, node.address, node.port),
        ("n", "10.0.0.1".parse().ok(), 10_251)
    );
    assert!(request.headers().is_empty());
}

#[test]
fn what_is_wrong_with_a_log_is_told_in_upstreams_words() {
    let world = World::new();
    for (path, code, message) in [
        ("nobody/log", 404, r#"pods "nobody" not found"#),
        (
            "two/log",
            400,
            "a container name must be specified for pod two, choose one of: [init c d]",
        ),
        ("two/log?container=x", 400, "container x is not valid for pod two"),
        ("lost/log", 404, r#"nodes "gone" not found"#),
        (
            "one/log?tailLines=x",
            400,
            r#"strconv.ParseInt: parsing "x": invalid syntax"#,
        ),
        (
            "one/log?tailLines=-1",
            422,
            r#"PodLogOptions "one" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"#,
        ),
        (
            "one/log?limitBytes=0",
            422,
            r#"PodLogOptions "one" is invalid: limitBytes: Invalid value: 0: must be greater than 0"#,
        ),
        (
            "one/log?sinceSeconds=0",
            422,
            r#"PodLogOptions "one" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0"#,
        ),
        (
            "one/log?stream=x",
            422,
            r#"PodLogOptions "one" is invalid: stream: Unsupported value: "x": supported values: "All", "Stderr", "Stdout""#,
        ),
    ] {
        let got = world.get(&format!("{PODS}/{path}"));
        assert_eq!((got.code, &*got.message()), (code, message), "{path}");
    }
    let both = world.get(&format!(
        "{PODS}/one/log?sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z"
    ));
    assert!(
        both.message()
            .contains("at most one of `sinceTime` or `sinceSeconds` may be specified"),
        "{both:?}"
    );
    assert_eq!(world.get(&format!("{PODS}/nowhere/log")).code, 204);
    for (says, code, message) in [
        ((400, "is waiting"), 400, "is waiting"),
        ((500, "broken"), 500, "Internal error occurred: broken"),
        (
            (404, "no pod"),
            404,
            "the server could not find the requested resource ( pods/log one)",
        ),
        (
            (0, ""),
            500,
            r#"Get "https://10.0.0.1:10251/containerLogs/default/one/c": dial tcp 10.0.0.1:10251: connect: connection refused"#,
        ),
    ] {
        *world.kubelet.says.lock().unwrap() = Some(says);
        let got = world.get(&format!("{PODS}/one/log"));
        assert_eq!((got.code, &*got.message()), (code, message));
    }
}

#[test]
fn connections_are_handed_on_to_the_pods_kubelet() {
    let world = World::new();
    for (path, asked) in [
        (
            "one/exec?command=sh&command=-c&command=a%20b&stdin=true&stdout=true&stderr=false&tty=true",
            "/exec/default/one/c?command=sh&command=-c&command=a+b&input=1&output=1&tty=1",
        ),
        (
            "two/attach?container=d&stdout=1&command=x",
            "/attach/default/two/d?output=1",
        ),
        ("one/portforward", "/portForward/default/one"),
        (
            "one/portforward?ports=80&ports=81",
            "/portForward/default/one?port=80%2C81",
        ),
    ] {
        let got = world.upgrade(path);
        assert_eq!((got.code, got.text), (200, format!("POST {asked}")));
        let (_, request) = world.kubelet.asked.lock().unwrap().pop().unwrap();
        assert_eq!(request.headers()["upgrade"], "SPDY/3.1");
        assert!(!request.headers().contains_key("authorization"));
    }
}

#[test]
fn connections_that_cannot_be_are_refused() {
    let world = World::new();
    for (path, code, message) in [
        ("nobody/exec", 404, r#"pods "nobody" not found"#),
        (
            "two/exec",
            400,
            "a container name must be specified for pod two, choose one of: [init c d]",
        ),
        (
            "one/attach?container=x",
            400,
            "container x is not valid for pod one",
        ),
        (
            "nowhere/portforward",
            400,
            "pod nowhere does not have a host assigned",
        ),
        ("lost/exec", 404, r#"nodes "gone" not found"#),
        ("one/exec?dryRun=All", 400, "dryRun is not supported"),
    ] {
        let got = world.upgrade(path);
        assert_eq!((got.code, &*got.message()), (code, message), "{path}");
    }
    let plain = world.door.send("POST", &format!("{PODS}/one/exec?stdout=1"), "");
    assert_eq!((plain.code, &*plain.message()), (400, "Upgrade request required"));
    *world.kubelet.says.lock().unwrap() = Some((0, ""));
    let down = world.upgrade("one/exec?stdout=1");
    let message = "error dialing backend: dial tcp 10.0.0.1:10251: connect: connection refused";
    assert_eq!((down.code, &*down.message()), (500, message));
}

#[test]
fn a_stream_changes_something_though_it_begins_with_get() {
    let world = World::new();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    });
    world.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role);
    world.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding);
    let request = |upgrade: &str| {
        let request = Request::get(format!("{PODS}/one/exec?stdout=1"));
        let request = request.header("connection", "Upgrade").header("upgrade", upgrade);
        request.body(crate::door::whole(Bytes::new())).unwrap()
    };
    assert_eq!(world.door.answer("jane", request("SPDY/3.1")).status(), 403);
    assert_eq!(world.door.answer("jane", request("websocket")).status(), 403);
}

fn sent(world: &World) -> Outgoing {
    world.outside.asked().pop().unwrap().0
}

#[test]
fn proxies_of_pods_send_requests_on() {
    let world = World::new();
    for (path, uri, trust) in [
        (
            "one/proxy/a%2Fb/c?d=e",
            "http://10.42.0.7:8080/a%2Fb/c?d=e",
            Trust::Plain,
        ),
        ("one:81/proxy/", "http://10.42.0.7:81/", Trust::Plain),
        (
            "https:one:443/proxy/x/",
            "https://10.42.0.7:443/x/",
            Trust::Anyone,
        ),
    ] {
        let got = world.get(&format!("{PODS}/{path}"));
        assert_eq!((got.code, &*got.text), (200, uri));
        let outgoing = sent(&world);
        assert_eq!(outgoing.trust, trust);
        let forwarded = outgoing.request.headers()["x-forwarded-uri"]
            .to_str()
            .unwrap()
            .to_owned();
        let asked = format!("{PODS}/{}", path.split('?').next().unwrap());
        assert_eq!(forwarded, asked);
    }
    let posted = world.door.send("POST", &format!("{PODS}/one/proxy/x"), "body");
    assert_eq!(posted.code, 200);
    let outgoing = sent(&world);
    assert_eq!(
        (outgoing.request.method().as_str(), &outgoing.request.body()[..]),
        ("POST", &b"body"[..])
    );
    let root = world.get(&format!("{PODS}/one/proxy?a=b"));
    let led = |got: &Got| (got.code, got.headers["location"].to_str().unwrap().to_owned());
    assert_eq!(led(&root), (301, format!("{PODS}/one/proxy/?a=b")));
    let away = world.get(&format!("{PODS}/one/proxy/away"));
    assert_eq!(led(&away), (302, format!("{PODS}/one/proxy/login")));
    assert!(!away.headers.contains_key("connection"));
    for (path, code, message) in [
        (
            "one/proxy/down",
            503,
            "error trying to reach service: dial tcp 10.0.0.9:443: connect: connection refused",
        ),
        (
            "one:web/proxy/",
            503,
            "error trying to reach service: dial tcp: lookup tcp/web: unknown port",
        ),
        ("two/proxy/", 400, "address not allowed"),
        ("nowhere/proxy/", 400, "address not allowed"),
        ("nobody:80/proxy/", 404, r#"pods "nobody" not found"#),
        ("ftp:one:80/proxy/", 400, r#"invalid pod request "ftp:one:80""#),
    ] {
        let got = world.get(&format!("{PODS}/{path}"));
        assert_eq!((got.code, &*got.message()), (code, message), "{path}");
    }
}

#[test]
fn proxies_of_nodes_reach_the_kubelet_or_the_node() {
    let world = World::new();
    for path in ["n", "n:10251", "https:n:10251"] {
        let got = world.get(&format!("/api/v1/nodes/{path}/proxy/pods?x=y"));
        assert_eq!((got.code, &*got.text), (200, "GET /pods?x=y"));
    }
    let got = world.get("/api/v1/nodes/http:n:80/proxy/x");
    assert_eq!((got.code, &*got.text), (200, "http://10.0.0.1:80/x"));
    let got = world.get("/api/v1/nodes/m/proxy/x");
    assert_eq!((got.code, &*got.message()), (404, r#"nodes "m" not found"#));
}

#[test]
fn proxies_of_services_reach_pods_alone() {
    let world = World::new();
    let services = "/api/v1/namespaces/default/services";
    let ports = json!([{"name": "web", "port": 80}, {"name": "raw", "port": 81}]);
    world.post(
        services,
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}),
    );
    let none = world.get(&format!("{services}/s:web/proxy/"));
    assert_eq!(
        (none.code, &*none.message()),
        (503, r#"no endpoints available for service "s:web""#)
    );
    let target = |name: &str| json!({"kind": "Pod", "namespace": "default", "name": name});
    world.post(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        &json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
            "endpoints": [
                {"addresses": ["10.42.0.7"], "targetRef": target("one")},
                {"addresses": ["10.42.0.8"], "targetRef": target("one")},
                {"addresses": ["10.42.0.9"]},
                {"addresses": ["10.42.0.7"], "conditions": {"ready": false}, "targetRef": target("one")},
            ],
            "ports": [{"name": "web", "port": 8080}],
        }),
    );
    for path in ["s:web", "s:80", "http:s:web"] {
        let got = world.get(&format!("{services}/{path}/proxy/x"));
        assert_eq!((got.code, &*got.text), (200, "http://10.42.0.7:8080/x"), "{path}");
    }
    for (path, code, message) in [
        ("s/proxy/", 503, r#"no endpoints available for service "s""#),
        ("s:81/proxy/", 503, r#"no endpoints available for service "s:81""#),
        ("s:82/proxy/", 503, r#"no service port 82 found for service "s""#),
        ("t/proxy/", 404, r#"services "t" not found"#),
        ("x:s:web/proxy/", 400, r#"invalid service request "x:s:web""#),
    ] {
        let got = world.get(&format!("{services}/{path}"));
        assert_eq!((got.code, &*got.message()), (code, message), "{path}");
    }
}
