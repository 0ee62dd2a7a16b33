//! Certificate requests: who asks, who approves, who signs.

use http::Request;
use serde_json::{Value, json};

use crate::door::{Door, Got};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const PEM: &str = include_str!("csr.b64");

fn request(spec: &Value) -> Value {
    let mut whole =
        json!({"request": PEM.trim(), "signerName": "example.com/signer", "usages": ["client auth"]});
    for (member, value) in spec.as_object().into_iter().flatten() {
        whole[member] = value.clone();
    }
    json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "r"}, "spec": whole})
}

fn put(door: &Door, below: &str, object: &Value) -> Got {
    door.send("PUT", &format!("{REQUESTS}/r{below}"), &object.to_string())
}

fn conditions(kinds: &[&str]) -> Value {
    let of = |kind: &&str| json!({"type": kind, "status": "True", "reason": "R"});
    json!({"conditions": kinds.iter().map(of).collect::<Vec<_>>()})
}

#[test]
fn who_asks_is_who_is_authenticated() {
    let door = Door::open();
    let asked = request(&json!({"username": "root", "groups": ["system:masters"]}));
    let bob = Request::builder().method("POST").uri(REQUESTS);
    let bob = bob
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .header("impersonate-user", "bob")
        .header("impersonate-extra-a", "b");
    let rights = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": "system:node-bootstrapper", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    assert_eq!(door.send("POST", path, &rights.to_string()).code, 201);
    let made = door.request(bob, &asked.to_string());
    assert_eq!(made.code, 201, "{}", made.text);
    assert_eq!(
        (made.at("/spec/username"), made.at("/spec/groups")),
        ("bob".into(), json!(["system:authenticated"]))
    );
    assert_eq!(made.at("/spec/extra"), json!({"a": ["b"]}));
}

#[test]
fn requests_that_cannot_be_signed_are_refused() {
    let door = Door::open();
    let cases = [
        (
            json!({"request": "eA=="}),
            "spec.request",
            "PEM block type must be CERTIFICATE REQUEST",
        ),
        (json!({"usages": []}), "spec.usages", "Required value"),
        (
            json!({"usages": ["client auth", "client auth"]}),
            "spec.usages[1]",
            "Duplicate value: \"client auth\"",
        ),
        (
            json!({"usages": ["x"]}),
            "spec.usages[0]",
            "Unsupported value: \"x\"",
        ),
        (
            json!({"signerName": "kubernetes.io/legacy-unknown"}),
            "spec.signerName",
            "the legacy signerName is not allowed via this API version",
        ),
        (
            json!({"signerName": "x"}),
            "spec.signerName",
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        ),
        (
            json!({"signerName": "x/y"}),
            "spec.signerName",
            "should be a domain with at least two segments separated by dots",
        ),
        (
            json!({"expirationSeconds": 599}),
            "spec.expirationSeconds",
            "may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ];
    for (spec, field, why) in cases {
        let got = door.send("POST", REQUESTS, &request(&spec).to_string());
        assert_eq!(
            (got.code, got.at("/details/causes/0/field")),
            (422, field.into()),
            "{}",
            got.text
        );
        assert!(got.message().contains(why), "{}", got.message());
    }
}

#[test]
fn approval_and_signature_are_written_by_their_own_paths() {
    let door = Door::open();
    let made = door.send("POST", REQUESTS, &request(&json!({})).to_string());
    assert_eq!(made.code, 201, "{}", made.text);
    let mut object = made.json();
    object["status"] = conditions(&["Approved"]);
    object["spec"]["usages"] = json!(["server auth"]);
    let plain = put(&door, "", &object);
    assert_eq!(
        (plain.code, plain.at("/status")),
        (200, json!({})),
        "{}",
        plain.text
    );
    assert_eq!(plain.at("/spec/usages"), json!(["client auth"]));
    let status = put(&door, "/status", &object);
    assert!(
        status
            .message()
            .contains(r#"updates may not add a condition of type "Approved""#),
        "{}",
        status.text
    );
    let approved = put(&door, "/approval", &object);
    assert_eq!(approved.code, 200, "{}", approved.text);
    let condition = approved.at("/status/conditions/0");
    assert_eq!(condition["type"], "Approved");
    assert!(condition["lastUpdateTime"].is_string() && condition["lastTransitionTime"].is_string());
    let mut both = approved.json();
    both["status"] = conditions(&["Approved", "Denied"]);
    let both = put(&door, "/approval", &both);
    assert_eq!(both.code, 422);
    assert!(
        both.message()
            .contains("Approved and Denied conditions are mutually exclusive"),
        "{}",
        both.text
    );
    let mut signed = approved.json();
    signed["status"]["certificate"] = "eA==".into();
    let wrong = put(&door, "/status", &signed);
    assert!(
        wrong
            .message()
            .contains("must contain at least one CERTIFICATE PEM block"),
        "{}",
        wrong.text
    );
    let mut taken = approved.json();
    taken["status"] = json!({});
    let taken = put(&door, "/approval", &taken);
    assert!(
        taken
            .message()
            .contains(r#"updates may not remove a condition of type "Approved""#),
        "{}",
        taken.text
    );
}
