//! Server-side apply: ownership, conflicts, removal, errors.

use patch::managed::{Application, ApplyError, apply, update};
use schema::json::parse;
use schema::tree::Struct;

use super::{json, kind, managers, object, writer};
use patch::managed::Kind;

const ONE: &str = "2026-01-01T00:00:01Z";
const TWO: &str = "2026-01-01T00:00:02Z";

fn applied(
    kind: Kind<'_>,
    name: &str,
    live: Option<&Struct>,
    config: &str,
    manager: &'static str,
    force: bool,
) -> Result<Struct, ApplyError> {
    let config = parse(config.as_bytes()).unwrap();
    let application = Application {
        name,
        kind,
        live,
        config: &config,
        force,
    };
    apply(
        application,
        &writer(manager, if live.is_some() { TWO } else { ONE }),
    )
    .map(|applied| applied.object)
}

fn config_map(data: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c","namespace":"default"}},"data":{{{data}}}}}"#
    )
}

#[test]
fn what_is_no_longer_applied_goes_unless_others_own_it() {
    let kind = kind("v1", "ConfigMap");
    let apply = |live: Option<&Struct>, data: &str, manager, force| {
        applied(kind, "ConfigMap", live, &config_map(data), manager, force).unwrap()
    };
    let first = apply(None, r#""a":"1","b":"1""#, "one", false);
    assert_eq!(
        managers(kind, &first),
        format!(r#"one Apply v1 {ONE} {{"f:data":{{"f:a":{{}},"f:b":{{}}}}}}"#)
    );
    let less = apply(Some(&first), r#""a":"1""#, "one", false);
    assert!(
        json(kind, &less).contains(r#""data":{"a":"1"}"#),
        "{}",
        json(kind, &less)
    );
    let shared = apply(Some(&first), r#""b":"1""#, "two", false);
    assert_eq!(
        managers(kind, &shared),
        format!(
            "two Apply v1 {{\"f:data\":{{\"f:b\":{{}}}}}}\none Apply v1 {ONE} {{\"f:data\":{{\"f:a\":{{}},\"f:b\":{{}}}}}}"
        )
    );
    let kept = apply(Some(&shared), r#""a":"1""#, "one", false);
    assert!(json(kind, &kept).contains(r#""data":{"a":"1","b":"1"}"#));
    let taken = apply(Some(&first), r#""a":"2""#, "two", true);
    assert_eq!(
        managers(kind, &taken),
        format!(
            "one Apply v1 {ONE} {{\"f:data\":{{\"f:b\":{{}}}}}}\ntwo Apply v1 {TWO} {{\"f:data\":{{\"f:a\":{{}}}}}}"
        )
    );
}

#[test]
fn conflicts_are_told_in_upstreams_words() {
    let kind = kind("apps/v1", "Deployment");
    let config = |replicas: u8, paused: bool| {
        format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d","namespace":"default"}},"spec":{{"replicas":{replicas},"paused":{paused}}}}}"#
        )
    };
    let mut live = object(kind, &config(1, false));
    update(kind, None, &mut live, &writer("kubectl", ONE));
    let status = applied(kind, "Deployment", Some(&live), &config(2, false), "other", false)
        .unwrap_err()
        .status();
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        r#"Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas"#
    );
    let causes = status.details.unwrap().causes;
    assert_eq!(
        (causes[0].reason.as_str(), causes[0].field.as_str()),
        ("FieldManagerConflict", ".spec.replicas")
    );
    assert_eq!(causes[0].message, r#"conflict with "kubectl" using apps/v1"#);

    let live = applied(kind, "Deployment", None, &config(1, true), "one", false).unwrap();
    let status = applied(kind, "Deployment", Some(&live), &config(2, false), "two", false)
        .unwrap_err()
        .status();
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .spec.paused\n- .spec.replicas"
    );
}

#[test]
fn an_object_that_nobody_managed_is_managed_from_the_first_apply() {
    let kind = kind("v1", "ConfigMap");
    let live = object(kind, &config_map(r#""a":"1""#));
    let text = applied(
        kind,
        "ConfigMap",
        Some(&live),
        &config_map(r#""a":"2""#),
        "one",
        false,
    )
    .unwrap_err()
    .status()
    .message;
    assert_eq!(
        text,
        r#"Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a"#
    );
    let forced = applied(
        kind,
        "ConfigMap",
        Some(&live),
        &config_map(r#""a":"2""#),
        "one",
        true,
    )
    .unwrap();
    assert_eq!(
        managers(kind, &forced),
        format!(
            "one Apply v1 {TWO} {{\"f:data\":{{\"f:a\":{{}}}}}}\nbefore-first-apply Update v1 {TWO} {{\"f:data\":{{}}}}"
        )
    );
}

#[test]
fn what_kubectl_applied_client_side_it_may_apply() {
    let kind = kind("v1", "ConfigMap");
    let last = config_map(r#""a":"1""#).replace('"', "\\\"");
    let with = |data: &str| {
        config_map(data).replace(
            r#""namespace""#,
            &format!(
                r#""annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{last}"}},"namespace""#
            ),
        )
    };
    let mut live = object(kind, &with(r#""a":"1","b":"1""#));
    update(kind, None, &mut live, &writer("kubectl-client-side-apply", ONE));
    let now = applied(
        kind,
        "ConfigMap",
        Some(&live),
        &config_map(r#""a":"2""#),
        "kubectl",
        false,
    )
    .unwrap();
    assert!(
        json(kind, &now)
            .contains(r#"last-applied-configuration":"{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\"},"#),
        "{}",
        json(kind, &now)
    );
    let text = applied(
        kind,
        "ConfigMap",
        Some(&live),
        &config_map(r#""a":"2","b":"2""#),
        "kubectl",
        false,
    )
    .unwrap_err()
    .status()
    .message;
    assert_eq!(
        text,
        r#"Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.b"#
    );
}

#[test]
fn lists_merge_by_their_keys_in_the_order_of_the_configuration() {
    let kind = kind("v1", "Pod");
    let pod = |names: &[&str]| {
        let containers: Vec<String> = names
            .iter()
            .map(|name| format!(r#"{{"name":"{name}","image":"i"}}"#))
            .collect();
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{{"containers":[{}]}}}}"#,
            containers.join(",")
        )
    };
    for (live, config, expected) in [
        (&["a", "b"][..], &["a", "b"][..], "a b"),
        (&["a", "b"], &["b"], "a b"),
        (&["a", "b"], &["b", "a"], "b a"),
        (&["a", "b", "c"], &["c", "x", "a"], "b c x a"),
        (&["a", "b"], &["x", "a"], "x a b"),
    ] {
        let mut object = object(kind, &pod(live));
        update(kind, None, &mut object, &writer("one", ONE));
        let now = applied(kind, "Pod", Some(&object), &pod(config), "two", true).unwrap();
        let now = schema::cursor::Ref::new(kind.types, &now).path("spec.containers");
        let names: Vec<&str> = now.items().map(|item| item.at("name").str()).collect();
        assert_eq!(names.join(" "), expected, "{live:?} {config:?}");
    }
}

#[test]
fn what_is_no_configuration_is_refused_in_upstreams_words() {
    let kind = kind("v1", "ConfigMap");
    for (config, code, text) in [
        (
            config_map("").replace("ConfigMap", "Secret"),
            400,
            "invalid object type: /v1, Kind=Secret",
        ),
        (
            config_map("").replace(r#""namespace""#, r#""managedFields":[],"namespace""#),
            400,
            "metadata.managedFields must be nil",
        ),
        (
            config_map("").replace(r#""data":{}"#, r#""foo":1"#),
            500,
            "failed to create typed patch object (default/c; /v1, Kind=ConfigMap): .foo: field not declared in schema",
        ),
        (
            config_map("").replace(r#""data":{}"#, r#""data":{"a":1}"#),
            500,
            "failed to create typed patch object (default/c; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:1}",
        ),
    ] {
        let status = applied(kind, "ConfigMap", None, &config, "one", false)
            .unwrap_err()
            .status();
        assert_eq!((status.code, status.message.as_str()), (code, text), "{config}");
    }
}
