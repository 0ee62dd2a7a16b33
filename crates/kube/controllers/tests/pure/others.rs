//! Roles, certificates, token secrets, what is in use, quotas, and events that end.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::Resource;
use serde_json::{Value, json};

use crate::node::{ACCOUNTS, EVENTS, MAPS, Node, SECRETS};

static ROLES: Resource = Resource::new(
    "rbac.authorization.k8s.io",
    "v1",
    "clusterroles",
    "ClusterRole",
    false,
);
static BINDINGS: Resource = Resource::new(
    "rbac.authorization.k8s.io",
    "v1",
    "clusterrolebindings",
    "ClusterRoleBinding",
    false,
);
static REQUESTS: Resource = Resource::new(
    "certificates.k8s.io",
    "v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    false,
);
static CLAIMS: Resource = Resource::new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true);
static QUOTAS: Resource = Resource::new("", "v1", "resourcequotas", "ResourceQuota", true);

fn rules(node: &Node, name: &str) -> Vec<String> {
    let role = node.get(&ROLES, "", name).unwrap();
    let all = role["rules"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|rule| rule["resources"][0].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn an_aggregate_follows_its_parts() {
    let node = Node::start(1);
    let part = |name: &str, resource: &str| {
        json!({
            "metadata": {"name": name, "labels": {"example.com/sum": "true"}},
            "rules": [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]}],
        })
    };
    let sum = json!({
        "metadata": {"name": "sum"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"example.com/sum": "true"}}]},
        "rules": [],
    });
    node.create(&ROLES, "", &part("b", "pods"));
    node.create(&ROLES, "", &sum);
    node.settle();
    assert_eq!(rules(&node, "sum"), ["pods"]);
    node.create(&ROLES, "", &part("a", "secrets"));
    node.create(&ROLES, "", &part("c", "pods"));
    node.settle();
    assert_eq!(rules(&node, "sum"), ["secrets", "pods"], "by name, each once");
    node.patch(
        &ROLES,
        "",
        "a",
        &json!({"metadata": {"labels": {"example.com/sum": null}}}),
    );
    node.delete(&ROLES, "", "b", None);
    node.settle();
    assert_eq!(rules(&node, "sum"), ["pods"]);
    node.delete(&ROLES, "", "c", None);
    node.settle();
    assert_eq!(rules(&node, "sum"), Vec::<String>::new());
}

const TOKEN: &str = "kubernetes.io/service-account-token";

fn token_secret(account: &str) -> Value {
    let annotations = json!({"kubernetes.io/service-account.name": account});
    json!({"metadata": {"name": "t", "annotations": annotations}, "type": TOKEN})
}

#[test]
fn a_secret_gets_its_accounts_token_and_goes_with_it() {
    let node = Node::start(1);
    node.namespace("x");
    node.create(&SECRETS, "x", &token_secret("default"));
    node.settle();
    let secret = node.get(&SECRETS, "x", "t").unwrap();
    let data = |name: &str| STANDARD.decode(secret["data"][name].as_str().unwrap()).unwrap();
    assert_eq!(data("namespace"), b"x");
    assert_eq!(data("token").split(|byte| *byte == b'.').count(), 3);
    assert!(data("ca.crt").starts_with(b"-----BEGIN"));
    let account = node.get(&ACCOUNTS, "x", "default").unwrap();
    let uid = &secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"];
    assert_eq!(*uid, account["metadata"]["uid"]);
    node.delete(&ACCOUNTS, "x", "default", None);
    node.settle();
    assert_eq!(
        node.get(&SECRETS, "x", "t"),
        None,
        "another account of the name is not its own"
    );
    node.create(&SECRETS, "x", &token_secret("nobody"));
    node.settle();
    assert_eq!(node.get(&SECRETS, "x", "t"), None);
}

fn request(signer: &str, usages: &[&str], user: &str) -> Value {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(rcgen::DnType::CommonName, user);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    json!({
        "metadata": {"name": "r"},
        "spec": {"request": STANDARD.encode(pem), "signerName": signer, "usages": usages},
    })
}

const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const CLIENT_USAGES: [&str; 2] = ["client auth", "digital signature"];

