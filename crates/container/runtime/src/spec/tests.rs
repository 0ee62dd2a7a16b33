//! One document that uses every property, and the ways a document is refused.

use super::*;

const FULL: &str = include_str!("testdata/full.json");

#[test]
fn every_property_survives_a_round_trip() {
    let spec: Spec = parse(FULL.as_bytes()).unwrap();
    let before: serde_json::Value = serde_json::from_str(FULL).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), before);
}

#[test]
fn unknown_properties_and_nulls_are_nothing() {
    let spec: Spec = parse(
        br#"{"ociVersion":"1.0.2","x":1,"mounts":null,"hostname":null,"linux":{"resources":null,"z":{}},
             "windows":{"layerFolders":[]},"process":{"cwd":"/","user":{"uid":0,"gid":0},"args":null}}"#,
    )
    .unwrap();
    assert_eq!(spec.linux, Some(Linux::default()));
    assert_eq!(
        serde_json::to_string(&spec).unwrap(),
        r#"{"ociVersion":"1.0.2","process":{"cwd":"/"},"linux":{}}"#
    );
}

fn refused(json: &str, path: &str, reason: &str) {
    let error = parse::<Spec>(json.as_bytes()).unwrap_err();
    assert_eq!(error.path, path);
    assert!(error.reason.contains(reason), "{error}");
}

#[test]
fn a_refusal_names_the_property() {
    refused(r#"{"ociVersion":1}"#, "ociVersion", "expected a string");
    refused(r#"{"ociVersion":"1","root":{}}"#, "root", "missing field `path`");
    refused(
        r#"{"ociVersion":"1","process":{"cwd":"/","user":{"uid":-1}}}"#,
        "process.user.uid",
        "invalid value: integer `-1`, expected u32",
    );
    refused(
        r#"{"ociVersion":"1","linux":{"namespaces":[{"type":"pid"},{"type":"pod"}]}}"#,
        "linux.namespaces[1].type",
        "unknown variant `pod`",
    );
    refused(
        r#"{"ociVersion":"1","linux":{"timeOffsets":{"tai":{}}}}"#,
        "linux.timeOffsets.?",
        "unknown variant `tai`",
    );
    refused(
        r#"{"ociVersion":"1","hooks":{"prestart":[{"path":"/x","timeout":0}]}}"#,
        "hooks.prestart[0].timeout",
        "nonzero",
    );
    refused(r#"{"ociVersion":"1"} x"#, ".", "trailing characters");
}

#[test]
fn a_state_is_written_as_the_specification_shows_it() {
    let state = State {
        oci_version: OCI_VERSION.into(),
        id: "c1".into(),
        status: ContainerStatus::Stopped,
        bundle: "/b".into(),
        pid: None,
        annotations: BTreeMap::new(),
    };
    assert_eq!(
        serde_json::to_string(&state).unwrap(),
        r#"{"ociVersion":"1.3.0","id":"c1","status":"stopped","bundle":"/b"}"#
    );
}

#[test]
fn words_are_their_serde_names() {
    for arch in SeccompArch::ALL {
        assert_eq!(serde_json::to_value(arch).unwrap(), arch.as_str());
    }
}
