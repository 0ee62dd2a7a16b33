//! One walk through every verb for each built-in resource in each enabled version: no kind is served by luck.

use bytes::Bytes;
use http::Request;
use schema::resource::{ResourceDef, Scope, Verbs, Version, builtin};
use schema::{BUILTIN, MAX_REQUEST_BYTES, proto};
use serde_json::{Value, json};

use crate::door::{Door, Got};
use crate::samples;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

type Step = Result<(), String>;

/// Kinds whose own controllers act on an object as soon as it is there.
const ACTED_ON: [&str; 2] = ["customresourcedefinitions", "flowschemas"];

/// One resource in one version, and where its sample lives.
struct Row<'a> {
    door: &'a Door,
    def: &'a ResourceDef,
    version: &'a Version,
    name: &'static str,
    members: String,
}

impl Row<'_> {
    fn api_version(&self) -> String {
        match &*self.def.group {
            "" => self.version.name.to_string(),
            group => format!("{group}/{}", self.version.name),
        }
    }

    fn collection(&self) -> String {
        let root = if self.def.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let namespace = match self.def.scope {
            Scope::Namespaced => "/namespaces/default",
            Scope::Cluster => "",
        };
        format!("{root}/{}{namespace}/{}", self.api_version(), self.def.plural)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    fn body(&self) -> String {
        format!(
            r#"{{"apiVersion":"{}","kind":"{}","metadata":{{"name":"{}"}},{}}}"#,
            self.api_version(),
            self.def.kind,
            self.name,
            self.members
        )
    }

    fn get(&self, accept: &str, path: &str) -> Got {
        self.door.request(Request::get(path).header("accept", accept), "")
    }

    fn version_now(&self) -> Value {
        self.get(JSON, &self.path()).at("/metadata/resourceVersion")
    }

    fn has(&self, verb: Verbs) -> bool {
        self.version.verbs.contains(verb)
    }
}

fn is(what: &str, got: &Got, code: u16) -> Step {
    let shown: String = got.text.chars().take(600).collect();
    (got.code == code)
        .then_some(())
        .ok_or_else(|| format!("{what}: {} {shown}", got.code))
}

fn same(what: &str, left: &Value, right: &Value) -> Step {
    (left == right)
        .then_some(())
        .ok_or_else(|| format!("{what}: {left} is not {right}"))
}

fn create(row: &Row<'_>) -> Step {
    let path = row.collection();
    let dry = row.door.send("POST", &format!("{path}?dryRun=All"), &row.body());
    is("dry run of create", &dry, 201)?;
    is("after a dry run", &row.get(JSON, &row.path()), 404)?;
    let made = row
        .door
        .send("POST", &format!("{path}?fieldValidation=Strict"), &row.body());
    is("create", &made, 201)?;
    same("kind", &made.at("/kind"), &json!(row.def.kind))?;
    same("apiVersion", &made.at("/apiVersion"), &json!(row.api_version()))?;
    same(
        "manager",
        &made.at("/metadata/managedFields/0/manager"),
        &json!("tester"),
    )?;
    let again = row.door.send("POST", &path, &row.body());
    is("create again", &again, 409)?;
    same("reason", &again.at("/reason"), &json!("AlreadyExists"))?;
    let got = row.get(JSON, &row.path());
    is("get", &got, 200)?;
    // The server itself says in the status what came of it.
    if ACTED_ON.contains(&&*row.def.plural) {
        row.door.settle();
        return Ok(());
    }
    same("what is read is what was answered", &got.json(), &made.json())
}

/// What was read in an encoding is written back in it, and nothing has changed.
fn round_trips(row: &Row<'_>) -> Step {
    for media in [JSON, YAML, PROTOBUF] {
        let got = row.get(media, &row.path());
        is(media, &got, 200)?;
        let shown = got.headers["content-type"].to_str().unwrap();
        (shown == media)
            .then_some(())
            .ok_or_else(|| format!("{media} is answered as {shown}"))?;
        let before = row.version_now();
        let put = Request::put(row.path())
            .header("content-type", media)
            .header("accept", JSON);
        let put = row.door.request_bytes(
            put.header("user-agent", "tester/1"),
            Bytes::from(got.bytes.to_vec()),
        );
        is(&format!("PUT of {media}"), &put, 200)?;
        same(
            &format!("PUT of {media} writes nothing"),
            &put.at("/metadata/resourceVersion"),
            &before,
        )?;
    }
    Ok(())
}

