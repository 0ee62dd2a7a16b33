//! No bytes make a decoder panic, run away or nest without limit.

use crate::pack::samples;
use proptest::prelude::*;
use schema::json::{self, DecodeError, Options, SyntaxError};
use schema::object::Order;
use schema::proto::ProtoError;
use schema::row::TypeId;
use schema::tree::{Struct, Value};
use schema::{BUILTIN, MAX_REQUEST_BYTES, MAX_TREE_DEPTH, object, proto, yaml};

fn pod() -> TypeId {
    BUILTIN.find("core/v1", "Pod").unwrap()
}

fn schema_props() -> TypeId {
    BUILTIN.find("apiextensions/v1", "JSONSchemaProps").unwrap()
}

/// Values in a tree, itself not counted.
fn values(value: &Value) -> usize {
    1 + match value {
        Value::List(items) => items.iter().map(values).sum(),
        Value::Map(map) => map.entries().iter().map(|(_, value)| values(value)).sum(),
        Value::Struct(object) => members(object),
        _ => 0,
    }
}

fn members(object: &Struct) -> usize {
    object.fields().iter().map(|(_, value)| values(value)).sum()
}

/// What decoding the bytes as JSON and as protobuf makes, where they are that.
fn trees(ty: TypeId, bytes: &[u8]) -> Vec<Struct> {
    let json = json::decode(&BUILTIN, ty, bytes, Options::default()).map(|decoded| decoded.object);
    let proto = proto::decode(&BUILTIN, ty, bytes, MAX_REQUEST_BYTES);
    json.into_iter().chain(proto).collect()
}

fn all_decoders(ty: TypeId, bytes: &[u8]) {
    drop(json::decode(
        &BUILTIN,
        ty,
        bytes,
        Options {
            report: true,
            ..Options::default()
        },
    ));
    drop(json::parse(bytes));
    drop(proto::decode(&BUILTIN, ty, bytes, MAX_REQUEST_BYTES));
    drop(proto::open(&BUILTIN, Some(ty), bytes, MAX_REQUEST_BYTES));
    drop(object::scan(bytes, Order::Declared));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes: Vec<u8>, ty in 0..u16::try_from(BUILTIN.ids().count()).unwrap()) {
        all_decoders(TypeId(ty), &bytes);
        drop(yaml::to_json(&bytes));
    }

    /// A value is 24 bytes (64 with its map key, 56 with an empty object), and vectors at most
    /// double: no input makes a decoder take more than about 130 times its size.
    #[test]
    fn no_input_makes_more_values_than_it_has_bytes(ty in 0..u16::try_from(BUILTIN.ids().count()).unwrap(), field in 0..40_u8, unit in prop::sample::select(vec![&b"\x00"[..], b"\x01", b"\x0a\x00", b"\x12\x00"]), times in 0..120_usize) {
        // One field, length-delimited, again and again; its content is empty messages or numbers.
        let content = unit.repeat(times % 60);
        let len = u8::try_from(content.len()).unwrap();
        let message = [&[(field << 3) | 2, len][..], &content].concat().repeat(times);
        for object in trees(TypeId(ty), &message) {
            prop_assert!(members(&object) <= message.len());
        }
        let ty = TypeId(ty);
        for member in BUILTIN.fields(ty) {
            for item in ["0", "{}", "\"\"", "[]", "null"] {
                let list = vec![item; times].join(",");
                let text = format!("{{\"{}\":[{list}]}}", BUILTIN.name(member.json));
                for object in trees(ty, text.as_bytes()) {
                    prop_assert!(members(&object) <= text.len());
                }
            }
        }
    }

    #[test]
    fn damaged_objects_are_read_or_refused(index in 0..185_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let sample = &samples()[index];
        for mut bytes in [sample.json.clone(), sample.pb.clone()] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            all_decoders(sample.ty(), &bytes);
            all_decoders(sample.ty(), &bytes[..cut.index(bytes.len())]);
        }
    }
}

#[test]
fn deep_json_is_refused_before_the_stack_ends() {
    let nested = |levels: usize| ["{\"not\":".repeat(levels), "{}".to_owned(), "}".repeat(levels)].concat();
    let decode = |levels| {
        json::decode(
            &BUILTIN,
            schema_props(),
            nested(levels).as_bytes(),
            Options::default(),
        )
    };
    assert!(decode(MAX_TREE_DEPTH).is_ok());
    assert_eq!(decode(100_000), Err(DecodeError::Syntax(SyntaxError::Depth)));
    assert!(json::parse(nested(MAX_TREE_DEPTH - 1).as_bytes()).is_ok());
    assert_eq!(
        json::parse("[".repeat(100_000).as_bytes()),
        Err(SyntaxError::Depth)
    );
}

