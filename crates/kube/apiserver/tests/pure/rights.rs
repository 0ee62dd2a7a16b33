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
fn reviews_that_cannot_be_answered_are_refused() {
    let door = Door::open();
    let (resource, path) = (
        json!({"verb": "get", "resource": "pods"}),
        json!({"verb": "get", "path": "/x"}),
    );
    let cases = [
        (
            "selfsubjectaccessreviews",
            json!({}),
            r#".authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes must be specified"#,
        ),
        (
            "selfsubjectaccessreviews",
            json!({"resourceAttributes": resource, "nonResourceAttributes": path}),
            r#".authorization.k8s.io "" is invalid: spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":"get"}: cannot be specified in combination with resourceAttributes"#,
        ),
        (
            "subjectaccessreviews",
            json!({"resourceAttributes": resource}),
            r#".authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified"#,
        ),
    ];
    for (plural, spec, message) in cases {
        let kind = if plural.starts_with("self") {
            "SelfSubjectAccessReview"
        } else {
            "SubjectAccessReview"
        };
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
        let got = door.send(
            "POST",
            &format!("/apis/authorization.k8s.io/v1/{plural}"),
            &review.to_string(),
        );
        assert_eq!((got.code, got.message().as_str()), (422, message));
    }
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

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Bob may write roles and bindings in `default`, and read pods there.
fn bob_may_write_roles(door: &Door) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "bob"},
        "rules": [
            {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["get", "create", "update", "patch"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "bob"},
        "roleRef": {"kind": "Role", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    for (plural, body) in [("roles", role), ("rolebindings", binding)] {
        let made = door.send(
            "POST",
            &format!("{RBAC}/namespaces/default/{plural}"),
            &body.to_string(),
        );
        assert_eq!(made.code, 201, "{}", made.text);
    }
}

const LACKING: &str = "user \"bob\" (groups=[\"dev\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n";

#[test]
fn nobody_gives_what_they_do_not_have() {
    let door = Door::open();
    bob_may_write_roles(&door);
    let roles = format!("{RBAC}/namespaces/default/roles");
    let role = |resource: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "given"},
            "rules": [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]}]})
    };
    let refused = as_user(&door, &BOB, "POST", &roles, &role("secrets"));
    let message = format!(
        r#"roles.rbac.authorization.k8s.io "given" is forbidden: {LACKING}{{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}}"#
    );
    assert_eq!((refused.code, refused.message()), (403, message.clone()));
    assert_eq!(
        as_user(
            &door,
            &BOB,
            "POST",
            &format!("{roles}?dryRun=All"),
            &role("secrets")
        )
        .code,
        403
    );
    assert_eq!(as_user(&door, &BOB, "POST", &roles, &role("pods")).code, 201);
    let path = format!("{roles}/given");
    assert_eq!(
        as_user(&door, &BOB, "PUT", &path, &role("secrets")).message(),
        message
    );
    let patched = |content: &str, query: &str, body: &Value| {
        let request = Request::builder().method("PATCH").uri(format!("{path}{query}"));
        let request = request
            .header("content-type", content)
            .header("accept", "application/json");
        let request = BOB
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        door.request(request, &body.to_string())
    };
    let more = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    assert_eq!(
        patched("application/merge-patch+json", "", &more).message(),
        message
    );
    assert_eq!(
        patched(
            "application/apply-patch+yaml",
            "?fieldManager=m&force=true",
            &role("secrets")
        )
        .message(),
        message
    );
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(patched("application/merge-patch+json", "", &label).code, 200);
    // What garbage collection changes is not asked about, whatever the role gives.
    let wide = door.send("PUT", &path, &role("secrets").to_string());
    assert_eq!(wide.code, 200, "{}", wide.text);
    assert_eq!(
        patched("application/merge-patch+json", "", &label).message(),
        message
    );
    let owner = json!({"metadata": {"finalizers": ["example.com/f"]}});
    assert_eq!(patched("application/merge-patch+json", "", &owner).code, 200);
}

