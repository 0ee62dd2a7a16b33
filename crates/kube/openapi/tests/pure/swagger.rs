//! `/openapi/v2` is upstream's swagger.json, but for what is listed here. Descriptions are not compared.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use flate2::read::DeflateDecoder;
use openapi::Catalog;
use schema::resource::builtin;
use serde_json::Value;

/// Media types of CBOR, which is not served.
const CBOR: &str = "cbor";
/// Parameters that upstream's alpha features add.
const PARAMETERS: [&str; 1] = ["shardSelector"];
/// Paths below these are not served.
const PATHS: [&str; 1] = ["/logs/"];
/// Marks that only generators of Go clients read.
const MARKS: [&str; 1] = ["x-kubernetes-unions"];

static UPSTREAM: LazyLock<Value> = LazyLock::new(|| {
    let mut text = String::new();
    let packed = include_bytes!("swagger.deflate");
    DeflateDecoder::new(packed.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    let mut document = serde_json::from_str(&text).unwrap();
    normalise(&mut document, false);
    document
});

static OURS: LazyLock<Value> = LazyLock::new(|| {
    let rows: Vec<_> = builtin().iter().cloned().map(Arc::new).collect();
    let bytes = Catalog::new(&rows).swagger(&|_, _| None);
    let mut document = serde_json::from_slice(&bytes).unwrap();
    normalise(&mut document, false);
    document
});

/// Leaves out what is not compared, and puts what has no order into one.
fn normalise(value: &mut Value, names: bool) {
    match value {
        Value::Object(members) => {
            if !names {
                members.remove("description");
                MARKS.iter().for_each(|mark| drop(members.remove(*mark)));
            }
            for (name, member) in members {
                normalise(member, name == "properties" && !names);
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| normalise(item, false));
            items.retain(|item| !item.as_str().is_some_and(|text| text.contains(CBOR)));
            items.retain(|item| !PARAMETERS.iter().any(|name| item["name"] == *name));
            items.sort_by_key(Value::to_string);
        }
        _ => {}
    }
}

fn members<'a>(document: &'a Value, part: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    document[part].as_object().unwrap().iter()
}

/// `/apis/apps/v1`, `/api/v1`, or the whole path where it is shorter.
fn root(path: &str) -> String {
    let length = if path.starts_with("/api/") { 3 } else { 4 };
    path.split('/').take(length).collect::<Vec<_>>().join("/")
}

#[test]
fn paths_are_upstreams() {
    let roots: BTreeSet<String> = members(&OURS, "paths").map(|(path, _)| root(path)).collect();
    let mut wrong = Vec::new();
    for (path, item) in members(&UPSTREAM, "paths") {
        let served = roots.contains(&root(path)) && !PATHS.iter().any(|out| path.starts_with(out));
        let ours = &OURS["paths"][path];
        if served && ours.is_null() {
            wrong.push(format!("{path} is missing"));
        } else if served && ours != item {
            wrong.push(first_difference(path, ours, item));
        }
    }
    for (path, _) in members(&OURS, "paths") {
        if UPSTREAM["paths"][path].is_null() {
            wrong.push(format!("{path} is not upstream's"));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn definitions_are_upstreams() {
    let mut wrong = Vec::new();
    for (name, ours) in members(&OURS, "definitions") {
        let mut theirs = UPSTREAM["definitions"][name].clone();
        let mut ours = ours.clone();
        // Upstream marks what every group has with all groups, whether they are served or not.
        for shared in ["DeleteOptions", "Status", "WatchEvent", "Scale"] {
            if name.ends_with(&format!(".{shared}")) {
                for each in [&mut ours, &mut theirs] {
                    each.as_object_mut()
                        .map(|members| members.remove("x-kubernetes-group-version-kind"));
                }
            }
        }
        if ours != theirs {
            wrong.push(first_difference(name, &ours, &theirs));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where two documents part.
fn first_difference(place: &str, ours: &Value, theirs: &Value) -> String {
    if let (Some(one), Some(other)) = (ours.as_object(), theirs.as_object()) {
        let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        for name in names {
            let (one, other) = (&ours[name], &theirs[name]);
            if one != other {
                return first_difference(&format!("{place} {name}"), one, other);
            }
        }
    }
    if let (Some(one), Some(other)) = (ours.as_array(), theirs.as_array()) {
        let only = |some: &[Value], others: &[Value]| -> Vec<String> {
            some.iter()
                .filter(|item| !others.contains(item))
                .map(Value::to_string)
                .collect()
        };
        return format!(
            "{place}: ours only {:?}, theirs only {:?}",
            only(one, other),
            only(other, one)
        );
    }
    format!("{place}: {ours}, upstream {theirs}")
}