fn conditions(request: &Value) -> Vec<(String, String)> {
    let all = request["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |each: &Value, name: &str| each[name].as_str().unwrap_or_default().to_owned();
    all.iter()
        .map(|each| (text(each, "type"), text(each, "reason")))
        .collect()
}

#[test]
fn a_kubelets_request_is_approved_signed_and_removed_in_its_time() {
    let node = Node::start(1);
    let may = json!({
        "metadata": {"name": "bootstrap"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        },
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "admin"}],
    });
    node.create(&BINDINGS, "", &may);
    node.create(&REQUESTS, "", &request(KUBELET, &CLIENT_USAGES, "system:node:n1"));
    node.settle();
    let signed = node.get(&REQUESTS, "", "r").unwrap();
    assert_eq!(
        conditions(&signed),
        [("Approved".to_owned(), "AutoApproved".to_owned())]
    );
    let certificate = STANDARD
        .decode(signed["status"]["certificate"].as_str().unwrap())
        .unwrap();
    assert!(certificate.starts_with(b"-----BEGIN CERTIFICATE-----"));
    node.until("an hour passes", |node| node.get(&REQUESTS, "", "r").is_none());
}

#[test]
fn what_is_no_kubelets_request_waits_for_a_person_and_fails_with_words() {
    let node = Node::start(1);
    let other = request(KUBELET, &CLIENT_USAGES, "someone");
    node.create(&REQUESTS, "", &other);
    node.settle();
    let waiting = node.get(&REQUESTS, "", "r").unwrap();
    assert_eq!(conditions(&waiting), []);
    let mut approved = waiting;
    approved["status"]["conditions"] =
        json!([{"type": "Approved", "status": "True", "reason": "Me", "message": ""}]);
    node.update(&REQUESTS, "", "r", "approval", &approved);
    node.settle();
    let failed = node.get(&REQUESTS, "", "r").unwrap();
    assert_eq!(
        conditions(&failed)[1],
        ("Failed".to_owned(), "SignerValidationFailure".to_owned())
    );
    assert_eq!(
        failed["status"]["conditions"][1]["message"],
        "subject common name does not begin with system:node:"
    );
}

#[test]
fn a_claim_goes_when_nobody_uses_it() {
    let node = Node::start(1);
    node.namespace("x");
    let claim = json!({
        "metadata": {"name": "c", "finalizers": ["kubernetes.io/pvc-protection"]},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    node.create(&CLAIMS, "x", &claim);
    node.delete(&CLAIMS, "x", "c", None);
    node.settle();
    assert_eq!(node.get(&CLAIMS, "x", "c"), None);
}

#[test]
fn a_quota_counts_what_is_there_and_what_went() {
    let node = Node::start(1);
    node.namespace("x");
    node.create(&SECRETS, "x", &json!({"metadata": {"name": "a"}}));
    let quota =
        json!({"metadata": {"name": "q"}, "spec": {"hard": {"secrets": "2", "count/configmaps": "5"}}});
    node.create(&QUOTAS, "x", &quota);
    node.settle();
    let used = |node: &Node| node.get(&QUOTAS, "x", "q").unwrap()["status"]["used"].clone();
    assert_eq!(used(&node), json!({"secrets": "1", "count/configmaps": "1"}));
    node.delete(&SECRETS, "x", "a", None);
    node.map("x", "m", &[]);
    node.settle();
    assert_eq!(used(&node), json!({"secrets": "0", "count/configmaps": "2"}));
    assert_eq!(node.names(&MAPS, "x").len(), 2);
}

#[test]
fn events_end_after_an_hour() {
    let node = Node::start(1);
    let event = |name: &str| {
        json!({
            "metadata": {"name": name, "namespace": "default"}, "reason": "R", "type": "Normal",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
        })
    };
    node.create(&EVENTS, "default", &event("first"));
    node.pass(Duration::from_secs(1800));
    node.create(&EVENTS, "default", &event("second"));
    node.pass(Duration::from_secs(1900));
    assert_eq!(node.names(&EVENTS, "default"), ["second"]);
    node.pass(Duration::from_secs(1900));
    assert_eq!(node.names(&EVENTS, "default"), Vec::<String>::new());
}
