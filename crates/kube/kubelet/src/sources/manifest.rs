//! The pod that a file describes: decoded, given the API's defaults and judged by its rules, without asking the API.
//!
//! Upstream's `pkg/kubelet/config/common.go`. A pod from a file has no rights, so whatever it would need the API for is
//! refused (KEP-1314 and the gate `PreventStaticPodAPIReferences`).

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use kinds::{Context, User, strategy};
use ring::digest::{Context as Hash, SHA256};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::field::Errors;
use schema::json::{self, Options};
use schema::object::{Obj, Order, Revision};
use schema::resource::by_resource;
use schema::tree::Struct;
use serde_json::{Value, json};

use super::references;
use crate::container::Uid;

/// The annotation that says which content of its file a pod is: its uid.
pub(crate) const HASH: &str = "kubernetes.io/config.hash";

/// How many bytes of its hash name a pod: 32 digits, as upstream's.
const UID_BYTES: usize = 16;

/// A pod that a file describes.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) uid: Uid,
    /// Of what the file says, of where it lies and whose it is. It is the uid unless the file says one.
    pub(crate) hash: String,
    /// As the API would store it.
    pub(crate) object: Arc<Obj>,
}

/// Why a file describes no pod that may run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("couldn't parse as pod({0}), please check config file")]
    Unreadable(String),
    #[error("invalid pod: [{0}]")]
    Invalid(String),
    #[error("static pods may not reference {0}")]
    Reference(&'static str),
}

/// Whose file it is, and when it was seen first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) path: &'a Path,
    pub(crate) node: &'a str,
    pub(crate) at: SystemTime,
}

/// Reads a file of JSON or YAML. The same bytes at the same place are the same pod, whenever they are read.
///
/// # Errors
/// See [`ManifestError`].
pub(crate) fn read(bytes: &[u8], seen: Seen<'_>) -> Result<Manifest, ManifestError> {
    let text = schema::yaml::to_json(bytes).map_err(unreadable)?;
    let written = decode(&text)?;
    let hash = fingerprint(&written, seen);
    let own = Ref::new(&BUILTIN, &written).path("metadata.uid").str();
    let uid = if own.is_empty() { &hash } else { own }.to_owned();
    let mut pod: Value = serde_json::from_slice(&text).map_err(unreadable)?;
    complete(&mut pod, &uid, seen);
    let pod = decode(pod.to_string().as_bytes())?;
    judge(Ref::new(&BUILTIN, &pod))?;
    if let Some(what) = references::first(Ref::new(&BUILTIN, &pod)) {
        return Err(ManifestError::Reference(what));
    }
    Ok(Manifest {
        uid: Uid::new(&uid),
        hash,
        object: Arc::new(stored(&pod)?),
    })
}

fn unreadable(why: impl ToString) -> ManifestError {
    ManifestError::Unreadable(why.to_string())
}

/// A pod with the API's defaults.
fn decode(json: &[u8]) -> Result<Struct, ManifestError> {
    let member = |name| json::pick(json, &[name]).unwrap_or_default();
    let (version, kind) = (member("apiVersion"), member("kind"));
    if (&*version, &*kind) != ("v1", "Pod") {
        let found = format!("it is {kind:?} of {version:?}, and not \"Pod\" of \"v1\"");
        return Err(unreadable(found));
    }
    let (_, row) = by_resource("", "v1", "pods").ok_or_else(|| unreadable("pods are no resource"))?;
    let decoded = json::decode(&BUILTIN, row.schema, json, Options::default());
    let mut pod = decoded.map_err(unreadable)?.object;
    schema::defaults::apply(&BUILTIN, &mut pod);
    (strategy("", "pods").default)(&BUILTIN, &mut pod);
    Ok(pod)
}