#[test]
fn binding_needs_the_roles_rights_or_the_right_to_bind() {
    let door = Door::open();
    bob_may_write_roles(&door);
    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let binding = |name: &str, role: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"}})
    };
    let refused = as_user(
        &door,
        &BOB,
        "POST",
        &bindings,
        &binding("b", "system:node-problem-detector"),
    );
    assert_eq!(refused.code, 403, "{}", refused.text);
    assert!(refused.message().starts_with(&format!(
        r#"rolebindings.rbac.authorization.k8s.io "b" is forbidden: {LACKING}"#
    )));
    let missing = as_user(&door, &BOB, "POST", &bindings, &binding("b", "nothing"));
    assert_eq!(
        (missing.code, missing.message().as_str()),
        (
            404,
            r#"clusterrole.rbac.authorization.k8s.io "nothing" not found"#
        )
    );
    let rule = json!([{"op": "add", "path": "/rules/-", "value":
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"]}}]);
    let path = format!("{RBAC}/namespaces/default/roles/bob");
    assert_eq!(
        door.send_as("PATCH", &path, "application/json-patch+json", &rule.to_string())
            .code,
        200
    );
    assert_eq!(
        as_user(&door, &BOB, "POST", &bindings, &binding("b", "view")).code,
        201
    );
    assert_eq!(
        as_user(&door, &BOB, "POST", &bindings, &binding("c", "edit")).code,
        403
    );
}

#[test]
fn only_who_has_everything_aggregates() {
    let door = Door::open();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"},
        "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create"]}],
    });
    assert_eq!(
        door.send("POST", &format!("{RBAC}/clusterroles"), &role.to_string())
            .code,
        201
    );
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "all"},
        "roleRef": {"kind": "ClusterRole", "name": "all", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    assert_eq!(
        door.send(
            "POST",
            &format!("{RBAC}/clusterrolebindings"),
            &binding.to_string()
        )
        .code,
        201
    );
    let gathering = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "g"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, "rules": [],
    });
    let got = as_user(&door, &BOB, "POST", &format!("{RBAC}/clusterroles"), &gathering);
    let message = r#"clusterroles.rbac.authorization.k8s.io "g" is forbidden: must have cluster-admin privileges to use the aggregationRule"#;
    assert_eq!((got.code, got.message().as_str()), (403, message));
}

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";

fn token_of(door: &Door, account: &str, spec: &Value) -> Got {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    door.send("POST", &format!("{ACCOUNTS}/{account}/token"), &body.to_string())
}

fn whoami(door: &Door, token: &str) -> Got {
    let who = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = Request::builder()
        .method("POST")
        .uri("/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let request = request
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json");
    door.anonymous(request, &who.to_string())
}

fn pod(door: &Door, account: &str) -> Value {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"serviceAccountName": account, "nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    let made = door.send("POST", "/api/v1/namespaces/default/pods", &pod.to_string());
    assert_eq!(made.code, 201, "{}", made.text);
    made.json()
}

#[test]
fn a_token_is_its_accounts_for_as_long_as_it_is_told() {
    let door = Door::open();
    let got = token_of(&door, "default", &json!({}));
    assert_eq!(got.code, 201, "{}", got.text);
    assert_eq!(
        got.at("/spec/audiences"),
        json!(["https://kubernetes.default.svc"])
    );
    assert_eq!(
        (got.at("/spec/expirationSeconds"), got.at("/metadata/name")),
        (3600.into(), "default".into())
    );
    let token = got.at("/status/token");
    let who = whoami(&door, token.as_str().unwrap());
    assert_eq!(
        who.at("/status/userInfo/username"),
        "system:serviceaccount:default:default",
        "{}",
        who.text
    );
    let id = who.at("/status/userInfo/extra/authentication.kubernetes.io~1credential-id/0");
    assert!(id.as_str().unwrap().starts_with("JTI="));
    let other = token_of(&door, "default", &json!({"audiences": ["vault"]})).at("/status/token");
    assert_eq!(whoami(&door, other.as_str().unwrap()).code, 401);
    let review = |audiences: &Value| {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": other, "audiences": audiences}});
        door.send(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            &body.to_string(),
        )
    };
    let believed = review(&json!(["vault", "x"]));
    assert_eq!(
        (
            believed.at("/status/authenticated"),
            believed.at("/status/audiences")
        ),
        (true.into(), json!(["vault"]))
    );
    assert_eq!(
        review(&json!(["x", "y"])).at("/status/error"),
        r#"[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["x" "y"]]"#
    );
    let deleted = door.send("DELETE", &format!("{ACCOUNTS}/default"), "");
    assert_eq!(deleted.code, 200);
    assert_eq!(whoami(&door, token.as_str().unwrap()).code, 401);
}

#[test]
fn a_token_dies_with_what_it_is_bound_to() {
    let door = Door::open();
    let pod = pod(&door, "default");
    let bound =
        |uid: &Value| json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": uid}});
    let got = token_of(&door, "default", &bound(&pod["metadata"]["uid"]));
    assert_eq!(got.code, 201, "{}", got.text);
    let token = got.at("/status/token");
    let extra = whoami(&door, token.as_str().unwrap()).at("/status/userInfo/extra");
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], json!(["p"]));
    assert_eq!(extra["authentication.kubernetes.io/node-name"], json!(["n"]));
    assert_eq!(
        extra["authentication.kubernetes.io/pod-uid"],
        json!([pod["metadata"]["uid"]])
    );
    let other = token_of(&door, "default", &bound(&json!("1")));
    let message = r#"Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (1) does not match the UID in record. The object might have been deleted and then recreated"#;
    assert_eq!((other.code, other.message().as_str()), (409, message));
    let gone = door.send(
        "DELETE",
        "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0",
        "",
    );
    assert_eq!(gone.code, 200);
    assert_eq!(whoami(&door, token.as_str().unwrap()).code, 401);
}

