//! Canonical trees survive every encoding unchanged.

use crate::arbitrary::trees;
use proptest::prelude::*;
use schema::json::{self, Options};
use schema::tree::{Struct, Value};
use schema::{BUILTIN, MAX_REQUEST_BYTES, proto, yaml};

const STRICT: Options = Options {
    report: true,
    max_bytes: 1 << 22,
};

/// The object as JSON with all keys sorted.
fn sorted(object: &Struct) -> Value {
    let mut out = Vec::new();
    json::encode(&BUILTIN, object, &mut out);
    json::parse(&out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn json_is_an_identity(tree in trees(false)) {
        let mut out = Vec::new();
        json::encode(&BUILTIN, &tree, &mut out);
        let decoded = json::decode(&BUILTIN, tree.ty, &out, STRICT).unwrap();
        prop_assert_eq!(&decoded.object, &tree);
        prop_assert_eq!(decoded.issues, vec![]);
        let mut again = Vec::new();
        json::encode(&BUILTIN, &decoded.object, &mut again);
        prop_assert_eq!(again, out);
    }

    #[test]
    fn protobuf_is_an_identity(tree in trees(true)) {
        let mut out = Vec::new();
        proto::encode(&BUILTIN, &tree, &mut out);
        prop_assert_eq!(proto::decode(&BUILTIN, tree.ty, &out, MAX_REQUEST_BYTES), Ok(tree));
    }

    /// Up to the order of keys and the spelling of numbers inside raw values, which YAML sorts.
    #[test]
    fn yaml_is_an_identity(tree in trees(false)) {
        let mut out = String::new();
        yaml::encode(&BUILTIN, &tree, &mut out);
        let decoded = yaml::decode(&BUILTIN, tree.ty, out.as_bytes(), STRICT).unwrap();
        prop_assert_eq!(sorted(&decoded.object), sorted(&tree), "{}", out);
    }

    #[test]
    fn defaults_fill_once(tree in trees(false)) {
        let mut once = tree;
        schema::defaults::apply(&BUILTIN, &mut once);
        let mut twice = once.clone();
        schema::defaults::apply(&BUILTIN, &mut twice);
        prop_assert_eq!(once, twice);
    }
}
