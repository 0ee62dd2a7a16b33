use std::time::SystemTime;

use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::json::{Options, decode, encode};
use schema::resource::by_resource;
use schema::tree::{Struct, Value};

use crate::{Context, User, strategy};

pub(crate) fn read(group: &str, plural: &str, version: &str, json: &str) -> Struct {
    let (_, row) = by_resource(group, version, plural).unwrap();
    let mut object = decode(&BUILTIN, row.schema, json.as_bytes(), Options::default())
        .unwrap()
        .object;
    schema::defaults::apply(&BUILTIN, &mut object);
    (strategy(group, plural).default)(&BUILTIN, &mut object);
    object
}

pub(crate) fn text(object: &Struct) -> String {
    let mut out = Vec::new();
    encode(&BUILTIN, object, &mut out);
    String::from_utf8(out).unwrap()
}

fn context() -> Context<'static> {
    Context {
        types: &BUILTIN,
        now: SystemTime::UNIX_EPOCH,
        version: "v1",
        namespace: "default",
        name: "a",
        subresource: "",
        user: User::default(),
    }
}

pub(crate) fn faults(group: &str, plural: &str, version: &str, json: &str) -> Vec<String> {
    let mut object = read(group, plural, version, json);
    cursor::set(&BUILTIN, &mut object, "metadata.uid", Value::str("u"));
    (strategy(group, plural).prepare_create)(&context(), &mut object);
    let mut errors = Errors::new();
    (strategy(group, plural).validate_create)(&context(), Ref::new(&BUILTIN, &object), &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

pub(crate) fn update_faults(group: &str, plural: &str, old: &str, new: &str) -> Vec<String> {
    through(group, plural, "", old, new)
}

/// What is wrong with an update through a path below the object.
pub(crate) fn through(group: &str, plural: &str, path: &str, old: &str, new: &str) -> Vec<String> {
    let (mut new, old) = (read(group, plural, "v1", new), read(group, plural, "v1", old));
    let row = strategy(group, plural);
    let below = row.subresources.iter().find(|below| below.name == path);
    let (prepare, validate) = match (path, below) {
        (_, Some(below)) => (below.prepare, below.validate),
        ("status", _) => (row.prepare_status, row.validate_status),
        _ => (row.prepare_update, row.validate_update),
    };
    prepare(&context(), &mut new, &old);
    let (new, old) = (Ref::new(&BUILTIN, &new), Ref::new(&BUILTIN, &old));
    let mut errors = Errors::new();
    validate(&context(), new, old, &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

pub(super) const TEMPLATE: &str =
    r#"{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"nginx:1"}]}}"#;

#[test]
fn a_pod_gets_upstreams_defaults() {
    let json = r#"{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"host:5000/nginx",
        "resources":{"limits":{"cpu":"1"}},"livenessProbe":{"httpGet":{"port":80}}}],
        "volumes":[{"name":"v"},{"name":"s","secret":{"secretName":"x"}}]}}"#;
    let pod = text(&read("", "pods", "v1", json));
    for part in [
        r#""restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst""#,
        r#""securityContext":{},"schedulerName":"default-scheduler","enableServiceLinks":true"#,
        r#""terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"Always""#,
        r#""resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}}"#,
        r#"{"name":"v","emptyDir":{}}"#,
        r#""secret":{"secretName":"x","defaultMode":420}"#,
        r#""httpGet":{"path":"/","port":80,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3"#,
    ] {
        assert!(pod.contains(part), "{part}\n{pod}");
    }
}

#[test]
fn defaults_are_the_same_the_second_time() {
    for (group, plural, strategy) in super::ROWS {
        let def = schema::resource::builtin()
            .iter()
            .find(|def| def.group == *group && def.plural == *plural);
        let version = def.unwrap().storage_version.version.to_string();
        let json = format!(
            r#"{{"metadata":{{"name":"a"}},"spec":{{"template":{TEMPLATE},"limits":[{{"type":"Container",
            "max":{{"cpu":"2"}},"min":{{"memory":"1"}}}}],"jobTemplate":{{"spec":{{"template":{TEMPLATE}}}}}}}}}"#
        );
        let mut object = read(group, plural, &version, &json);
        let once = text(&object);
        (strategy.default)(&BUILTIN, &mut object);
        assert_eq!(text(&object), once, "{group}/{plural}");
    }
}

#[test]
fn wrong_pods_are_refused_with_upstreams_texts() {
    let with = |container: &str| format!(r#"{{"spec":{{"containers":[{container}]}}}}"#);
    for (json, expected) in [
        (with(""), "spec.containers: Required value"),
        (
            with(r#"{"name":"c"}"#),
            "spec.containers[0].image: Required value",
        ),
        (
            with(r#"{"name":"c","image":"i","imagePullPolicy":"No"}"#),
            r#"spec.containers[0].imagePullPolicy: Unsupported value: "No": supported values: "Always", "IfNotPresent", "Never""#,
        ),
        (
            with(r#"{"name":"c","image":"i"},{"name":"c","image":"i"}"#),
            r#"spec.containers[1].name: Duplicate value: "c""#,
        ),
        (
            with(r#"{"name":"c","image":"i","ports":[{"containerPort":70000}]}"#),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            with(r#"{"name":"c","image":"i","volumeMounts":[{"name":"v","mountPath":"/v"}]}"#),
            r#"spec.containers[0].volumeMounts[0].name: Not found: "v""#,
        ),
        (
            with(r#"{"name":"c","image":"i","resources":{"limits":{"cpu":"1"},"requests":{"cpu":"2"}}}"#),
            r#"spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#,
        ),
        (
            with(r#"{"name":"c","image":"i","livenessProbe":{}}"#),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
    ] {
        assert_eq!(faults("", "pods", "v1", &json), [expected], "{json}");
    }
}

#[test]
fn wrong_controllers_are_refused_with_upstreams_texts() {
    let spec = |selector: &str| format!(r#"{{"spec":{{{selector}"template":{TEMPLATE}}}}}"#);
    assert_eq!(
        faults("apps", "deployments", "v1", &spec("")),
        [
            "spec.selector: Required value",
            r#"spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`"#
        ]
    );
    assert_eq!(
        faults(
            "apps",
            "deployments",
            "v1",
            &spec(r#""selector":{"matchLabels":{"a":"c"}},"#)
        ),
        [
            r#"spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`"#
        ]
    );
    assert_eq!(
        faults("batch", "jobs", "v1", &spec("")),
        [r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#]
    );
}

#[test]
fn an_update_changes_only_what_it_may() {
    let pod = |image: &str, node: &str| {
        format!(r#"{{"spec":{{"nodeName":"{node}","containers":[{{"name":"c","image":"{image}"}}]}}}}"#)
    };
    assert_eq!(
        update_faults("", "pods", &pod("i:1", "n"), &pod("i:2", "n")),
        [""; 0]
    );
    let faults = update_faults("", "pods", &pod("i:1", "n"), &pod("i:1", "m"));
    assert!(
        faults[0].starts_with("spec: Forbidden: pod updates may not change fields other than"),
        "{faults:?}"
    );
}
