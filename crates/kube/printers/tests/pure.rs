//! Cells of objects in the states that people look at tables for, and the table around them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use printers::{Include, ListMeta, MetaVersion, Options, Table, printer};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options as Decoding, decode};
use schema::resource::by_resource;
use serde_json::{Value, json};

/// 2024-01-01T01:00:00Z
const NOW: i64 = 1_704_070_800;

fn table(group: &str, version: &str, plural: &str, object: &Value, include: Include) -> Value {
    let (_, row) = by_resource(group, version, plural).unwrap();
    let bytes = serde_json::to_vec(object).unwrap();
    let tree = decode(&BUILTIN, row.schema, &bytes, Decoding::default())
        .unwrap()
        .object;
    let options = Options {
        version: MetaVersion::V1,
        include,
        headers: false,
    };
    let mut table = Table::new(printer(group, plural), &ListMeta::default(), options);
    table.row(Ref::new(&BUILTIN, &tree), NOW, &bytes).unwrap();
    serde_json::from_slice(&table.finish()).unwrap()
}

fn cells(group: &str, version: &str, plural: &str, object: &Value) -> Vec<String> {
    let table = table(group, version, plural, object, Include::None);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    let text = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    cells.iter().map(text).collect()
}

fn pod(spec: Value, status: Value, deleted: bool) -> Vec<String> {
    let mut metadata = json!({ "name": "p", "creationTimestamp": "2024-01-01T00:00:00Z" });
    if deleted {
        metadata["deletionTimestamp"] = json!("2024-01-01T00:30:00Z");
    }
    let object = json!({ "metadata": metadata, "spec": spec, "status": status });
    cells("", "v1", "pods", &object)[1..5].to_vec()
}