fn fingerprint(pod: &Struct, seen: Seen<'_>) -> String {
    let mut text = Vec::new();
    json::encode(&BUILTIN, pod, &mut text);
    let mut hash = Hash::new(&SHA256);
    hash.update(&text);
    hash.update(format!("host:{}", seen.node).as_bytes());
    hash.update(format!("file:{}", seen.path.display()).as_bytes());
    let hash = hash.finish();
    let mut digits = String::new();
    for byte in hash.as_ref().iter().take(UID_BYTES) {
        // Writing to a String does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// What a kubelet adds to what the file says. Troubles of the node are no reason to stop what its owner put there.
fn complete(pod: &mut Value, uid: &str, seen: Seen<'_>) {
    let at = crate::status::timestamp(seen.at);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = Some(text(&pod["metadata"]["namespace"])).filter(|namespace| !namespace.is_empty());
    let name = format!("{}-{}", text(&pod["metadata"]["name"]), seen.node.to_lowercase());
    merge(
        &mut pod["metadata"],
        json!({
            "name": name,
            "namespace": namespace.as_deref().unwrap_or("default"),
            "uid": uid,
            // A file that says something else is another pod.
            "generation": 1,
            "creationTimestamp": at,
        }),
    );
    merge(
        &mut pod["metadata"]["annotations"],
        json!({HASH: uid, "kubernetes.io/config.seen": at, "kubernetes.io/config.source": "file"}),
    );
    merge(&mut pod["spec"], json!({"nodeName": seen.node}));
    pod["status"] = json!({"phase": "Pending"});
    let all = json!({"operator": "Exists", "effect": "NoExecute"});
    match &mut pod["spec"]["tolerations"] {
        Value::Array(list) if list.contains(&all) => {}
        Value::Array(list) => list.push(all),
        other => *other = json!([all]),
    }
}

/// Sets members of an object. What is no object becomes one, unless it is of a kind that no pod has there: decoding says so.
fn merge(into: &mut Value, members: Value) {
    if into.is_null() {
        *into = json!({});
    }
    if let (Value::Object(into), Value::Object(members)) = (into, members) {
        into.extend(members);
    }
}

/// The API's own rules for new pods.
fn judge(pod: Ref<'_>) -> Result<(), ManifestError> {
    let row = strategy("", "pods");
    let metadata = pod.at("metadata");
    let name = metadata.at("name").str();
    let context = Context {
        types: &BUILTIN,
        now: SystemTime::UNIX_EPOCH,
        version: "v1",
        namespace: metadata.at("namespace").str(),
        name,
        subresource: "",
        user: User::default(),
    };
    let mut errors = Errors::new();
    (row.validate_create)(&context, pod, &mut errors);
    let names = (row.name)(name, false).into_iter();
    let names = names.map(|why| format!("metadata.name: Invalid value: {name:?}: {why}"));
    // Directories are named after it.
    let uid = metadata.at("uid").str();
    let plain = uid
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let uid = (!plain).then(|| format!("metadata.uid: Invalid value: {uid:?}: letters, digits and '-' only"));
    let names = names.chain(uid);
    let wrong: Vec<String> = names.chain(errors.iter().map(ToString::to_string)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(ManifestError::Invalid(wrong.join(", ")))
}

fn stored(pod: &Struct) -> Result<Obj, ManifestError> {
    let metadata = Ref::new(&BUILTIN, pod).at("metadata");
    let key = format!("{}/{}", metadata.at("namespace").str(), metadata.at("name").str());
    let body = schema::object::body(&BUILTIN, pod);
    Obj::new(&key, Revision::default(), body, Order::Declared).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &'static str) -> Seen<'static> {
        Seen {
            path: Path::new(path),
            node: "node1",
            at: SystemTime::UNIX_EPOCH,
        }
    }

    fn of(text: &str) -> Result<Value, ManifestError> {
        let manifest = read(text.as_bytes(), seen("/m/a"))?;
        Ok(serde_json::from_slice(manifest.object.body()).unwrap())
    }

    const PLAIN: &str =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: x}]}";

    #[test]
    fn a_file_becomes_a_pod_of_its_node() {
        let pod = of(PLAIN).unwrap();
        let metadata = &pod["metadata"];
        assert_eq!(
            (&metadata["name"], &metadata["namespace"]),
            (&json!("web-node1"), &json!("default"))
        );
        let uid = metadata["uid"].as_str().unwrap();
        assert_eq!(uid.len(), 32);
        assert_eq!(
            metadata["annotations"],
            json!({HASH: uid, "kubernetes.io/config.seen": "1970-01-01T00:00:00Z", "kubernetes.io/config.source": "file"})
        );
        assert_eq!(pod["spec"]["nodeName"], "node1");
        assert_eq!(pod["spec"]["restartPolicy"], "Always");
        assert_eq!(
            pod["spec"]["tolerations"],
            json!([{"operator": "Exists", "effect": "NoExecute"}])
        );
    }

    #[test]
    fn the_uid_follows_from_what_a_file_says_and_where_it_lies() {
        let uid = |text: &str, path| read(text.as_bytes(), seen(path)).unwrap().uid;
        let first = uid(PLAIN, "/m/a");
        let json = r#"{"kind":"Pod","apiVersion":"v1","spec":{"containers":[{"image":"x","name":"c"}]},"metadata":{"name":"web"}}"#;
        assert_eq!(uid(json, "/m/a"), first, "the same pod in other words");
        assert_ne!(uid(PLAIN, "/m/b"), first);
        assert_ne!(uid(&PLAIN.replace("image: x", "image: z"), "/m/a"), first);
        let own = PLAIN.replace("{name: web}", "{name: web, uid: mine}");
        assert_eq!(&*uid(&own, "/m/a"), "mine");
    }

    #[test]
    fn what_is_no_pod_or_needs_the_api_is_refused() {
        let wrong = |text: &str| of(text).unwrap_err().to_string();
        let with = |more: &str| wrong(&PLAIN.replace("spec: {", &format!("spec: {{{more}, ")));
        assert!(
            wrong("a: [").starts_with("couldn't parse as pod("),
            "{}",
            wrong("a: [")
        );
        assert_eq!(
            wrong("apiVersion: apps/v1\nkind: Deployment"),
            "couldn't parse as pod(it is \"Deployment\" of \"apps/v1\", and not \"Pod\" of \"v1\"), please check config file"
        );
        assert_eq!(
            wrong(&PLAIN.replace("name: c,", "")),
            "invalid pod: [spec.containers[0].name: Required value]"
        );
        assert!(wrong(&PLAIN.replace("web", "W")).contains("metadata.name: Invalid value: \"W-node1\""));
        assert!(wrong(&PLAIN.replace("name: web", "name: web, uid: ../x")).contains("metadata.uid: Invalid"));
        assert_eq!(
            with("serviceAccountName: a"),
            "static pods may not reference serviceaccounts"
        );
        assert_eq!(
            with("volumes: [{name: v, configMap: {name: m}}]"),
            "static pods may not reference configmaps"
        );
    }
}
