//! JSON patch (RFC 6902) as kube-apiserver's library (`evanphx/json-patch` v4) does it: negative indices
//! count from the end, `replace` makes a member that is not there, `test` takes a missing value for `null`.

use std::borrow::Cow;

use schema::MAX_TREE_DEPTH;
use schema::json::{encode_untyped, go_quote, parse};
use schema::tree::{Map, Value};

use crate::Error;
use crate::error::MAX_OPERATIONS;

type Done<T = ()> = Result<T, String>;

/// What all copies of a patch may add up to, in bytes of JSON: upstream's `JSONPatchMaxCopyBytes`.
const MAX_COPIED: usize = 3 << 20;

/// Applies a JSON patch to an object in JSON.
///
/// # Errors
/// [`Error::Form`] for a patch that is no list of objects, [`Error::TooMany`], [`Error::Test`] for a
/// test that is not met, and [`Error::Operation`] for another operation that does not fit; the first of them.
pub fn json_patch(document: &[u8], patch: &[u8]) -> Result<Vec<u8>, Error> {
    let operations = operations(parse(patch)?)?;
    let mut document = parse(document)?;
    let mut copied = 0;
    for operation in operations {
        perform(&mut document, &operation, &mut copied)?;
    }
    let mut out = Vec::new();
    encode_untyped(&document, &mut out);
    Ok(out)
}

fn operations(patch: Value) -> Result<Vec<Map>, Error> {
    let wrong = |found: &Value, wanted: &str| {
        Error::Form(format!(
            "json: cannot unmarshal {} into Go value of type {wanted}",
            word(found)
        ))
    };
    let items = match patch {
        Value::List(items) => items,
        Value::Null => Vec::new(),
        other => return Err(wrong(&other, "jsonpatch.Patch")),
    };
    if items.len() > MAX_OPERATIONS {
        return Err(Error::TooMany(items.len()));
    }
    let operation = |item| match item {
        Value::Map(map) => Ok(*map),
        Value::Null => Ok(Map::default()),
        other => Err(wrong(&other, "jsonpatch.Operation")),
    };
    items.into_iter().map(operation).collect()
}

/// What Go calls a JSON value of another type than it wants.
fn word(value: &Value) -> &'static str {
    match value {
        Value::Map(_) | Value::Struct(_) => "object",
        Value::List(_) => "array",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) => "number",
        _ => "string",
    }
}

fn perform(document: &mut Value, operation: &Map, copied: &mut usize) -> Result<(), Error> {
    let done = match operation.get("op").and_then(Value::as_str).unwrap_or("unknown") {
        "add" => add(document, operation),
        "remove" => remove(document, operation),
        "replace" => replace(document, operation),
        "move" => move_value(document, operation),
        "copy" => copy(document, operation, copied),
        "test" => return test(document, operation),
        other => Err(format!("Unexpected kind: {other}")),
    };
    done.map_err(Error::Operation)
}

fn add(document: &mut Value, operation: &Map) -> Done {
    let path = member(operation, "path").map_err(|_| "add operation failed to decode path: missing value")?;
    let (container, key) = find(document, path).ok_or_else(|| {
        format!(
            "add operation does not apply: doc is missing path: {}: missing value",
            go_quote(path)
        )
    })?;
    let value = value(operation);
    fits(path, &value)?;
    insert(container, &key, value).map_err(|why| format!("error in add for path: '{path}': {why}"))
}

fn remove(document: &mut Value, operation: &Map) -> Done {
    let path =
        member(operation, "path").map_err(|_| "remove operation failed to decode path: missing value")?;
    let (container, key) = find(document, path).ok_or_else(|| {
        format!(
            "remove operation does not apply: doc is missing path: {}: missing value",
            go_quote(path)
        )
    })?;
    take(container, &key).map_err(|why| format!("error in remove for path: '{path}': {why}"))?;
    Ok(())
}

