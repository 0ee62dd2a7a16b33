//! Reading: pages of lists, Tables, discovery in both forms, the server's version.

use http::Request;
use serde_json::{Value, json};

use crate::door::{Door, Got};

const TEMPLATES: &str = "/api/v1/namespaces/default/podtemplates";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

fn get(door: &Door, path: &str, accept: &str) -> Got {
    door.request(Request::get(path).header("accept", accept), "")
}

fn template(at: usize) -> String {
    let template = json!({"metadata": {"labels": {"test": "test"}}, "spec": {"containers": [{"name": "test", "image": "test2"}]}});
    json!({"metadata": {"name": format!("template-{at:04}")}, "template": template}).to_string()
}

#[test]
fn lists_come_in_chunks() {
    let door = Door::open();
    for at in 0..40 {
        assert_eq!(door.send("POST", TEMPLATES, &template(at)).code, 201);
    }
    for limit in [1, 7, 40, 100] {
        let (mut found, mut token, mut version) = (0, String::new(), Value::Null);
        loop {
            let got = door.send("GET", &format!("{TEMPLATES}?limit={limit}&continue={token}"), "");
            assert_eq!(got.code, 200, "{got:?}");
            let count = got.at("/items").as_array().unwrap().len();
            found += count;
            assert!(count <= limit, "{count} of {limit}");
            if version.is_null() {
                version = got.at("/metadata/resourceVersion");
            }
            assert_eq!(got.at("/metadata/resourceVersion"), version);
            token = got
                .at("/metadata/continue")
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let left = got.at("/metadata/remainingItemCount").as_u64().unwrap_or(0);
            assert_eq!(left, 40 - found as u64);
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(found, 40);
        let whole = door.send("GET", &format!("{TEMPLATES}?limit=0"), "");
        assert_eq!(whole.at("/items").as_array().unwrap().len(), 40);
    }
}

#[test]
fn tables_are_refused_where_there_are_none() {
    let door = Door::open();
    let review = json!({"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}).to_string();
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let request = Request::post(path).header("content-type", "application/json");
    let got = door.request(request.header("accept", TABLE), &review);
    let why = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    assert_eq!((got.code, got.message().as_str()), (406, why));
}

/// Columns and first cells of what is not stored: Scales, components, what a dry run would make.
#[test]
fn what_is_not_stored_has_tables_too() {
    let door = Door::open();
    let pod =
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": pod}});
    let all = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(door.send("POST", all, &deployment.to_string()).code, 201);
    let columns = |got: &Got| -> Vec<String> {
        let all = got.at("/columnDefinitions");
        all.as_array()
            .unwrap()
            .iter()
            .map(|each| each["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let scale = get(&door, &format!("{all}/d/scale"), TABLE);
    assert_eq!(columns(&scale), ["Name", "Desired", "Available", "Age"]);
    assert_eq!(scale.at("/rows/0/cells/0"), "d");
    assert_eq!(
        (scale.at("/rows/0/cells/1"), scale.at("/rows/0/cells/2")),
        (json!(3), json!(0))
    );
    assert_eq!(scale.at("/rows/0/object/kind"), "PartialObjectMetadata");
    let parts = get(&door, "/api/v1/componentstatuses", TABLE);
    assert_eq!(columns(&parts), ["Name", "Status", "Message", "Error"]);
    let cells = |at: usize| parts.at(&format!("/rows/{at}/cells"));
    assert_eq!(cells(1), json!(["etcd-0", "Healthy", "ok", ""]));
    assert_eq!(
        cells(2),
        json!(["scheduler", "Unhealthy", "", "no scheduler runs in this process"])
    );
    let map = r#"{"metadata":{"name":"m"},"data":{"k":"v"}}"#;
    let request = Request::post("/api/v1/namespaces/default/configmaps?dryRun=All");
    let request = request
        .header("content-type", "application/json")
        .header("accept", TABLE);
    let dry = door.request(request, map);
    assert_eq!(
        (dry.code, columns(&dry)),
        (201, vec!["Name".to_owned(), "Data".to_owned(), "Age".to_owned()])
    );
    assert_eq!(dry.at("/rows/0/cells/1"), 1);
}

#[test]
fn parts_of_the_control_plane_say_how_they_are() {
    let door = Door::open();
    let all = "/api/v1/componentstatuses";
    let names = |query: &str| -> Vec<String> {
        let items = door.send("GET", &format!("{all}{query}"), "").at("/items");
        items
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(""), ["controller-manager", "etcd-0", "scheduler"]);
    assert_eq!(names("?fieldSelector=metadata.name%3Detcd-0"), ["etcd-0"]);
    assert_eq!(names("?labelSelector=a%3Db"), [""; 0]);
    let store = door.send("GET", &format!("{all}/etcd-0"), "");
    assert_eq!(
        (store.at("/kind"), store.at("/apiVersion")),
        (json!("ComponentStatus"), json!("v1"))
    );
    assert_eq!(
        store.at("/conditions/0"),
        json!({"type": "Healthy", "status": "True", "message": "ok"})
    );
    let none = door.send("GET", &format!("{all}/nope"), "");
    assert_eq!(
        (none.code, none.message().as_str()),
        (500, "Component not found: nope")
    );
    let partial = get(
        &door,
        all,
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    );
    assert_eq!(partial.at("/items/1/metadata/name"), "etcd-0", "{partial:?}");
}

/// Each group that upstream's test looks for, and a resource in it.
const GROUPS: &[(&str, &str)] = &[
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("apps", "Deployment"),
    ("authentication.k8s.io", "TokenReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "Job"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("events.k8s.io", "Event"),
    ("networking.k8s.io", "Ingress"),
    ("node.k8s.io", "RuntimeClass"),
    ("policy", "PodDisruptionBudget"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
];

#[test]
fn each_group_tells_its_versions_and_resources() {
    let door = Door::open();
    for (group, kind) in GROUPS {
        let told = door.send("GET", &format!("/apis/{group}"), "");
        let version = told.at("/preferredVersion/groupVersion");
        let path = format!("/apis/{}", version.as_str().unwrap());
        let resources = door.send("GET", &path, "");
        assert_eq!(resources.at("/groupVersion"), version);
        let all = resources.at("/resources");
        let found = all.as_array().unwrap().iter().any(|each| each["kind"] == *kind);
        assert!(found, "{path} has no {kind}");
    }
}

#[test]
fn the_preferred_version_is_one_of_the_groups() {
    let door = Door::open();
    let groups = door.send("GET", "/apis", "").at("/groups");
    for group in groups.as_array().unwrap() {
        let name = group["name"].as_str().unwrap();
        let own = door.send("GET", &format!("/apis/{name}"), "");
        let preferred = own.at("/preferredVersion/version");
        let versions = own.at("/versions");
        let known = versions
            .as_array()
            .unwrap()
            .iter()
            .any(|each| each["version"] == preferred);
        assert!(known, "{name}: {preferred} is not in {versions}");
        assert_eq!(own.at("/versions"), group["versions"]);
    }
}

#[test]
fn discovery_is_one_document_for_those_who_ask_for_it() {
    let door = Door::open();
    for version in ["v2", "v2beta1"] {
        let accept = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        for path in ["/api", "/apis"] {
            let got = get(&door, path, &accept);
            assert_eq!(got.at("/kind"), "APIGroupDiscoveryList", "{path}");
            assert_eq!(
                got.at("/apiVersion"),
                format!("apidiscovery.k8s.io/{version}").as_str()
            );
            assert_eq!(got.headers["content-type"].to_str().unwrap(), accept);
        }
    }
    let whole = get(
        &door,
        "/apis",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    );
    let groups = whole.at("/items");
    for (group, kind) in GROUPS {
        let found = groups
            .as_array()
            .unwrap()
            .iter()
            .find(|each| each["metadata"]["name"] == *group);
        let resources = &found.unwrap_or_else(|| panic!("{group} is not told"))["versions"][0]["resources"];
        let known = resources
            .as_array()
            .unwrap()
            .iter()
            .any(|each| each["responseKind"]["kind"] == *kind);
        assert!(known, "{group} has no {kind}");
    }
    let plain = get(&door, "/apis", "application/json");
    assert_eq!(plain.at("/kind"), "APIGroupList");
}

#[test]
fn the_server_has_a_version() {
    let got = Door::open().send("GET", "/version", "");
    let number = |name: &str| {
        got.at(name)
            .as_str()
            .unwrap()
            .trim_end_matches('+')
            .parse::<u32>()
    };
    assert_eq!((number("/major"), number("/minor")), (Ok(1), Ok(36)), "{got:?}");
}

#[test]
fn reviews_answer_for_oneself_and_for_others() {
    let door = Door::open();
    let rule = json!({"metadata": {"name": "e2e"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]});
    let binding = json!({"metadata": {"name": "e2e"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "e2e"},
        "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": "default"}]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    for (plural, object) in [("clusterroles", rule), ("clusterrolebindings", binding)] {
        assert_eq!(
            door.send("POST", &format!("{rbac}/{plural}"), &object.to_string())
                .code,
            201
        );
    }
    let asked = json!({"user": "system:serviceaccount:default:e2e", "resourceAttributes": {"verb": "list", "resource": "configmaps", "version": "v1"}});
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let got = door.send("POST", path, &json!({"spec": asked}).to_string());
    assert_eq!(
        (got.code, got.at("/status/allowed")),
        (201, json!(true)),
        "{got:?}"
    );
    let mut local = asked;
    local["resourceAttributes"]["namespace"] = json!("default");
    let path = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews";
    let body = json!({"metadata": {"namespace": "default"}, "spec": local});
    let got = door.send("POST", path, &body.to_string());
    assert_eq!(
        (got.code, got.at("/status/allowed")),
        (201, json!(true)),
        "{got:?}"
    );
    let own =
        json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "configmaps", "version": "v1"}}});
    let got = door.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        &own.to_string(),
    );
    assert_eq!(got.at("/status/allowed"), true);
    let got = door.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        r#"{"spec":{"namespace":"default"}}"#,
    );
    assert!(
        !got.at("/status/resourceRules").as_array().unwrap().is_empty(),
        "{got:?}"
    );
}
