//! "Should support … API operations": the life that upstream's suite leads one kind after the other through.
//!
//! Found in discovery; created, read, listed here and everywhere; patched, updated; its status patched and updated;
//! deleted alone and by label; and a watch from before it all tells every step.

use serde_json::{Value, json};

use crate::door::{Door, Got};
use crate::samples;

const MERGE: &str = "application/merge-patch+json";
const LABEL: &str = "labelSelector=special-label%3De2e";

/// Group, version, plural, whether in a namespace, a patch of the status (empty where there is none).
type Life = (&'static str, &'static str, &'static str, bool, &'static str);

const CONDITION: &str = r#"{"status":{"conditions":[{"type":"StatusPatched","status":"True","reason":"E2E","message":"Set by patch","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;
const FLOW_CONDITION: &str = r#"{"status":{"conditions":[{"type":"PatchStatusFailed","status":"False","reason":"Patch","message":"patched","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;

#[rustfmt::skip]
const LIVES: &[Life] = &[
    ("", "v1", "configmaps", true, ""),
    ("", "v1", "endpoints", true, ""),
    ("", "v1", "events", true, ""),
    ("", "v1", "limitranges", true, ""),
    ("", "v1", "podtemplates", true, ""),
    ("", "v1", "secrets", true, ""),
    ("", "v1", "serviceaccounts", true, ""),
    ("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", false, ""),
    ("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", false, ""),
    ("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", false, CONDITION),
    ("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", false, ""),
    ("apps", "v1", "controllerrevisions", true, ""),
    ("batch", "v1", "cronjobs", true, r#"{"status":{"lastScheduleTime":"2026-01-01T00:00:00Z"}}"#),
    ("certificates.k8s.io", "v1", "certificatesigningrequests", false, ""),
    ("coordination.k8s.io", "v1", "leases", true, ""),
    ("discovery.k8s.io", "v1", "endpointslices", true, ""),
    ("events.k8s.io", "v1", "events", true, ""),
    ("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", false, FLOW_CONDITION),
    ("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", false, FLOW_CONDITION),
    ("networking.k8s.io", "v1", "ingressclasses", false, ""),
    ("networking.k8s.io", "v1", "ingresses", true, r#"{"status":{"loadBalancer":{"ingress":[{"ip":"169.1.1.1"}]}}}"#),
    ("networking.k8s.io", "v1", "ipaddresses", false, ""),
    ("networking.k8s.io", "v1", "servicecidrs", false, CONDITION),
    ("node.k8s.io", "v1", "runtimeclasses", false, ""),
    ("policy", "v1", "poddisruptionbudgets", true, r#"{"status":{"disruptionsAllowed":1,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1}}"#),
    ("resource.k8s.io", "v1", "deviceclasses", false, ""),
    ("resource.k8s.io", "v1", "resourceclaims", true, ""),
    ("resource.k8s.io", "v1", "resourceclaimtemplates", true, ""),
    ("resource.k8s.io", "v1", "resourceslices", false, ""),
    ("scheduling.k8s.io", "v1", "priorityclasses", false, ""),
    ("storage.k8s.io", "v1", "csidrivers", false, ""),
    ("storage.k8s.io", "v1", "csinodes", false, ""),
    ("storage.k8s.io", "v1", "csistoragecapacities", true, ""),
    ("storage.k8s.io", "v1", "storageclasses", false, ""),
    ("storage.k8s.io", "v1", "volumeattachments", false, r#"{"status":{"attached":true}}"#),
    ("storage.k8s.io", "v1", "volumeattributesclasses", false, ""),
];

/// One kind on its way.
struct Walk<'a> {
    door: &'a Door,
    life: &'a Life,
}

impl Walk<'_> {
    fn root(&self) -> String {
        match self.life.0 {
            "" => format!("/api/{}", self.life.1),
            group => format!("/apis/{group}/{}", self.life.1),
        }
    }

    fn collection(&self) -> String {
        let namespace = if self.life.3 { "/namespaces/default" } else { "" };
        format!("{}{namespace}/{}", self.root(), self.life.2)
    }

    fn name(&self, at: usize) -> String {
        match self.life.2 {
            "ipaddresses" => format!("10.43.250.{at}"),
            plural => format!("e2e-{plural}-{at}"),
        }
    }

    fn path(&self, at: usize) -> String {
        format!("{}/{}", self.collection(), self.name(at))
    }

    fn body(&self, at: usize) -> Value {
        let (_, members) = samples::of(self.life.0, self.life.2).unwrap();
        let mut body: Value = serde_json::from_str(&format!("{{{members}}}")).unwrap();
        body["metadata"] = json!({"name": self.name(at), "labels": {"special-label": "e2e"}});
        body
    }

    fn listed(&self, path: &str) -> usize {
        let got = self.door.send("GET", &format!("{path}?{LABEL}"), "");
        assert_eq!(got.code, 200, "{got:?}");
        got.at("/items").as_array().unwrap().len()
    }

    fn is(&self, what: &str, got: &Got, code: u16) {
        assert_eq!(got.code, code, "{what} of {}: {got:?}", self.life.2);
    }

    fn is_discovered(&self) {
        let has = |path: &str, list: &str, member: &str, name: &str| {
            let got = self.door.send("GET", path, "");
            let all = got.at(list);
            let found = all.as_array().unwrap().iter().any(|each| each[member] == name);
            assert!(found, "{path} has no {name}");
        };
        if !self.life.0.is_empty() {
            has("/apis", "/groups", "name", self.life.0);
            let group = format!("/apis/{}", self.life.0);
            has(&group, "/versions", "version", self.life.1);
        }
        has(&self.root(), "/resources", "name", self.life.2);
    }

    fn is_made(&self) {
        for at in 0..3 {
            let body = self.body(at).to_string();
            self.is("create", &self.door.send("POST", &self.collection(), &body), 201);
        }
        let got = self.door.send("GET", &self.path(0), "");
        self.is("get", &got, 200);
        assert_eq!(got.at("/metadata/name"), self.name(0).as_str());
        assert_eq!(self.listed(&self.collection()), 3, "{}", self.life.2);
        let everywhere = format!("{}/{}", self.root(), self.life.2);
        assert_eq!(self.listed(&everywhere), 3, "{everywhere}");
        self.door.settle();
    }

    fn is_changed(&self) {
        let patch = json!({"metadata": {"annotations": {"patched": "true"}}}).to_string();
        let got = self.door.send_as("PATCH", &self.path(0), MERGE, &patch);
        self.is("patch", &got, 200);
        assert_eq!(got.at("/metadata/annotations/patched"), "true");
        let mut object = got.json();
        object["metadata"]["annotations"]["updated"] = json!("true");
        let got = self.door.send("PUT", &self.path(0), &object.to_string());
        self.is("update", &got, 200);
        assert_eq!(got.at("/metadata/annotations/updated"), "true");
        let stale = self.door.send("PUT", &self.path(0), &object.to_string());
        self.is("update under an old version", &stale, 409);
    }

    fn status_is_changed(&self) {
        if self.life.4.is_empty() {
            return;
        }
        let path = format!("{}/status", self.path(0));
        let wanted: Value = serde_json::from_str(self.life.4).unwrap();
        let got = self.door.send_as("PATCH", &path, MERGE, self.life.4);
        self.is("patch of the status", &got, 200);
        contains(&got.at("/status"), &wanted["status"]);
        // Of some kinds the server writes the status, too.
        self.door.settle();
        let mut object = self.door.send("GET", &path, "").json();
        object["metadata"]["annotations"]["updatedstatus"] = json!("true");
        let got = self.door.send("PUT", &path, &object.to_string());
        self.is("update of the status", &got, 200);
        contains(&got.at("/status"), &wanted["status"]);
    }

    /// Of kinds that are protected from deletion while in use: the controllers that let go of them are not here.
    fn is_let_go(&self) {
        for at in 0..3 {
            let path = self.path(at);
            if self
                .door
                .send("GET", &path, "")
                .at("/metadata/finalizers")
                .is_array()
            {
                let none = r#"{"metadata":{"finalizers":null}}"#;
                let got = self.door.send_as("PATCH", &path, MERGE, none);
                self.is("patch of the finalizers", &got, 200);
            }
        }
    }

    fn goes(&self) {
        self.is("delete", &self.door.send("DELETE", &self.path(0), ""), 200);
        self.is("get what is gone", &self.door.send("GET", &self.path(0), ""), 404);
        assert_eq!(self.listed(&self.collection()), 2, "{}", self.life.2);
        let path = format!("{}?{LABEL}", self.collection());
        self.is(
            "delete of the collection",
            &self.door.send("DELETE", &path, ""),
            200,
        );
        assert_eq!(self.listed(&self.collection()), 0, "{}", self.life.2);
    }

    /// What a watch from before tells of the first object: its states in order, each once.
    fn was_watched(&self, since: &Value) {
        let since = since.as_str().unwrap();
        let query = format!("watch=true&timeoutSeconds=5&resourceVersion={since}&{LABEL}");
        let got = self
            .door
            .send("GET", &format!("{}?{query}", self.collection()), "");
        let mut told: Vec<(String, bool, bool)> = got
            .text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|frame| frame["object"]["metadata"]["name"] == self.name(0).as_str())
            .map(|frame| {
                let has = |name: &str| frame["object"]["metadata"]["annotations"][name] == "true";
                let kind = frame["type"].as_str().unwrap().to_owned();
                (kind, has("patched"), has("updated"))
            })
            .collect();
        // Kinds whose status the server writes itself change more often.
        told.dedup();
        told.retain(|state| *state != ("MODIFIED".to_owned(), false, false));
        let state = |kind: &str, patched, updated| (kind.to_owned(), patched, updated);
        let expected = [
            state("ADDED", false, false),
            state("MODIFIED", true, false),
            state("MODIFIED", true, true),
            state("DELETED", true, true),
        ];
        assert_eq!(told, expected, "{}", self.life.2);
    }
}

/// Whether everything that is wanted is there.
fn contains(found: &Value, wanted: &Value) {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            for (name, value) in wanted {
                contains(&found[name], value);
            }
        }
        (Value::Array(found), Value::Array(wanted)) => {
            // Conditions of others may stand beside.
            for value in wanted {
                let same = |each: &&Value| each["type"] == value["type"];
                let each = found
                    .iter()
                    .find(same)
                    .unwrap_or_else(|| panic!("{value} is not in {found:?}"));
                contains(each, value);
            }
        }
        _ => assert_eq!(found, wanted),
    }
}

#[test]
fn kinds_support_the_operations_of_their_api() {
    let door = Door::open();
    for life in LIVES {
        let walk = Walk { door: &door, life };
        let since = door
            .send("GET", &walk.collection(), "")
            .at("/metadata/resourceVersion");
        walk.is_discovered();
        walk.is_made();
        walk.is_changed();
        walk.status_is_changed();
        walk.is_let_go();
        walk.goes();
        walk.was_watched(&since);
    }
}