fn replace(document: &mut Value, operation: &Map) -> Done {
    let path =
        member(operation, "path").map_err(|why| format!("replace operation failed to decode path: {why}"))?;
    if path.is_empty() {
        *document = match value(operation) {
            whole @ (Value::Map(_) | Value::List(_)) => whole,
            _ => return Err("replace operation value must be object or array".to_owned()),
        };
        return Ok(());
    }
    let value = value(operation);
    fits(path, &value)?;
    let missing = |what: &str| {
        format!("replace operation does not apply: doc is missing {what}: {path}: missing value")
    };
    let (container, key) = find(document, path).ok_or_else(|| missing("path"))?;
    match container {
        Value::Map(map) => map.insert(&key, value),
        Value::List(items) => {
            let at = index(&key, items.len()).map_err(|_| missing("key"))?;
            items[at] = value;
        }
        _ => return Err(missing("path")),
    }
    Ok(())
}

fn move_value(document: &mut Value, operation: &Map) -> Done {
    let from =
        member(operation, "from").map_err(|why| format!("move operation failed to decode from: {why}"))?;
    let (container, key) = find(document, from).ok_or_else(|| {
        format!("move operation does not apply: doc is missing from path: {from}: missing value")
    })?;
    let moved = take(container, &key).map_err(|why| format!("error in move for path: '{key}': {why}"))?;
    let path =
        member(operation, "path").map_err(|why| format!("move operation failed to decode path: {why}"))?;
    fits(path, &moved)?;
    let (container, key) = find(document, path).ok_or_else(|| {
        format!("move operation does not apply: doc is missing destination path: {path}: missing value")
    })?;
    insert(container, &key, moved).map_err(|why| format!("error in move for path: '{path}': {why}"))
}

fn copy(document: &mut Value, operation: &Map, sum: &mut usize) -> Done {
    let from =
        member(operation, "from").map_err(|why| format!("copy operation failed to decode from: {why}"))?;
    let (container, key) = find(document, from).ok_or_else(|| {
        format!("copy operation does not apply: doc is missing from path: {from}: missing value")
    })?;
    let copied = get(container, &key).map_err(|why| format!("error in copy for from: '{from}': {why}"))?;
    let copied = copied.unwrap_or(&Value::Null);
    *sum += size(copied);
    if *sum > MAX_COPIED {
        return Err(format!(
            "Unable to complete the copy, the accumulated size increase of copy is {sum}, exceeding the limit {MAX_COPIED}"
        ));
    }
    let copied = copied.clone();
    let path =
        member(operation, "path").map_err(|_| "copy operation failed to decode path: missing value")?;
    fits(path, &copied)?;
    let (container, key) = find(document, path).ok_or_else(|| {
        format!("copy operation does not apply: doc is missing destination path: {path}: missing value")
    })?;
    insert(container, &key, copied).map_err(|why| format!("error while adding value during copy: {why}"))
}

fn test(document: &mut Value, operation: &Map) -> Result<(), Error> {
    let (path, found) = tested(document, operation).map_err(Error::Operation)?;
    if found.unwrap_or(&Value::Null) == operation.get("value").unwrap_or(&Value::Null) {
        return Ok(());
    }
    Err(Error::Test(format!("testing value {path} failed: test failed")))
}

/// What a test looks at, and where.
fn tested<'v>(document: &'v mut Value, operation: &'v Map) -> Done<(&'v str, Option<&'v Value>)> {
    let path =
        member(operation, "path").map_err(|why| format!("test operation failed to decode path: {why}"))?;
    if path.is_empty() {
        return Ok((path, Some(document)));
    }
    let (container, key) = find(document, path)
        .ok_or_else(|| format!("test operation does not apply: is missing path: {path}: missing value"))?;
    let found = get(container, &key).map_err(|why| format!("error in test for path: '{path}': {why}"))?;
    Ok((path, found))
}

/// Operations nest values in each other; what walks them afterwards does so by recursion.
fn fits(path: &str, value: &Value) -> Done {
    if path.matches('/').count() + depth(value) > MAX_TREE_DEPTH {
        return Err(format!("{path}: exceeded max depth"));
    }
    Ok(())
}

/// How deep the lists and maps of a value lie in each other.
fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Map(map) => map.entries().iter().map(|(_, value)| depth(value)).max(),
        Value::List(items) => items.iter().map(depth).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

fn size(value: &Value) -> usize {
    let mut json = Vec::new();
    encode_untyped(value, &mut json);
    json.len()
}