#[test]
fn token_requests_that_cannot_be_met_are_refused() {
    let door = Door::open();
    let config = json!({"kind": "ConfigMap", "apiVersion": "v1", "name": "c"});
    let cases = [
        ("nobody", json!({}), 404, r#"serviceaccounts "nobody" not found"#),
        (
            "default",
            json!({"expirationSeconds": 599}),
            422,
            r#"TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"#,
        ),
        (
            "default",
            json!({"expirationSeconds": 4_294_967_297_i64}),
            422,
            r#"TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"#,
        ),
        (
            "default",
            json!({"boundObjectRef": config}),
            400,
            "cannot bind token to object of type /v1, Kind=ConfigMap",
        ),
        (
            "default",
            json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "x"}}),
            404,
            r#"pods "x" not found"#,
        ),
    ];
    for (account, spec, code, message) in cases {
        let got = token_of(&door, account, &spec);
        assert_eq!((got.code, got.message().as_str()), (code, message));
    }
}

#[test]
fn a_secrets_token_is_believed_while_the_secret_has_it() {
    let (door, issuer) = Door::with_issuer();
    let account = door.send("GET", &format!("{ACCOUNTS}/default"), "");
    let name = pki::ObjectName {
        name: "default".to_owned(),
        uid: account.at("/metadata/uid").as_str().unwrap().to_owned(),
    };
    let token = issuer
        .sign_legacy(&pki::LegacyClaims::new("default", "s", &name))
        .unwrap();
    assert_eq!(whoami(&door, &token).code, 401);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "stringData": {"token": token},
    });
    let made = door.send("POST", "/api/v1/namespaces/default/secrets", &secret.to_string());
    assert_eq!(made.code, 201, "{}", made.text);
    let who = whoami(&door, &token);
    assert_eq!(
        who.at("/status/userInfo/username"),
        "system:serviceaccount:default:default",
        "{}",
        who.text
    );
    assert_eq!(
        door.send("DELETE", "/api/v1/namespaces/default/secrets/s", "")
            .code,
        200
    );
    assert_eq!(whoami(&door, &token).code, 401);
}

#[test]
fn a_bootstrap_token_is_of_its_groups_until_it_expires() {
    let door = Door::open();
    let token = "abcdef.0123456789abcdef";
    assert_eq!(whoami(&door, token).code, 401);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": "bootstrap-token-abcdef"},
        "stringData": {
            "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:workers",
        },
    });
    let made = door.send(
        "POST",
        "/api/v1/namespaces/kube-system/secrets",
        &secret.to_string(),
    );
    assert_eq!(made.code, 201, "{}", made.text);
    let who = whoami(&door, token);
    let user = json!({"username": "system:bootstrap:abcdef", "groups": ["system:bootstrappers", "system:bootstrappers:workers", "system:authenticated"]});
    assert_eq!(who.at("/status/userInfo"), user, "{}", who.text);
    let expired = json!({"stringData": {"expiration": "1969-01-01T00:00:00Z"}});
    let path = "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef";
    assert_eq!(
        door.send_as(
            "PATCH",
            path,
            "application/merge-patch+json",
            &expired.to_string()
        )
        .code,
        200
    );
    assert_eq!(whoami(&door, token).code, 401);
}

