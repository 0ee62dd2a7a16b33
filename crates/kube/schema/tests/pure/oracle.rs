//! Upstream's round-trip files: every kind, every encoding, byte for byte.

use crate::pack::{Sample, samples};
use schema::json::{self, Options};
use schema::tree::Struct;
use schema::{BUILTIN, MAX_REQUEST_BYTES, proto, yaml};

const STRICT: Options = Options {
    report: true,
    max_bytes: 1 << 20,
};

fn decoded(sample: &Sample) -> Struct {
    let decoded = json::decode(&BUILTIN, sample.ty(), &sample.json, STRICT);
    let decoded = decoded.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
    assert_eq!(decoded.issues, [], "{}", sample.name);
    decoded.object
}

#[test]
fn there_are_as_many_kinds_as_upstream_has() {
    assert_eq!(samples().len(), 185);
}

#[test]
fn json_comes_back_byte_for_byte() {
    for sample in samples() {
        let mut out = Vec::new();
        json::encode(&BUILTIN, &decoded(&sample), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            String::from_utf8(sample.json).unwrap(),
            "{}",
            sample.name
        );
    }
}

#[test]
fn protobuf_is_the_same_tree() {
    for sample in samples() {
        let object = proto::open(&BUILTIN, Some(sample.ty()), &sample.pb, MAX_REQUEST_BYTES).unwrap();
        assert_eq!(object, decoded(&sample), "{}", sample.name);
    }
}

#[test]
fn protobuf_comes_back_byte_for_byte() {
    for sample in samples() {
        let sealed = proto::seal(&BUILTIN, &decoded(&sample)).unwrap();
        assert!(sealed == sample.pb, "{}", sample.name);
    }
}

#[test]
fn yaml_is_the_same_tree_and_comes_back_byte_for_byte() {
    for sample in samples() {
        let object = decoded(&sample);
        let read = yaml::decode(&BUILTIN, sample.ty(), &sample.yaml, STRICT).unwrap();
        assert_eq!(
            (read.object, read.issues),
            (object.clone(), vec![]),
            "{}",
            sample.name
        );
        let mut out = String::new();
        yaml::encode(&BUILTIN, &object, &mut out);
        assert_eq!(out, String::from_utf8(sample.yaml).unwrap(), "{}", sample.name);
    }
}