/// A member of the operation that is text.
fn member<'a>(operation: &'a Map, name: &str) -> Done<&'a str> {
    let missing = || format!("operation missing {name} field: missing value");
    operation.get(name).and_then(Value::as_str).ok_or_else(missing)
}

fn value(operation: &Map) -> Value {
    operation.get("value").cloned().unwrap_or(Value::Null)
}

/// What holds the last step of a JSON pointer (RFC 6901), and that step; nothing if the way there does not
/// exist.
fn find<'d, 'p>(document: &'d mut Value, path: &'p str) -> Option<(&'d mut Value, Cow<'p, str>)> {
    let (parents, last) = path.rsplit_once('/')?;
    let mut at = document;
    for step in parents.split('/').skip(1) {
        let step = unescape(step);
        at = match at {
            Value::Map(map) => map.get_mut(&step)?,
            Value::List(items) => {
                let index = index(&step, items.len()).ok()?;
                &mut items[index]
            }
            _ => return None,
        };
    }
    matches!(at, Value::Map(_) | Value::List(_)).then(|| (at, unescape(last)))
}

fn unescape(step: &str) -> Cow<'_, str> {
    if step.contains('~') {
        Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(step)
    }
}

fn get<'d>(container: &'d Value, key: &str) -> Done<Option<&'d Value>> {
    Ok(match container {
        Value::Map(map) => map.get(key),
        Value::List(items) => Some(&items[index(key, items.len())?]),
        _ => None,
    })
}

fn take(container: &mut Value, key: &str) -> Done<Value> {
    let missing = || format!("Unable to remove nonexistent key: {key}: missing value");
    match container {
        Value::Map(map) => map.remove(key).ok_or_else(missing),
        Value::List(items) => {
            let at = index(key, items.len())?;
            Ok(items.remove(at))
        }
        _ => Err(missing()),
    }
}

fn insert(container: &mut Value, key: &str, value: Value) -> Done {
    match container {
        Value::Map(map) => map.insert(key, value),
        Value::List(items) if key == "-" => items.push(value),
        Value::List(items) => {
            let at = index(key, items.len() + 1)
                .map_err(|why| format!("value was not a proper array index: '{key}': {why}"))?;
            items.insert(at, value);
        }
        _ => return Err("unknown object type".to_owned()),
    }
    Ok(())
}