#[test]
fn who_checks_our_tokens_finds_the_keys() {
    let door = Door::open();
    let provider = door.send("GET", "/.well-known/openid-configuration", "");
    assert_eq!(provider.at("/issuer"), "https://kubernetes.default.svc");
    assert_eq!(provider.at("/jwks_uri"), "https://127.0.0.1:6443/openid/v1/jwks");
    assert_eq!(provider.headers["cache-control"], "public, max-age=3600");
    let keys = door.send("GET", "/openid/v1/jwks", "");
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    assert_eq!(
        (keys.at("/keys/0/kty"), keys.at("/keys/0/alg")),
        ("EC".into(), "ES256".into())
    );
    let account = [("impersonate-user", "system:serviceaccount:default:default")];
    assert_eq!(
        as_user(&door, &account, "GET", "/openid/v1/jwks", &Value::Null).code,
        200
    );
    assert_eq!(
        as_user(&door, &BOB, "GET", "/openid/v1/jwks", &Value::Null).code,
        403
    );
}

#[test]
fn a_kubelet_reads_what_its_pods_need() {
    let door = Door::open();
    let kubelet = |node: &'static str| [("impersonate-user", node), ("impersonate-group", "system:nodes")];
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "nodeName": "one", "containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "s"}}]}]}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    for (plural, body) in [("pods", pod), ("secrets", secret)] {
        let made = door.send(
            "POST",
            &format!("/api/v1/namespaces/default/{plural}"),
            &body.to_string(),
        );
        assert_eq!(made.code, 201, "{}", made.text);
    }
    let path = "/api/v1/namespaces/default/secrets/s";
    assert_eq!(
        as_user(&door, &kubelet("system:node:one"), "GET", path, &Value::Null).code,
        200
    );
    let other = as_user(&door, &kubelet("system:node:two"), "GET", path, &Value::Null);
    let message = r#"secrets "s" is forbidden: User "system:node:two" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node 'two' and this object"#;
    assert_eq!((other.code, other.message().as_str()), (403, message));
    assert_eq!(
        door.send(
            "DELETE",
            "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0",
            ""
        )
        .code,
        200
    );
    assert_eq!(
        as_user(&door, &kubelet("system:node:one"), "GET", path, &Value::Null).code,
        403
    );
    let list = "/api/v1/pods?fieldSelector=spec.nodeName%3Done";
    assert_eq!(
        as_user(&door, &kubelet("system:node:one"), "GET", list, &Value::Null).code,
        200
    );
    assert_eq!(
        as_user(&door, &kubelet("system:node:two"), "GET", list, &Value::Null).code,
        403
    );
    let rules = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}});
    let rules = as_user(
        &door,
        &kubelet("system:node:one"),
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        &rules,
    );
    assert_eq!(rules.at("/status/incomplete"), true);
    assert_eq!(
        rules.at("/status/evaluationError"),
        "node authorizer does not support user rule resolution"
    );
}

/// An administrator's additions stay, what is missing comes back, and who says so is left alone.
#[test]
fn a_second_start_gives_roles_and_bindings_back_what_they_lack() {
    let mut door = Door::open();
    let role = |name: &str| format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}");
    let binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:basic-user";
    let untouched = door.send("GET", &role("system:discovery"), "").json();
    let added = json!({"apiGroups": ["x.io"], "resources": ["xs"], "verbs": ["get"]});
    let put = |door: &Door, path: &str, change: &dyn Fn(&mut Value)| {
        let mut object = door.send("GET", path, "").json();
        let before = object.clone();
        change(&mut object);
        let got = door.send("PUT", path, &object.to_string());
        assert_eq!(got.code, 200, "{got:?}");
        before
    };
    let before = put(&door, &role("system:basic-user"), &|object| {
        object["rules"] = json!([added])
    });
    let left = put(&door, &role("system:public-info-viewer"), &|object| {
        object["rules"] = json!([]);
        object["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false".into();
    });
    put(&door, binding, &|object| object["subjects"] = json!([]));
    door.send("DELETE", &role("system:node-bootstrapper"), "");
    door.start_again();
    let mut rules = vec![added];
    rules.extend(before["rules"].as_array().unwrap().iter().cloned());
    assert_eq!(
        door.send("GET", &role("system:basic-user"), "").at("/rules"),
        Value::Array(rules)
    );
    let left_alone = door.send("GET", &role("system:public-info-viewer"), "");
    assert_ne!(left["rules"], Value::Null);
    assert!(
        matches!(left_alone.at("/rules"), Value::Null | Value::Array(_)),
        "{left_alone:?}"
    );
    assert_ne!(left_alone.at("/rules"), left["rules"]);
    let subjects = door.send("GET", binding, "").at("/subjects");
    assert_eq!(subjects[0]["name"], "system:authenticated");
    assert_eq!(door.send("GET", &role("system:node-bootstrapper"), "").code, 200);
    assert_eq!(door.send("GET", &role("system:discovery"), "").json(), untouched);
}
