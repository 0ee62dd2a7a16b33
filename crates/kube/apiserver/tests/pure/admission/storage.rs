//! Claims, classes, protection; ingress classes.

use serde_json::{Value, json};

use super::{make, refused};
use crate::door::Door;

const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";

fn claim(name: &str, spec: Value) -> Value {
    let mut claim = json!({
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    if let Value::Object(members) = spec {
        members
            .into_iter()
            .for_each(|(key, value)| claim["spec"][key] = value);
    }
    claim
}

fn class(name: &str, default: bool, grows: bool) -> Value {
    let mark = json!({"storageclass.kubernetes.io/is-default-class": default.to_string()});
    json!({
        "metadata": {"name": name, "annotations": mark},
        "provisioner": "p", "allowVolumeExpansion": grows,
    })
}

#[test]
fn a_claim_gets_the_default_class_and_stays_while_used() {
    let door = Door::open();
    let made = make(&door, CLAIMS, &claim("none", json!({})));
    assert_eq!(made.at("/spec/storageClassName"), Value::Null);
    assert_eq!(
        made.at("/metadata/finalizers"),
        json!(["kubernetes.io/pvc-protection"])
    );
    make(&door, CLASSES, &class("slow", false, false));
    make(&door, CLASSES, &class("fast", true, false));
    let made = make(&door, CLAIMS, &claim("some", json!({})));
    assert_eq!(made.at("/spec/storageClassName"), "fast");
    let made = make(&door, CLAIMS, &claim("own", json!({"storageClassName": ""})));
    assert_eq!(made.at("/spec/storageClassName"), "");
}

#[test]
fn a_bound_claim_grows_if_its_class_lets_it() {
    let door = Door::open();
    make(&door, CLASSES, &class("grows", true, true));
    make(&door, CLASSES, &class("stays", false, false));
    let grow = |name: &str| {
        let patch = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}).to_string();
        door.send_as(
            "PATCH",
            &format!("{CLAIMS}/{name}"),
            "application/merge-patch+json",
            &patch,
        )
    };
    for name in ["grows", "stays"] {
        let spec = json!({"storageClassName": name, "volumeName": "v"});
        let mut made = make(&door, CLAIMS, &claim(name, spec)).json();
        if name == "grows" {
            // The kind's own rules refuse it before the plugin, which says so too, is asked.
            let early = grow(name).message();
            assert!(early.contains("spec is immutable after creation"), "{early}");
        }
        made["status"] = json!({"phase": "Bound"});
        let put = door.send("PUT", &format!("{CLAIMS}/{name}/status"), &made.to_string());
        assert_eq!(put.code, 200, "{put:?}");
    }
    assert_eq!(grow("grows").code, 200);
    let refused = grow("stays");
    assert_eq!(
        (refused.code, refused.message().as_str()),
        (
            403,
            r#"persistentvolumeclaims "stays" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"#
        )
    );
}

#[test]
fn an_ingress_gets_the_default_class() {
    let door = Door::open();
    let class = json!({
        "metadata": {"name": "web", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "example.com/web"},
    });
    make(&door, "/apis/networking.k8s.io/v1/ingressclasses", &class);
    let ingress = json!({
        "metadata": {"name": "i"},
        "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}},
    });
    let path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    let made = make(&door, path, &ingress);
    assert_eq!(made.at("/spec/ingressClassName"), "web");
}

#[test]
fn nobody_becomes_an_administrator_by_certificate() {
    let door = Door::open();
    let request = json!({
        "metadata": {"name": "c"},
        "spec": {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "request": "bm9uZQ=="},
    });
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let got = super::post(&door, path, &request);
    // What is no request is refused by the kind's own rules, before anybody looks at its subject.
    assert!([403, 422].contains(&got.code), "{got:?}");
    refused(
        &door,
        "/api/v1/namespaces/nowhere/configmaps",
        &json!({"metadata": {"name": "c"}}),
        404,
        r#"namespaces "nowhere" not found"#,
    );
}