fn patches(row: &Row<'_>) -> Step {
    let apply = json!({"apiVersion": row.api_version(), "kind": row.def.kind,
        "metadata": {"name": row.name, "labels": {"by": "apply"}}});
    let bodies = [
        (MERGE, json!({"metadata": {"labels": {"merge": "1"}}})),
        (
            JSON_PATCH,
            json!([{"op": "add", "path": "/metadata/labels/json", "value": "1"}]),
        ),
        (STRATEGIC, json!({"metadata": {"labels": {"strategic": "1"}}})),
        (APPLY, apply),
    ];
    for (media, body) in bodies {
        let path = format!("{}?fieldManager=walker", row.path());
        let before = row.version_now();
        let dry = row
            .door
            .send_as("PATCH", &format!("{path}&dryRun=All"), media, &body.to_string());
        is(&format!("dry run of {media}"), &dry, 200)?;
        same("a dry run writes nothing", &row.version_now(), &before)?;
        let got = row.door.send_as("PATCH", &path, media, &body.to_string());
        is(media, &got, 200)?;
        same(
            "what is read after it",
            &row.get(JSON, &row.path()).json(),
            &got.json(),
        )?;
    }
    let labels = row.get(JSON, &row.path()).at("/metadata/labels");
    for label in ["merge", "json", "strategic"] {
        same(label, &labels[label], &json!("1"))?;
    }
    same("apply", &labels["by"], &json!("apply"))?;
    let managers = row.get(JSON, &row.path()).at("/metadata/managedFields");
    let applied = managers
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["operation"] == "Apply");
    same("appliers", &json!(applied.count()), &json!(1))
}

fn reads(row: &Row<'_>) -> Step {
    let list = format!("{}?labelSelector=by%3Dapply", row.collection());
    for (accept, kind) in [
        (JSON, format!("{}List", row.def.kind)),
        (TABLE, "Table".to_owned()),
    ] {
        let got = row.get(accept, &list);
        is(&list, &got, 200)?;
        same("kind of the list", &got.at("/kind"), &json!(kind))?;
        let items = if accept == TABLE {
            got.at("/rows")
        } else {
            got.at("/items")
        };
        same("items", &json!(items.as_array().map(Vec::len)), &json!(1))?;
    }
    let table = row.get(TABLE, &row.path());
    let columns = table.at("/columnDefinitions").as_array().map(Vec::len);
    let cells = table.at("/rows/0/cells").as_array().map(Vec::len);
    same("cells", &json!(cells), &json!(columns))?;
    same(
        "first cell",
        &table.at("/rows/0/cells/0").is_string().into(),
        &json!(true),
    )?;
    let partial = row.get(PARTIAL, &row.path());
    same("partial", &partial.at("/kind"), &json!("PartialObjectMetadata"))?;
    same("partial name", &partial.at("/metadata/name"), &json!(row.name))?;
    for media in [YAML, PROTOBUF] {
        is(media, &row.get(media, &list), 200)?;
    }
    let sealed = row.get(PROTOBUF, &list);
    same("protobuf list", &opened(&sealed), &row.get(JSON, &list).json())?;
    let one = row.get(
        JSON,
        &format!("{}?fieldSelector=metadata.name%3D{}", row.collection(), row.name),
    );
    same(
        "by name",
        &json!(one.at("/items").as_array().map(Vec::len)),
        &json!(1),
    )?;
    let unknown = row.get(JSON, &format!("{}?fieldSelector=no.such%3D1", row.collection()));
    is("unknown field", &unknown, 400)
}

/// What is in an envelope of protobuf, as JSON.
fn opened(got: &Got) -> Value {
    let object = proto::open(&BUILTIN, None, &got.bytes, MAX_REQUEST_BYTES).unwrap();
    let mut text = Vec::new();
    schema::json::encode(&BUILTIN, &object, &mut text);
    serde_json::from_slice(&text).unwrap()
}

/// Pages of one hold what the whole list holds.
fn pages(row: &Row<'_>) -> Step {
    let names = |got: &Got| -> Vec<String> {
        let items = got.at("/items");
        let items = items.as_array().into_iter().flatten();
        items.map(|item| item["metadata"]["name"].to_string()).collect()
    };
    let whole = names(&row.get(JSON, &row.collection()));
    let (mut paged, mut next) = (Vec::new(), String::new());
    loop {
        let got = row.get(JSON, &format!("{}?limit=1&continue={next}", row.collection()));
        is("a page", &got, 200)?;
        paged.extend(names(&got));
        let token = got.at("/metadata/continue");
        match token.as_str().filter(|token| !token.is_empty()) {
            Some(token) => next = token.replace('=', "%3D"),
            None => break,
        }
    }
    same("pages", &json!(paged), &json!(whole))
}

/// The status is written by its path alone, and the path writes nothing else.
fn status(row: &Row<'_>) -> Step {
    if !row
        .version
        .subresources
        .iter()
        .any(|below| below.name == "status")
    {
        return Ok(());
    }
    let path = format!("{}/status", row.path());
    let got = row.get(JSON, &path);
    is("GET of status", &got, 200)?;
    let mut object = got.json();
    object["metadata"]["labels"]["by"] = json!("status");
    let put = row.door.send("PUT", &path, &object.to_string());
    is("PUT of status", &put, 200)?;
    let patch = json!({"metadata": {"annotations": {"status": "1"}}});
    is(
        "PATCH of status",
        &row.door.send_as("PATCH", &path, MERGE, &patch.to_string()),
        200,
    )
}