#[test]
fn deep_yaml_is_refused_before_the_stack_ends() {
    let lists = |levels: usize| "- ".repeat(levels) + "a";
    let maps = |levels: usize| "{a: ".repeat(levels) + "b" + &"}".repeat(levels);
    let keys = |levels: usize| "? ".repeat(levels) + "a";
    let pairs = |levels: usize| "{".repeat(levels) + "a" + &": 1}".repeat(levels);
    // JSON has no such keys, and reading them takes twice the time for each level.
    for deep in [
        keys(60),
        pairs(60),
        "? [a]\n: 1".to_owned(),
        "{{a: 1}: 1}".to_owned(),
    ] {
        let refused = yaml::to_json(deep.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("invalid map key"), "{refused}");
    }
    // The parser's own limit is 64.
    assert!(yaml::to_json(lists(60).as_bytes()).is_ok());
    assert!(yaml::to_json(maps(60).as_bytes()).is_ok());
    for levels in [65, 1_000, 100_000] {
        for deep in [lists(levels), maps(levels), keys(levels)] {
            assert!(yaml::to_json(deep.as_bytes()).is_err(), "{levels}");
        }
    }
}

#[test]
fn deep_protobuf_is_refused_before_the_stack_ends() {
    let mut message = Vec::new();
    for _ in 0..5_000 {
        // Field 28 (`not`), length-delimited, around what there is.
        let mut outer = vec![0xe2, 0x01];
        let mut len = message.len();
        while len >= 0x80 {
            outer.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
            len >>= 7;
        }
        outer.push(u8::try_from(len).unwrap());
        outer.extend(&message);
        message = outer;
    }
    assert_eq!(
        proto::decode(&BUILTIN, schema_props(), &message, MAX_REQUEST_BYTES),
        Err(ProtoError::Depth)
    );
}

#[test]
fn malformed_wire_has_a_name() {
    for (bytes, error) in [
        (&[0x0a][..], ProtoError::End),
        (
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            ProtoError::End,
        ),
        (&[0xff; 11], ProtoError::Overflow),
        (&[0x00], ProtoError::Tag(0)),
        (&[0x0e], ProtoError::Tag(14)),
        (&[0x08, 0x01], ProtoError::WireType { wire: 0, number: 1 }),
        (&[0x0a, 0x03, 0x0a, 0x01, 0xff], ProtoError::Utf8),
    ] {
        assert_eq!(
            proto::decode(&BUILTIN, pod(), bytes, MAX_REQUEST_BYTES),
            Err(error),
            "{bytes:x?}"
        );
    }
    // Unknown fields of every wire type, groups among them, are skipped.
    let unknown = [
        0xa0, 0x06, 0x01, 0xa1, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0xa2, 0x06, 0x01, 0x41, 0xa3, 0x06, 0x08, 0x01,
        0xa4, 0x06, 0xa5, 0x06, 0, 0, 0, 0,
    ];
    assert!(
        proto::decode(&BUILTIN, pod(), &unknown, MAX_REQUEST_BYTES)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn too_large_input_is_refused_unread() {
    let options = Options {
        max_bytes: 10,
        ..Options::default()
    };
    assert_eq!(
        json::decode(&BUILTIN, pod(), &[b' '; 11], options),
        Err(DecodeError::TooLarge { limit: 10 })
    );
    assert!(yaml::decode(&BUILTIN, pod(), &[b' '; 11], options).is_err());
    let refused = Err(ProtoError::TooLarge { limit: 10 });
    assert_eq!(proto::decode(&BUILTIN, pod(), &[0; 11], 10), refused);
    assert_eq!(proto::open(&BUILTIN, Some(pod()), b"k8s\0.......", 10), refused);
}

/// Coming back to a large map again and again must not sort it each time.
#[test]
fn repeated_merging_takes_linear_time() {
    let ty = BUILTIN.find("core/v1", "ConfigMap").unwrap();
    let keys: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":\"\"")).collect();
    let again = ",\"data\":{\"a\":\"b\"}".repeat(20_000);
    let json = format!("{{\"data\":{{{}}}{again}}}", keys.join(","));
    let object = json::decode(&BUILTIN, ty, json.as_bytes(), Options::default())
        .unwrap()
        .object;
    assert_eq!(members(&object), 20_002);
}