#[test]
fn a_pods_status_sums_up_its_containers() {
    let two = json!({ "containers": [{ "name": "a" }, { "name": "b" }] });
    let init =
        json!({ "containers": [{ "name": "a" }], "initContainers": [{ "name": "i" }, { "name": "j" }] });
    let sidecar = json!({ "containers": [{ "name": "a" }],
        "initContainers": [{ "name": "s", "restartPolicy": "Always" }] });
    let running = json!({ "name": "a", "ready": true, "state": { "running": {} } });
    let crashing = json!({ "name": "b", "restartCount": 3, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        "lastState": { "terminated": { "exitCode": 1, "finishedAt": "2024-01-01T00:58:00Z" } } });
    let completed =
        json!({ "name": "b", "state": { "terminated": { "reason": "Completed", "exitCode": 0 } } });
    let killed = json!({ "name": "a", "state": { "terminated": { "signal": 9, "exitCode": 137 } } });
    let cases = [
        (
            &two,
            json!({ "phase": "Pending" }),
            false,
            ["0/2", "Pending", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Running", "containerStatuses": [running, crashing] }),
            false,
            ["1/2", "CrashLoopBackOff", "3 (2m ago)", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Running", "containerStatuses": [running, completed],
                "conditions": [{ "type": "Ready", "status": "True" }] }),
            false,
            ["1/2", "Running", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Running", "containerStatuses": [completed, running] }),
            false,
            ["1/2", "NotReady", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Failed", "containerStatuses": [killed] }),
            false,
            ["0/2", "Signal:9", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Failed", "reason": "Evicted" }),
            false,
            ["0/2", "Evicted", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Running" }),
            true,
            ["0/2", "Terminating", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Succeeded" }),
            true,
            ["0/2", "Succeeded", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Running", "reason": "NodeLost" }),
            true,
            ["0/2", "Unknown", "0", "60m"],
        ),
        (
            &two,
            json!({ "phase": "Pending",
                "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }] }),
            false,
            ["0/2", "SchedulingGated", "0", "60m"],
        ),
        (
            &init,
            json!({ "phase": "Pending", "initContainerStatuses": [
                { "name": "i", "state": { "terminated": { "exitCode": 0 } } }, { "name": "j", "state": { "running": {} } }] }),
            false,
            ["0/1", "Init:1/2", "0", "60m"],
        ),
        (
            &init,
            json!({ "phase": "Pending", "initContainerStatuses": [
                { "name": "i", "restartCount": 2, "state": { "terminated": { "exitCode": 3 } } }] }),
            false,
            ["0/1", "Init:ExitCode:3", "2", "60m"],
        ),
        (
            &sidecar,
            json!({ "phase": "Running", "containerStatuses": [running],
                "initContainerStatuses": [{ "name": "s", "started": true, "ready": true, "state": { "running": {} } }] }),
            false,
            ["2/2", "Running", "0", "60m"],
        ),
    ];
    for (spec, status, deleted, expected) in cases {
        assert_eq!(pod(spec.clone(), status.clone(), deleted), expected, "{status}");
    }
}

#[test]
fn cells_read_as_upstreams() {
    let at = json!({ "name": "x", "creationTimestamp": "2024-01-01T00:59:55Z" });
    let cases = [
        (
            ("", "v1", "services"),
            json!({ "metadata": at, "spec": { "type": "NodePort", "clusterIPs": ["10.0.0.1"], "selector": { "a": "b" },
                "ports": [{ "port": 80, "nodePort": 30080, "protocol": "TCP" }, { "port": 53, "protocol": "UDP" }] } }),
            vec![
                "x",
                "NodePort",
                "10.0.0.1",
                "<none>",
                "80:30080/TCP,53/UDP",
                "5s",
                "a=b",
            ],
        ),
        (
            ("", "v1", "services"),
            json!({ "metadata": at, "spec": { "type": "LoadBalancer" } }),
            vec![
                "x",
                "LoadBalancer",
                "<none>",
                "<pending>",
                "<none>",
                "5s",
                "<none>",
            ],
        ),
        (
            ("", "v1", "endpoints"),
            json!({ "metadata": at, "subsets": [{ "addresses": [{ "ip": "1.1.1.1" }, { "ip": "::1" }],
                "ports": [{ "port": 1 }, { "port": 2 }] }] }),
            vec!["x", "1.1.1.1:1,[::1]:1,1.1.1.1:2 + 1 more...", "5s"],
        ),
        (
            ("", "v1", "nodes"),
            json!({ "metadata": { "name": "n", "labels": { "node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "a" } },
                "spec": { "unschedulable": true }, "status": { "conditions": [{ "type": "Ready", "status": "Unknown" }] } }),
            vec![
                "n",
                "NotReady,SchedulingDisabled",
                "a,control-plane",
                "<unknown>",
                "",
                "<none>",
                "<none>",
                "<unknown>",
                "<unknown>",
                "<unknown>",
            ],
        ),
        (
            ("batch", "v1", "jobs"),
            json!({ "metadata": at, "spec": { "parallelism": 3 },
                "status": { "succeeded": 1, "startTime": "2024-01-01T00:00:00Z", "completionTime": "2024-01-01T00:01:05Z",
                    "conditions": [{ "type": "Complete", "status": "True" }] } }),
            vec!["x", "Complete", "1/1 of 3", "65s", "5s", "", "", "<none>"],
        ),
        (
            ("apps", "v1", "deployments"),
            json!({ "metadata": at, "spec": { "replicas": 2, "selector": { "matchLabels": { "b": "c" },
                "matchExpressions": [{ "key": "a", "operator": "In", "values": ["z", "y"] }] } }, "status": { "readyReplicas": 1 } }),
            vec!["x", "1/2", "0", "0", "5s", "", "", "a in (y,z),b=c"],
        ),
        (
            ("autoscaling", "v2", "horizontalpodautoscalers"),
            json!({ "metadata": at, "spec": { "maxReplicas": 5, "scaleTargetRef": { "kind": "Deployment", "name": "d" },
                "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "averageUtilization": 80 } } }] } }),
            vec![
                "x",
                "Deployment/d",
                "cpu: <unknown>/80%",
                "<unset>",
                "5",
                "0",
                "5s",
            ],
        ),
        (
            ("networking.k8s.io", "v1", "ingresses"),
            json!({ "metadata": at, "spec": { "tls": [{}], "rules": [{ "host": "a" }, { "host": "b" }, { "host": "c" }, {}] } }),
            vec!["x", "<none>", "a,b,c + 1 more...", "", "80, 443", "5s"],
        ),
        (
            ("rbac.authorization.k8s.io", "v1", "rolebindings"),
            json!({ "metadata": at, "roleRef": { "kind": "Role", "name": "r" }, "subjects": [
                { "kind": "User", "name": "u" }, { "kind": "ServiceAccount", "namespace": "n", "name": "s" }] }),
            vec!["x", "Role/r", "5s", "u", "", "n/s"],
        ),
        (
            ("rbac.authorization.k8s.io", "v1", "roles"),
            json!({ "metadata": at }),
            vec!["x", "2024-01-01T00:59:55Z"],
        ),
    ];
    for ((group, version, plural), object, expected) in cases {
        assert_eq!(cells(group, version, plural, &object), expected, "{plural}");
    }
}

#[test]
fn rows_say_of_their_objects_what_was_asked() {
    let object = json!({ "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "name": "c", "resourceVersion": "7" },
        "data": { "a": "b" } });
    let row = |include| table("", "v1", "configmaps", &object, include)["rows"][0]["object"].clone();
    assert_eq!(row(Include::None), Value::Null);
    assert_eq!(row(Include::Object), object);
    let partial = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] });
    assert_eq!(row(Include::Metadata), partial);
}
