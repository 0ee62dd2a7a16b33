//! What a watch tells, frame by frame; time is virtual, so that a watch of minutes ends at once.

use http::Request;
use serde_json::{Value, json};

use crate::door::{Door, Got};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MERGE: &str = "application/merge-patch+json";

fn get(door: &Door, query: &str) -> Got {
    door.request(
        Request::get(format!("{MAPS}?{query}")).header("accept", "application/json"),
        "",
    )
}

/// Type and name of every frame; `-` for what has no name.
fn frames(got: &Got) -> Vec<String> {
    let frame = |line: &str| {
        let frame: Value = serde_json::from_str(line).unwrap();
        let name = frame.pointer("/object/metadata/name").and_then(Value::as_str);
        format!("{} {}", frame["type"].as_str().unwrap(), name.unwrap_or("-"))
    };
    got.text.lines().map(frame).collect()
}

fn watch(door: &Door, query: &str) -> Vec<String> {
    let got = get(door, &format!("watch=1&timeoutSeconds=5&{query}"));
    assert_eq!(got.code, 200, "{got:?}");
    frames(&got)
}

fn version(door: &Door) -> String {
    let got = get(door, "limit=1");
    got.at("/metadata/resourceVersion").as_str().unwrap().to_owned()
}

fn create(door: &Door, name: &str, app: &str) {
    let body = json!({"metadata": {"name": name, "labels": {"app": app}}});
    assert_eq!(door.send("POST", MAPS, &body.to_string()).code, 201);
}

fn label(door: &Door, name: &str, app: &str) {
    let body = json!({"metadata": {"labels": {"app": app}}});
    let got = door.send_as("PATCH", &format!("{MAPS}/{name}"), MERGE, &body.to_string());
    assert_eq!(got.code, 200);
}

