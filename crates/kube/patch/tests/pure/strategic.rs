//! Strategic merge patches of pods, deployments and services.

use patch::{Error, strategic};
use schema::BUILTIN;

use super::type_of;

fn patched(version: &str, kind: &str, document: &str, patch: &str) -> Result<String, Error> {
    let json = strategic(
        &BUILTIN,
        type_of(version, kind),
        document.as_bytes(),
        patch.as_bytes(),
    )?;
    Ok(String::from_utf8(json).unwrap())
}

#[test]
fn lists_merge_as_their_fields_say() {
    for (document, patch, expected) in [
        (
            r#"{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b"}]}}"#,
            r#"{"spec":{"containers":[{"name":"a","image":"2"}]}}"#,
            r#"{"spec":{"containers":[{"image":"2","name":"a"},{"name":"b"}]}}"#,
        ),
        (
            r#"{"spec":{"containers":[{"name":"a"}]}}"#,
            r#"{"spec":{"containers":[{"name":"b"}]}}"#,
            r#"{"spec":{"containers":[{"name":"b"},{"name":"a"}]}}"#,
        ),
        (
            r#"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#,
            r#"{"spec":{"containers":[{"$patch":"delete","name":"a"}]}}"#,
            r#"{"spec":{"containers":[{"name":"b"}]}}"#,
        ),
        (
            r#"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#,
            r#"{"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}}"#,
            r#"{"spec":{"containers":[{"name":"c"}]}}"#,
        ),
        (
            r#"{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}"#,
            r#"{"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"a"}],"containers":[{"name":"a","image":"x"}]}}"#,
            r#"{"spec":{"containers":[{"name":"b"},{"name":"c"},{"image":"x","name":"a"}]}}"#,
        ),
        (
            r#"{"metadata":{"finalizers":["a","b"]}}"#,
            r#"{"metadata":{"finalizers":["c"]}}"#,
            r#"{"metadata":{"finalizers":["c","a","b"]}}"#,
        ),
        (
            r#"{"metadata":{"finalizers":["a","b"]}}"#,
            r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}"#,
            r#"{"metadata":{"finalizers":["b"]}}"#,
        ),
        (
            r#"{"spec":{"tolerations":[{"key":"a"}]}}"#,
            r#"{"spec":{"tolerations":[{"key":"b"}]}}"#,
            r#"{"spec":{"tolerations":[{"key":"b"}]}}"#,
        ),
        (
            r#"{"metadata":{"labels":{"a":"1","b":"1"}}}"#,
            r#"{"metadata":{"labels":{"a":null,"c":"1","d":null}}}"#,
            r#"{"metadata":{"labels":{"b":"1","c":"1"}}}"#,
        ),
        (
            r#"{"metadata":{"labels":{"a":"1"}}}"#,
            r#"{"metadata":{"labels":{"$patch":"replace","c":"1"}}}"#,
            r#"{"metadata":{"labels":{"c":"1"}}}"#,
        ),
        (
            r#"{"metadata":{"labels":{"a":"1"}}}"#,
            r#"{"metadata":{"labels":{"$patch":"delete"}}}"#,
            r#"{"metadata":{"labels":{}}}"#,
        ),
        (
            r#"{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}"#,
            r#"{"spec":{"volumes":[{"$retainKeys":["name","hostPath"],"name":"v","hostPath":{"path":"/"}}]}}"#,
            r#"{"spec":{"volumes":[{"hostPath":{"path":"/"},"name":"v"}]}}"#,
        ),
        (
            r#"{"spec":{}}"#,
            r#"{"spec":{"nodeSelector":{"a":"1","b":null},"containers":[{"$patch":"delete","name":"x"}]}}"#,
            r#"{"spec":{"containers":[],"nodeSelector":{"a":"1"}}}"#,
        ),
    ] {
        assert_eq!(
            patched("v1", "Pod", document, patch).as_deref(),
            Ok(expected),
            "{document} + {patch}"
        );
    }
    let ports = r#"{"spec":{"ports":[{"port":80,"name":"a"},{"port":81,"name":"b"}]}}"#;
    let merged = patched(
        "v1",
        "Service",
        ports,
        r#"{"spec":{"ports":[{"port":80,"nodePort":30000}]}}"#,
    )
    .unwrap();
    assert_eq!(
        merged,
        r#"{"spec":{"ports":[{"name":"a","nodePort":30000,"port":80},{"name":"b","port":81}]}}"#
    );
}

/// Comparing all with all would take minutes here, and the runner ends such a test.
#[test]
fn lists_may_be_as_long_as_a_request() {
    let names =
        |prefix: &str| -> Vec<String> { (0..50_000).map(|at| format!("\"a/{prefix}{at}\"")).collect() };
    let (old, new) = (names("o").join(","), names("n").join(","));
    let document = format!(r#"{{"metadata":{{"finalizers":[{old}]}}}}"#);
    let patch =
        format!(r#"{{"metadata":{{"finalizers":[{new}],"$setElementOrder/finalizers":[{new},{old}]}}}}"#);
    let merged = patched("v1", "Pod", &document, &patch).unwrap();
    assert_eq!(
        merged,
        format!(r#"{{"metadata":{{"finalizers":[{new},{old}]}}}}"#)
    );
}

#[test]
fn what_does_not_fit_is_refused_in_upstreams_words() {
    let pod = r#"{"spec":{"containers":[{"name":"a"}]},"metadata":{"finalizers":["x"]}}"#;
    for (patch, code, text) in [
        (
            r#"{"spec":{"containers":[{"image":"x"}]}}"#,
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            r#"{"spec":{"containers":[{"name":"a","$patch":"jump"}]}}"#,
            500,
            "unknown patch type: jump in map: map[$patch:jump name:a]",
        ),
        (
            r#"{"spec":{"$retainKeys":["x"],"containers":[]}}"#,
            400,
            "invalid patch format of retainKeys",
        ),
        (
            r#"{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a"}]}}"#,
            500,
            "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n",
        ),
        (
            r#"{"metadata":{"finalizers":[1]}}"#,
            500,
            "list element types are not identical: [[x] [1]]",
        ),
        (
            r#"{"metadata":{"finalizers":[["a"]]}}"#,
            500,
            "list element types are not identical: [[x] [[a]]]",
        ),
        (
            "[]",
            400,
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ] {
        let status = patched("v1", "Pod", pod, patch).unwrap_err().status();
        assert_eq!((status.code, status.message.as_str()), (code, text), "{patch}");
    }
}
