//! No bytes make a decoder panic, run away or nest without limit.

use crate::pack::samples;
use proptest::prelude::*;
use schema::json::{self, DecodeError, Options, SyntaxError};
use schema::proto::ProtoError;
use schema::row::TypeId;
use schema::{BUILTIN, MAX_TREE_DEPTH, object, proto, yaml};

fn pod() -> TypeId {
    BUILTIN.find("core/v1", "Pod").unwrap()
}

fn schema_props() -> TypeId {
    BUILTIN.find("apiextensions/v1", "JSONSchemaProps").unwrap()
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
    drop(proto::decode(&BUILTIN, ty, bytes));
    drop(proto::open(&BUILTIN, Some(ty), bytes));
    drop(object::scan(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes: Vec<u8>, ty in 0..u16::try_from(BUILTIN.ids().count()).unwrap()) {
        all_decoders(TypeId(ty), &bytes);
        drop(yaml::to_json(&bytes));
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
        proto::decode(&BUILTIN, schema_props(), &message),
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
        assert_eq!(proto::decode(&BUILTIN, pod(), bytes), Err(error), "{bytes:x?}");
    }
    // Unknown fields of every wire type, groups among them, are skipped.
    let unknown = [
        0xa0, 0x06, 0x01, 0xa1, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0xa2, 0x06, 0x01, 0x41, 0xa3, 0x06, 0x08, 0x01,
        0xa4, 0x06, 0xa5, 0x06, 0, 0, 0, 0,
    ];
    assert!(proto::decode(&BUILTIN, pod(), &unknown).unwrap().is_empty());
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
}
