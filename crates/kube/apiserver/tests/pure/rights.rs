//! Who may what: impersonated users, RBAC objects, reviews, and what a new cluster holds.

use http::Request;
use serde_json::{Value, json};

use crate::door::{Door, Got};

const BOB: [(&str, &str); 2] = [("impersonate-user", "bob"), ("impersonate-group", "dev")];

fn as_user(door: &Door, headers: &[(&str, &str)], method: &str, path: &str, body: &Value) -> Got {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("content-type", "application/json")
        .header("accept", "application/json");
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    door.request(request, &body.to_string())
}

fn may(door: &Door, headers: &[(&str, &str)], attributes: &Value) -> Got {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    as_user(door, headers, "POST", path, &review)
}

#[test]
fn nobody_may_what_nothing_allows_and_hears_it_in_upstreams_words() {
    let door = Door::open();
    let cases = [
        (
            "/api/v1/namespaces/default/pods",
            r#"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default""#,
        ),
        (
            "/api/v1/nodes/n",
            r#"nodes "n" is forbidden: User "bob" cannot get resource "nodes" in API group "" at the cluster scope"#,
        ),
        ("/metrics", r#"forbidden: User "bob" cannot get path "/metrics""#),
    ];
    for (path, message) in cases {
        let got = as_user(&door, &BOB, "GET", path, &Value::Null);
        assert_eq!((got.code, got.message().as_str()), (403, message), "{path}");
    }
}

#[test]
fn a_binding_gives_rights_at_once_and_the_review_names_it() {
    let door = Door::open();
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "readers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "dev"}],
    });
    let list = json!({"verb": "list", "resource": "pods", "namespace": "default"});
    assert_eq!(may(&door, &BOB, &list).at("/status"), json!({"allowed": false}));
    let made = door.send("POST", &format!("{rbac}/rolebindings"), &binding.to_string());
    assert_eq!(made.code, 201, "{}", made.text);
    let got = may(&door, &BOB, &list);
    assert_eq!(got.code, 201);
    assert_eq!(got.at("/kind"), "SelfSubjectAccessReview");
    let reason = r#"RBAC: allowed by RoleBinding "readers/default" of ClusterRole "view" to Group "dev""#;
    assert_eq!(got.at("/status"), json!({"allowed": true, "reason": reason}));
    let read = as_user(
        &door,
        &BOB,
        "GET",
        "/api/v1/namespaces/default/pods",
        &Value::Null,
    );
    assert_eq!(read.code, 200);
    let secrets = as_user(
        &door,
        &BOB,
        "GET",
        "/api/v1/namespaces/default/secrets",
        &Value::Null,
    );
    assert_eq!(secrets.code, 403);
}

#[test]
fn impersonation_is_a_right_of_its_own() {
    let door = Door::open();
    let who = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let got = as_user(&door, &BOB, "POST", path, &who);
    let user = json!({"username": "bob", "groups": ["dev", "system:authenticated"]});
    assert_eq!(got.at("/status/userInfo"), user, "{}", got.text);
    let account = [("impersonate-user", "system:serviceaccount:default:default")];
    let got = as_user(&door, &account, "POST", path, &who);
    let groups = json!([
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated"
    ]);
    assert_eq!(got.at("/status/userInfo/groups"), groups);
    let nameless = as_user(&door, &BOB[1..], "POST", path, &who);
    assert_eq!(nameless.code, 500);
}

#[test]
fn a_token_that_nobody_made_is_told_and_not_believed() {
    let door = Door::open();
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "a.b.c"}});
    let got = door.send(
        "POST",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        &review.to_string(),
    );
    assert_eq!((got.code, got.at("/status/authenticated")), (201, Value::Null));
    assert_eq!(got.at("/status/error"), "[invalid bearer token, invalid issuer]");
}

#[test]
fn reviews_that_ask_nothing_are_refused() {
    let door = Door::open();
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "u"}});
    let got = door.send(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        &review.to_string(),
    );
    assert_eq!(got.code, 400, "{}", got.text);
}

#[test]
fn a_new_cluster_holds_what_clients_expect() {
    let door = Door::open();
    for path in [
        "/api/v1/namespaces/kube-node-lease",
        "/api/v1/namespaces/default/serviceaccounts/default",
        "/api/v1/namespaces/kube-public/configmaps/kube-root-ca.crt",
        "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
        "/api/v1/namespaces/default/endpoints/kubernetes",
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
        "/apis/networking.k8s.io/v1/servicecidrs/kubernetes",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
    ] {
        let got = door.send("GET", path, "");
        assert_eq!(got.code, 200, "{path}: {}", got.text);
    }
    let service = door.send("GET", "/api/v1/namespaces/default/services/kubernetes", "");
    assert_eq!(service.at("/spec/clusterIP"), "10.43.0.1");
}