#[test]
fn what_enters_a_selection_is_added_and_what_leaves_it_deleted() {
    let door = Door::open();
    let since = version(&door);
    create(&door, "a", "x");
    label(&door, "a", "y");
    label(&door, "a", "z");
    label(&door, "a", "x");
    door.send_as("PATCH", &format!("{MAPS}/a"), MERGE, r#"{"data":{"k":"v"}}"#);
    door.send("DELETE", &format!("{MAPS}/a"), "");
    let told = watch(&door, &format!("resourceVersion={since}&labelSelector=app%3Dx"));
    assert_eq!(
        told,
        ["ADDED a", "DELETED a", "ADDED a", "MODIFIED a", "DELETED a"]
    );
    let told = watch(&door, &format!("resourceVersion={since}&labelSelector=app%3Dw"));
    assert_eq!(told, [""; 0]);
    let told = watch(&door, &format!("resourceVersion={since}"));
    assert_eq!(
        told,
        [
            "ADDED a",
            "MODIFIED a",
            "MODIFIED a",
            "MODIFIED a",
            "MODIFIED a",
            "DELETED a"
        ]
    );
}

/// What left a selection is told as it was last within it, with the version of the change.
#[test]
fn a_deleted_frame_shows_the_last_state_and_the_version_of_the_deletion() {
    let door = Door::open();
    let since = version(&door);
    create(&door, "a", "x");
    label(&door, "a", "y");
    let now = door
        .send("GET", &format!("{MAPS}/a"), "")
        .at("/metadata/resourceVersion");
    let query = format!("watch=1&timeoutSeconds=5&resourceVersion={since}&labelSelector=app%3Dx");
    let got = get(&door, &query);
    let last: Value = serde_json::from_str(got.text.lines().last().unwrap()).unwrap();
    assert_eq!(last["object"]["metadata"]["labels"]["app"], "x");
    assert_eq!(last["object"]["metadata"]["resourceVersion"], now);
}

#[test]
fn a_watch_without_a_version_begins_with_what_is_there() {
    let door = Door::open();
    create(&door, "a", "x");
    create(&door, "b", "x");
    assert_eq!(
        watch(&door, "fieldSelector=metadata.name%21%3Dkube-root-ca.crt"),
        ["ADDED a", "ADDED b"]
    );
    assert_eq!(
        watch(&door, "fieldSelector=metadata.name%3Db&resourceVersion=0"),
        ["ADDED b"]
    );
    let now = version(&door);
    assert_eq!(watch(&door, &format!("resourceVersion={now}")), [""; 0]);
}

#[test]
fn initial_events_end_with_a_bookmark_for_those_who_take_bookmarks() {
    let door = Door::open();
    create(&door, "a", "x");
    let query = "labelSelector=app%3Dx&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    assert_eq!(watch(&door, query), ["ADDED a"]);
    let got = get(
        &door,
        &format!("watch=1&timeoutSeconds=2&allowWatchBookmarks=true&{query}"),
    );
    assert_eq!(frames(&got), ["ADDED a", "BOOKMARK -"]);
    let mark: Value = serde_json::from_str(got.text.lines().last().unwrap()).unwrap();
    assert_eq!(mark["object"]["kind"], "ConfigMap");
    assert_eq!(
        mark["object"]["metadata"]["annotations"],
        json!({"k8s.io/initial-events-end": "true"})
    );
    assert_eq!(mark["object"]["metadata"]["resourceVersion"], version(&door));
    let none = get(
        &door,
        "watch=1&timeoutSeconds=2&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    );
    assert_eq!(frames(&none), [""; 0]);
}

#[test]
fn bookmarks_come_by_the_minute_and_before_the_end() {
    let door = Door::open();
    let now = version(&door);
    let got = get(
        &door,
        &format!("watch=1&timeoutSeconds=150&allowWatchBookmarks=true&resourceVersion={now}"),
    );
    assert_eq!(frames(&got), ["BOOKMARK -", "BOOKMARK -", "BOOKMARK -"]);
    let quiet = get(
        &door,
        &format!("watch=1&timeoutSeconds=150&resourceVersion={now}"),
    );
    assert_eq!(quiet.text, "");
}

#[test]
fn a_watch_of_all_namespaces_tells_them_all() {
    let door = Door::open();
    let since = version(&door);
    create(&door, "a", "x");
    let elsewhere = "/api/v1/namespaces/kube-system/configmaps";
    assert_eq!(
        door.send("POST", elsewhere, r#"{"metadata":{"name":"b"}}"#).code,
        201
    );
    let path = format!("/api/v1/configmaps?watch=1&timeoutSeconds=5&resourceVersion={since}");
    assert_eq!(frames(&door.send("GET", &path, "")), ["ADDED a", "ADDED b"]);
    let path = format!("{path}&fieldSelector=metadata.namespace%3Dkube-system");
    assert_eq!(frames(&door.send("GET", &path, "")), ["ADDED b"]);
}

#[test]
fn a_version_that_is_none_is_told_in_the_answer() {
    let door = Door::open();
    let got = get(&door, "watch=1&resourceVersion=x&timeoutSeconds=1");
    assert_eq!(got.code, 500, "{got:?}");
    let got = get(&door, "watch=1&timeoutSeconds=x");
    assert_eq!(got.code, 400, "{got:?}");
    let yaml = door.request(
        Request::get(format!("{MAPS}?watch=1")).header("accept", "application/yaml"),
        "",
    );
    assert_eq!(yaml.code, 406, "{yaml:?}");
}

#[test]
fn a_watch_of_no_time_tells_nothing() {
    let door = Door::open();
    create(&door, "a", "x");
    for (query, told) in [
        ("watch=1&timeoutSeconds=-5", 0),
        ("watch=1&timeoutSeconds=-5&resourceVersion=1", 0),
        ("watch=1&timeoutSeconds=1", 1),
    ] {
        let begun = door.now();
        let got = get(&door, query);
        assert_eq!(
            (got.code, frames(&got).len().min(1)),
            (200, told),
            "{query}: {got:?}"
        );
        let lasted = door.now().saturating_since(begun).as_secs();
        assert_eq!(lasted, told as u64, "{query}");
    }
}