/// An index into `len` items; a negative one counts from the end.
fn index(key: &str, len: usize) -> Done<usize> {
    let wrong = |_| format!("strconv.Atoi: parsing {}: invalid syntax", go_quote(key));
    let given: i64 = key.parse().map_err(wrong)?;
    let at = if given < 0 {
        i64::try_from(len).unwrap_or(i64::MAX) + given
    } else {
        given
    };
    let outside = || format!("Unable to access invalid index: {given}: invalid index referenced");
    usize::try_from(at)
        .ok()
        .filter(|at| *at < len)
        .ok_or_else(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(document: &str, patch: &str) -> Result<String, Error> {
        json_patch(document.as_bytes(), patch.as_bytes()).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn operations_do_what_upstreams_do() {
        for (document, patch, expected) in [
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b","value":{"c":[1]}}]"#,
                r#"{"a":1,"b":{"c":[1]}}"#,
            ),
            (
                r#"{"a":[1,3]}"#,
                r#"[{"op":"add","path":"/a/1","value":2}]"#,
                r#"{"a":[1,2,3]}"#,
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/-","value":2}]"#,
                r#"{"a":[1,2]}"#,
            ),
            (
                r#"{"a":[1,2]}"#,
                r#"[{"op":"add","path":"/a/-1","value":3}]"#,
                r#"{"a":[1,2,3]}"#,
            ),
            (
                r#"{"a":[1,2]}"#,
                r#"[{"op":"remove","path":"/a/-1"}]"#,
                r#"{"a":[1]}"#,
            ),
            (
                r#"{"a":{"b/c":1}}"#,
                r#"[{"op":"remove","path":"/a/b~1c"}]"#,
                r#"{"a":{}}"#,
            ),
            (
                r#"{"a":{}}"#,
                r#"[{"op":"replace","path":"/a/x","value":1}]"#,
                r#"{"a":{"x":1}}"#,
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"replace","path":"","value":{"b":2}}]"#,
                r#"{"b":2}"#,
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"move","from":"/a","path":"/b"}]"#,
                r#"{"b":1}"#,
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"copy","from":"/a","path":"/b"}]"#,
                r#"{"a":[1],"b":[1]}"#,
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"test","path":"/b","value":null},{"op":"test","path":"/a","value":1}]"#,
                r#"{"a":1}"#,
            ),
            (r#"{"a":1}"#, "[]", r#"{"a":1}"#),
        ] {
            assert_eq!(
                patched(document, patch).as_deref(),
                Ok(expected),
                "{document} + {patch}"
            );
        }
    }

    #[test]
    fn a_test_that_is_not_met_is_told_apart() {
        let error = patched(r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#).unwrap_err();
        assert_eq!(
            error,
            Error::Test("testing value /a failed: test failed".to_owned())
        );
        assert_eq!(
            (error.status().code, error.status().reason.as_str()),
            (422, "Invalid")
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_in_upstreams_words() {
        for (patch, text) in [
            (
                r#"[{"op":"add","path":"/x/y","value":1}]"#,
                r#"add operation does not apply: doc is missing path: "/x/y": missing value"#,
            ),
            (
                r#"[{"op":"remove","path":"/x"}]"#,
                "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
            ),
            (
                r#"[{"op":"replace","path":"/l/5","value":1}]"#,
                "replace operation does not apply: doc is missing key: /l/5: missing value",
            ),
            (r#"[{"op":"jump","path":"/a"}]"#, "Unexpected kind: jump"),
            (
                r#"[{"op":"remove","path":"/l/x"}]"#,
                r#"error in remove for path: '/l/x': strconv.Atoi: parsing "x": invalid syntax"#,
            ),
        ] {
            let error = patched(r#"{"a":1,"l":[1]}"#, patch).unwrap_err();
            assert_eq!(error, Error::Operation(text.to_owned()), "{patch}");
            assert_eq!(
                (error.status().code, error.status().reason.as_str()),
                (422, "Invalid")
            );
        }
    }

    /// Each copy doubles the object, or doubles its depth: neither may go on for 10,000 operations.
    #[test]
    fn operations_cannot_blow_an_object_up() {
        let copies = |from: &str, to: &dyn Fn(usize) -> String| {
            let each = |at| format!(r#"{{"op":"copy","from":"{from}","path":"{}"}}"#, to(at));
            format!("[{}]", (0..500).map(each).collect::<Vec<_>>().join(","))
        };
        let document = format!(r#"{{"data":{{"k":"{}"}}}}"#, "x".repeat(100_000));
        let error = patched(&document, &copies("/data", &|at| format!("/data/b{at}"))).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Unable to complete the copy, the accumulated size"),
            "{error}"
        );
        let error = patched(r#"{"a":{}}"#, &copies("/a", &|_| "/a/a".to_owned())).unwrap_err();
        assert!(error.to_string().contains("max depth"), "{error}");
        let steps =
            (1..10_000).map(|at| format!(r#"{{"op":"add","path":"{}","value":{{}}}}"#, "/a".repeat(at)));
        let steps = format!("[{}]", steps.take(1_000).collect::<Vec<_>>().join(","));
        let error = patched("{}", &steps).unwrap_err();
        assert!(error.to_string().contains("max depth"), "{error}");
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        for (patch, code, text) in [
            (
                "{}",
                400,
                "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
            ),
            (
                "[1]",
                400,
                "json: cannot unmarshal number into Go value of type jsonpatch.Operation",
            ),
            ("[", 400, "invalid JSON patch"),
        ] {
            let status = patched("{}", patch).unwrap_err().status();
            assert_eq!((status.code, status.message.as_str()), (code, text));
        }
        let many = format!(
            "[{}]",
            vec![r#"{"op":"test","path":"/a"}"#; MAX_OPERATIONS + 1].join(",")
        );
        let status = patched("{}", &many).unwrap_err().status();
        let text =
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001";
        assert_eq!((status.code, status.message.as_str()), (413, text));
    }
}