fn deletes(row: &Row<'_>) -> Step {
    let dry = row.door.send("DELETE", &format!("{}?dryRun=All", row.path()), "");
    is("dry run of delete", &dry, 200)?;
    is("after a dry run", &row.get(JSON, &row.path()), 200)?;
    let deleted = row
        .door
        .send("DELETE", &row.path(), r#"{"gracePeriodSeconds":0}"#);
    is("delete", &deleted, 200)?;
    release(row)?;
    is("delete again", &row.door.send("DELETE", &row.path(), ""), 404)?;
    if !row.has(Verbs::DELETECOLLECTION) {
        return is(
            "DELETE of the collection",
            &row.door.send("DELETE", &row.collection(), ""),
            405,
        );
    }
    is(
        "create for the collection",
        &row.door.send("POST", &row.collection(), &row.body()),
        201,
    )?;
    let path = format!("{}?fieldSelector=metadata.name%3D{}", row.collection(), row.name);
    let got = row.door.send("DELETE", &path, r#"{"gracePeriodSeconds":0}"#);
    is("DELETE of the collection", &got, 200)?;
    same(
        "deleted",
        &json!(got.at("/items").as_array().map(Vec::len)),
        &json!(1),
    )?;
    release(row)
}

/// Takes the finalizers off what waits for them.
fn release(row: &Row<'_>) -> Step {
    row.door.settle();
    let left = row.get(JSON, &row.path());
    if left.code == 404 {
        return Ok(());
    }
    same(
        "what stays is on its way out",
        &left.at("/metadata/deletionTimestamp").is_string().into(),
        &json!(true),
    )?;
    let got = if row.def.plural == "namespaces" {
        let mut object = left.json();
        object["spec"]["finalizers"] = json!([]);
        row.door
            .send("PUT", &format!("{}/finalize", row.path()), &object.to_string())
    } else {
        let patch = json!({"metadata": {"finalizers": null}});
        row.door.send_as("PATCH", &row.path(), MERGE, &patch.to_string())
    };
    // A definition's own controller may have been first.
    let first = row.def.plural == "customresourcedefinitions" && got.code == 404;
    if !first {
        is("the last finalizer", &got, 200)?;
    }
    is("get of what is gone", &row.get(JSON, &row.path()), 404)
}

/// The frames since a revision tell the whole life.
fn watch(row: &Row<'_>, since: &Value) -> Step {
    let since = since.as_str().unwrap();
    let selector = format!("fieldSelector=metadata.name%3D{}", row.name);
    let path = format!(
        "{}?watch=1&resourceVersion={since}&timeoutSeconds=5&{selector}",
        row.collection()
    );
    let got = row.get(JSON, &path);
    is("watch", &got, 200)?;
    let frames: Vec<Value> = got
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let types: Vec<&str> = frames
        .iter()
        .map(|frame| frame["type"].as_str().unwrap())
        .collect();
    same("first frame", &json!(types.first()), &json!("ADDED"))?;
    same("last frame", &json!(types.last()), &json!("DELETED"))?;
    for frame in &frames {
        same("kind in a frame", &frame["object"]["kind"], &json!(row.def.kind))?;
    }
    let table = row.get(TABLE, &path);
    let first: Value = serde_json::from_str(table.text.lines().next().unwrap_or("{}")).unwrap();
    same("a Table's frames", &first["object"]["kind"], &json!("Table"))?;
    is(
        "watch in protobuf",
        &row.get(&format!("{PROTOBUF};stream=watch"), &path),
        200,
    )
}

fn walk(row: &Row<'_>) -> Result<(), String> {
    let since = row
        .get(JSON, &format!("{}?limit=1", row.collection()))
        .at("/metadata/resourceVersion");
    create(row)?;
    round_trips(row)?;
    patches(row)?;
    reads(row)?;
    pages(row)?;
    status(row)?;
    deletes(row)?;
    watch(row, &since)
}

#[test]
fn every_resource_lives_through_every_verb() {
    let door = Door::open();
    let (mut failures, mut walked) = (Vec::new(), 0);
    for def in builtin() {
        for version in def.versions.iter().filter(|version| version.enabled) {
            if samples::NOT_KEPT.contains(&(&*def.group, &*def.plural)) {
                continue;
            }
            let what = format!("{}/{} {}", def.group, version.name, def.plural);
            let Some((name, members)) = samples::of(&def.group, &def.plural) else {
                failures.push(format!("{what}: no sample"));
                continue;
            };
            let row = Row {
                door: &door,
                def,
                version,
                name,
                members,
            };
            failures.extend(walk(&row).err().map(|why| format!("{what}: {why}")));
            walked += 1;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(walked >= 60, "{walked}");
}

/// A kind that keeps nothing has no object to read, list or delete.
#[test]
fn what_keeps_nothing_is_only_asked() {
    let door = Door::open();
    for def in builtin()
        .iter()
        .filter(|def| samples::NOT_KEPT.contains(&(&*def.group, &*def.plural)))
    {
        let version = def.versions.iter().find(|version| version.enabled).unwrap();
        let row = Row {
            door: &door,
            def,
            version,
            name: "n",
            members: String::new(),
        };
        if def.plural == "componentstatuses" {
            is("list", &row.get(JSON, &row.collection()), 200).unwrap();
            continue;
        }
        is("list", &row.get(JSON, &row.collection()), 405).unwrap();
        is("get", &row.get(JSON, &row.path()), 404).unwrap();
    }
}
