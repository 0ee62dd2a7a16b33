//! Watchers: what each sees, from where it may begin, and that all see the same order.

use serde_json::{Value, json};

use crate::door::{Door, Got};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MERGE: &str = "application/merge-patch+json";

fn create(door: &Door, name: &str, label: &str) -> Got {
    let body = json!({"metadata": {"name": name, "labels": {"watch-this-configmap": label}}});
    let got = door.send("POST", MAPS, &body.to_string());
    assert_eq!(got.code, 201, "{got:?}");
    got
}

fn mutate(door: &Door, name: &str, to: &str) -> Got {
    let patch = json!({"data": {"mutation": to}}).to_string();
    let got = door.send_as("PATCH", &format!("{MAPS}/{name}"), MERGE, &patch);
    assert_eq!(got.code, 200, "{got:?}");
    got
}

fn relabel(door: &Door, name: &str, to: &str) {
    let patch = json!({"metadata": {"labels": {"watch-this-configmap": to}}}).to_string();
    assert_eq!(
        door.send_as("PATCH", &format!("{MAPS}/{name}"), MERGE, &patch)
            .code,
        200
    );
}

fn delete(door: &Door, name: &str) {
    assert_eq!(door.send("DELETE", &format!("{MAPS}/{name}"), "").code, 200);
}

fn version(got: &Got) -> String {
    got.at("/metadata/resourceVersion").as_str().unwrap().to_owned()
}

/// Type and the mutation's number of each frame.
fn told(door: &Door, since: &str, selector: &str) -> Vec<(String, String)> {
    let path = format!("{MAPS}?watch=true&timeoutSeconds=5&resourceVersion={since}&labelSelector={selector}");
    let got = door.send("GET", &path, "");
    assert_eq!(got.code, 200, "{got:?}");
    let frame = |line: &str| {
        let frame: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&frame["type"]), text(&frame["object"]["data"]["mutation"]))
    };
    got.text.lines().map(frame).collect()
}

fn frames(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(kind, number)| ((*kind).to_owned(), (*number).to_owned()))
        .collect()
}

#[test]
fn add_update_and_delete_are_told_to_who_selects_them() {
    let door = Door::open();
    let since = version(&door.send("GET", MAPS, ""));
    for name in ["a", "b"] {
        create(&door, name, name);
        mutate(&door, name, "1");
        mutate(&door, name, "2");
        delete(&door, name);
    }
    let life = [
        ("ADDED", ""),
        ("MODIFIED", "1"),
        ("MODIFIED", "2"),
        ("DELETED", "2"),
    ];
    for selector in ["watch-this-configmap%3Da", "watch-this-configmap%3Db"] {
        assert_eq!(told(&door, &since, selector), frames(&life), "{selector}");
    }
    let both = told(&door, &since, "watch-this-configmap%20in%20(a,b)");
    assert_eq!(both, frames(&[life, life].concat()));
}

#[test]
fn a_watch_begins_at_the_version_it_names() {
    let door = Door::open();
    create(&door, "a", "v");
    let first = mutate(&door, "a", "1");
    mutate(&door, "a", "2");
    delete(&door, "a");
    let seen = told(&door, &version(&first), "watch-this-configmap%3Dv");
    assert_eq!(seen, frames(&[("MODIFIED", "2"), ("DELETED", "2")]));
}

#[test]
fn a_watch_goes_on_where_the_last_one_ended() {
    let door = Door::open();
    let since = version(&door.send("GET", MAPS, ""));
    create(&door, "a", "r");
    let last = mutate(&door, "a", "1");
    let before = told(&door, &since, "watch-this-configmap%3Dr");
    assert_eq!(before, frames(&[("ADDED", ""), ("MODIFIED", "1")]));
    mutate(&door, "a", "2");
    delete(&door, "a");
    let after = told(&door, &version(&last), "watch-this-configmap%3Dr");
    assert_eq!(after, frames(&[("MODIFIED", "2"), ("DELETED", "2")]));
}

#[test]
fn what_leaves_the_selection_is_told_as_deleted() {
    let door = Door::open();
    let since = version(&door.send("GET", MAPS, ""));
    create(&door, "a", "s");
    mutate(&door, "a", "1");
    relabel(&door, "a", "other");
    mutate(&door, "a", "2");
    relabel(&door, "a", "s");
    mutate(&door, "a", "3");
    delete(&door, "a");
    let expected = [
        ("ADDED", ""),
        ("MODIFIED", "1"),
        ("DELETED", "1"),
        ("ADDED", "2"),
        ("MODIFIED", "3"),
        ("DELETED", "3"),
    ];
    assert_eq!(told(&door, &since, "watch-this-configmap%3Ds"), frames(&expected));
}

#[test]
fn watches_at_once_tell_the_same_order() {
    let door = Door::open();
    let mut versions = vec![version(&door.send("GET", MAPS, ""))];
    for at in 0..12 {
        let name = format!("cm-{at}");
        versions.push(version(&create(&door, &name, "o")));
        versions.push(version(&mutate(&door, &name, &at.to_string())));
        if at % 3 == 0 {
            delete(&door, &name);
        }
    }
    let frames = |since: &str| -> Vec<String> {
        let path = format!("{MAPS}?watch=true&timeoutSeconds=5&resourceVersion={since}");
        door.send("GET", &path, "")
            .text
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let whole = frames(&versions[0]);
    assert_eq!(whole.len(), 28);
    for since in &versions {
        assert!(whole.ends_with(&frames(since)), "from {since}");
    }
}

#[test]
fn a_watch_with_a_time_below_zero_ends_as_it_begins() {
    let door = Door::open();
    create(&door, "a", "n");
    let got = door.send("GET", &format!("{MAPS}?watch=1&timeoutSeconds=-5"), "");
    assert_eq!((got.code, got.text.as_str()), (200, ""));
}
