//! Stored bodies: what is served equals what the encoder prints with the version set.

use crate::arbitrary::trees_of;
use crate::pack::samples;
use bytes::Bytes;
use proptest::prelude::*;
use schema::BUILTIN;
use schema::json::{self, Options};
use schema::object::{self, Meta, Obj, Order, Prefix, Revision, ScanError, View, body};
use schema::row::TypeId;
use schema::tree::{Struct, Value};
use std::sync::Arc;

fn get<'a>(object: &'a Struct, name: &str) -> Option<&'a Value> {
    object.get(BUILTIN.slot(object.ty, name, 0)?)
}

fn text(object: &Struct, name: &str) -> String {
    get(object, name).and_then(Value::as_str).unwrap_or("").to_owned()
}

/// The object as a client should see it at a revision, through the tree.
fn expected(object: &Struct, rev: Revision) -> String {
    let mut object = object.clone();
    let meta_slot = BUILTIN.slot(object.ty, "metadata", 2).unwrap();
    let meta_ty = BUILTIN.fields(object.ty)[meta_slot].ty;
    let mut meta = object
        .get(meta_slot)
        .and_then(Value::as_struct)
        .cloned()
        .unwrap_or_else(|| Struct::new(meta_ty));
    meta.set(
        BUILTIN.slot(meta_ty, "resourceVersion", 0).unwrap(),
        Value::str(&rev.0.to_string()),
    );
    object.set(meta_slot, Value::Struct(Box::new(meta)));
    let mut out = Vec::new();
    json::encode(&BUILTIN, &object, &mut out);
    String::from_utf8(out).unwrap()
}

fn check(object: &Struct) {
    let obj = Obj::new(
        "default/x",
        Revision(12_345),
        body(&BUILTIN, object),
        Order::Declared,
    )
    .unwrap();
    let prefix = match (&*text(object, "apiVersion"), &*text(object, "kind")) {
        ("", "") => Prefix::none(),
        (api_version, kind) => Prefix::new(api_version, kind, Order::Declared),
    };
    assert_eq!(
        String::from_utf8(obj.served(&prefix)).unwrap(),
        expected(object, obj.rev)
    );
    let meta = get(object, "metadata").and_then(Value::as_struct).cloned();
    agrees(&obj.meta, &meta.unwrap_or_else(|| Struct::new(object_meta())));
}

/// The scan found what the tree holds.
fn agrees(meta: &Meta, tree: &Struct) {
    assert_eq!(*meta.name, text(tree, "name"));
    assert_eq!(*meta.namespace, text(tree, "namespace"));
    assert_eq!(*meta.uid, text(tree, "uid"));
    assert_eq!(
        Some(meta.generation),
        get(tree, "generation").map_or(Some(0), Value::as_int)
    );
    assert_eq!(*meta.creation_timestamp, text(tree, "creationTimestamp"));
    assert_eq!(
        meta.deletion_timestamp.as_deref().unwrap_or(""),
        text(tree, "deletionTimestamp")
    );
    assert_eq!(
        meta.deletion_grace_period_seconds,
        get(tree, "deletionGracePeriodSeconds").and_then(Value::as_int)
    );
    let labels: Vec<_> = match get(tree, "labels") {
        Some(Value::Map(map)) => map
            .entries()
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().into()))
            .collect(),
        _ => vec![],
    };
    assert_eq!(*meta.labels, labels[..]);
    assert_eq!(meta.finalizers.len(), items(tree, "finalizers").len());
    for (found, owner) in meta.owner_references.iter().zip(items(tree, "ownerReferences")) {
        let owner = owner.as_struct().unwrap();
        assert_eq!(
            (&*found.kind, &*found.name, &*found.uid),
            (&*text(owner, "kind"), &*text(owner, "name"), &*text(owner, "uid"))
        );
        assert_eq!(
            found.controller,
            get(owner, "controller") == Some(&Value::Bool(true))
        );
    }
    assert_eq!(meta.owner_references.len(), items(tree, "ownerReferences").len());
}

fn items<'a>(tree: &'a Struct, name: &str) -> &'a [Value] {
    match get(tree, name) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn object_meta() -> TypeId {
    BUILTIN.find("meta/v1", "ObjectMeta").unwrap()
}

fn has_object_meta(ty: TypeId) -> bool {
    BUILTIN
        .slot(ty, "metadata", 2)
        .is_some_and(|slot| BUILTIN.fields(ty)[slot].ty == object_meta())
}

#[test]
fn bodies_of_upstreams_objects_are_served_as_upstream_prints_them() {
    let mut checked = 0;
    for sample in samples().iter().filter(|sample| has_object_meta(sample.ty())) {
        check(
            &json::decode(&BUILTIN, sample.ty(), &sample.json, Options::default())
                .unwrap()
                .object,
        );
        checked += 1;
    }
    // The others are options, reviews of admission and images, and lists of versions: never stored.
    assert!(checked > 150, "{checked}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_objects_are_served_as_the_encoder_prints_them(tree in trees_of(BUILTIN.find("core/v1", "Pod").unwrap())) {
        let mut tree = tree;
        for (name, value) in [("kind", "Pod"), ("apiVersion", "v1")] {
            tree.set(BUILTIN.slot(tree.ty, name, 0).unwrap(), Value::str(value));
        }
        check(&tree);
    }
}

#[test]
fn a_version_fits_at_every_place() {
    for (body, served) in [
        (r#"{"metadata":{}}"#, r#"{"metadata":{"resourceVersion":"7"}}"#),
        (
            r#"{"metadata":{"labels":{}}}"#,
            r#"{"metadata":{"resourceVersion":"7","labels":{}}}"#,
        ),
        (
            r#"{"metadata":{"uid":"u"}}"#,
            r#"{"metadata":{"uid":"u","resourceVersion":"7"}}"#,
        ),
        (
            r#"{"metadata":{"uid":"u","generation":1},"spec":{}}"#,
            r#"{"metadata":{"uid":"u","resourceVersion":"7","generation":1},"spec":{}}"#,
        ),
    ] {
        let obj = Obj::new(
            "x",
            Revision(7),
            Bytes::from_static(body.as_bytes()),
            Order::Declared,
        )
        .unwrap();
        assert_eq!(String::from_utf8(obj.served(&Prefix::none())).unwrap(), served);
    }
}

#[test]
fn what_is_not_a_stored_body_is_refused() {
    for (body, error) in [
        (r#"{"spec":{}}"#, ScanError::NoMetadata),
        (r#"{"metadata":{"resourceVersion":"1"}}"#, ScanError::HasVersion),
        (
            r#"{"metadata":{"name":1}}"#,
            ScanError::Type {
                member: "name",
                expected: "string",
            },
        ),
    ] {
        assert_eq!(object::scan(body.as_bytes(), Order::Declared).unwrap_err(), error);
    }
}

struct Length(usize);

impl View for Length {
    fn read(_: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        Ok(Self(body.len()))
    }
}

struct Other;

impl View for Other {
    fn read(_: &Meta, _: &[u8]) -> Result<Self, ScanError> {
        Ok(Self)
    }
}

#[test]
fn a_view_is_read_once_and_shared() {
    let obj = Obj::new(
        "x",
        Revision(1),
        Bytes::from_static(b"{\"metadata\":{}}"),
        Order::Declared,
    )
    .unwrap();
    let view: Arc<Length> = obj.view().unwrap();
    assert_eq!(view.0, obj.body().len());
    assert!(Arc::ptr_eq(&view, &obj.view().unwrap()));
    assert_eq!(obj.view::<Other>().err(), Some(ScanError::View));
}
