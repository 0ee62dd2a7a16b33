//! A resource whose rows are made at run time keeps the promises of the built-in ones, with
//! upstream's differences for custom resources.

use crate::arbitrary::tree;
use proptest::prelude::*;
use schema::custom::{Member, MemberMerge, Rows};
use schema::json::{self, Decoded, Options};
use schema::object::{Obj, Order, Prefix, Revision, body};
use schema::resource::{GroupVersion, ResourceDef, Scope, Verbs, Version};
use schema::row::{Kind, Marks, Shape, Topology, TypesRef};
use schema::tree::{Struct, Value};
use schema::yaml;
use std::sync::{Arc, LazyLock};

static WIDGETS: LazyLock<ResourceDef> = LazyLock::new(widgets);

/// A schema with a nested struct, a list that is a map, a map, a list of lists, open objects, an
/// embedded resource, and members that may be null.
fn widgets() -> ResourceDef {
    let mut rows = Rows::new().unwrap();
    let port = [
        Member {
            required: true,
            ..Member::new("name", Kind::String)
        },
        Member::new("port", Kind::IntOrString),
    ];
    let port = rows.object("Port", Marks::default(), &port).unwrap();
    let row = [Member::object("", port).shaped(Shape::List)];
    let row = rows.object("Row", Marks::default(), &row).unwrap();
    let open = Marks {
        open: true,
        embedded: false,
        atomic: false,
    };
    let open = rows
        .object("Open", open, &[Member::new("known", Kind::Int64)])
        .unwrap();
    let embedded = Marks {
        open: true,
        embedded: true,
        atomic: false,
    };
    let template = rows.object("Template", embedded, &[]).unwrap();
    let keys = MemberMerge {
        topology: Topology::Map,
        keys: &["name"],
    };
    let spec = [
        Member {
            merge: keys,
            ..Member::object("ports", port).shaped(Shape::List)
        },
        Member {
            nullable: true,
            ..Member::new("size", Kind::Int64)
        },
        Member {
            default: "\"small\"",
            ..Member::new("class", Kind::String)
        },
        Member {
            nullable: true,
            ..Member::new("tags", Kind::String).shaped(Shape::List)
        },
        Member {
            ty: row,
            ..Member::new("grid", Kind::Nested)
        }
        .shaped(Shape::List),
        Member::new("ratio", Kind::Float64),
        Member::new("weights", Kind::Float64).shaped(Shape::Map),
        Member::object("open", open),
        Member::object("template", template),
        Member::new("anything", Kind::Any),
    ];
    let spec = rows.object("Spec", Marks::default(), &spec).unwrap();
    let root = rows
        .root("Widget", false, &[Member::object("spec", spec)])
        .unwrap();
    let mut def = ResourceDef {
        group: "example.com".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        short_names: vec!["wd".into()].into(),
        categories: vec!["all".into()].into(),
        scope: Scope::Namespaced,
        storage_version: GroupVersion {
            group: "example.com".into(),
            version: "v1".into(),
        },
        types: TypesRef::Shared(Arc::new(rows.finish())),
        versions: vec![Version::custom("v1", root, vec![])].into(),
    };
    let status = def.status(&def.versions[0]);
    def.versions.to_mut()[0].subresources = vec![status].into();
    def
}

fn decode(json: &str) -> Decoded {
    let options = Options {
        report: true,
        ..Options::default()
    };
    json::decode(
        &WIDGETS.types,
        WIDGETS.versions[0].schema,
        json.as_bytes(),
        options,
    )
    .unwrap()
}

fn print(object: &Struct) -> String {
    let mut out = Vec::new();
    json::encode(&WIDGETS.types, object, &mut out);
    String::from_utf8(out).unwrap()
}

fn issues(json: &str) -> Vec<String> {
    decode(json).issues.iter().map(ToString::to_string).collect()
}

fn with_type(spec: &str) -> String {
    format!(r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"a"}},"spec":{spec}}}"#)
}

fn set(object: &mut Struct, name: &str, value: Value) {
    object.set(WIDGETS.types.slot(object.ty, name, 0).unwrap(), value);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn json_and_yaml_are_identities(seed: u64) {
        let object = tree(&WIDGETS.types, WIDGETS.versions[0].schema, false, seed);
        let text = print(&object);
        let decoded = decode(&text);
        prop_assert_eq!(&decoded.object, &object, "{}", text);
        prop_assert_eq!(decoded.issues, vec![]);
        prop_assert_eq!(print(&decoded.object), text.clone());
        let mut out = String::new();
        yaml::encode(&WIDGETS.types, &object, &mut out);
        let again = yaml::decode(&WIDGETS.types, object.ty, out.as_bytes(), Options::default()).unwrap();
        // Raw values are sorted by YAML.
        prop_assert_eq!(json::parse(print(&again.object).as_bytes()), json::parse(text.as_bytes()));
    }

    #[test]
    fn served_bytes_are_what_the_encoder_prints(seed: u64) {
        let mut object = tree(&WIDGETS.types, WIDGETS.versions[0].schema, false, seed);
        let order = Order::of(&WIDGETS.types);
        let obj = Obj::new("a", Revision(7), body(&WIDGETS.types, &object), order).unwrap();
        set(&mut object, "apiVersion", Value::str("example.com/v1"));
        set(&mut object, "kind", Value::str("Widget"));
        let slot = WIDGETS.types.slot(object.ty, "metadata", 0).unwrap();
        let ty = WIDGETS.types.fields(object.ty)[slot].ty;
        let mut meta = object.remove(slot).map_or_else(|| Struct::new(ty), |meta| meta.as_struct().unwrap().clone());
        set(&mut meta, "resourceVersion", Value::str("7"));
        object.set(slot, Value::Struct(Box::new(meta)));
        let served = obj.served(&Prefix::new("example.com/v1", "Widget", order));
        prop_assert_eq!(String::from_utf8(served).unwrap(), print(&object));
    }

    #[test]
    fn damaged_objects_are_read_or_refused(seed: u64, at in any::<prop::sample::Index>(), byte: u8) {
        let ty = WIDGETS.versions[0].schema;
        let mut text = print(&tree(&WIDGETS.types, ty, false, seed)).into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let options = Options { report: true, ..Options::default() };
        if let Ok(decoded) = json::decode(&WIDGETS.types, ty, &text, options) {
            // What is printed is read as the same again.
            let again = decode(&print(&decoded.object));
            prop_assert_eq!(again.object, decoded.object);
        }
    }

    #[test]
    fn defaults_fill_once(seed: u64) {
        let mut once = tree(&WIDGETS.types, WIDGETS.versions[0].schema, false, seed);
        schema::defaults::apply(&WIDGETS.types, &mut once);
        let mut twice = once.clone();
        schema::defaults::apply(&WIDGETS.types, &mut twice);
        prop_assert_eq!(once, twice);
    }
}

#[test]
fn members_are_sorted_and_empty_ones_stay() {
    for (given, printed) in [
        (
            r#"{"tags":[],"open":{},"class":""}"#,
            r#"{"class":"","open":{},"tags":[]}"#,
        ),
        (
            r#"{"open":{"x":{"b":1,"a":null},"known":2,"a":1}}"#,
            r#"{"open":{"a":1,"known":2,"x":{"a":null,"b":1}}}"#,
        ),
        (
            r#"{"tags":null,"size":null,"class":null}"#,
            r#"{"size":null,"tags":null}"#,
        ),
        (
            r#"{"grid":[[{"name":"a","x":1}],[]]}"#,
            r#"{"grid":[[{"name":"a"}],[]]}"#,
        ),
        (r#"{"weights":{"b":1,"a":2.5}}"#, r#"{"weights":{"a":2.5,"b":1}}"#),
        (
            r#"{"ports":[{"port":"http","name":"a"},{"port":80}]}"#,
            r#"{"ports":[{"name":"a","port":"http"},{"port":80}]}"#,
        ),
        (
            r#"{"anything":{"b":[1,1.0,1e3],"a":"<"}}"#,
            r#"{"anything":{"a":"\u003c","b":[1,1,1000]}}"#,
        ),
        // Defaults do not make absent parents, and the template's metadata is ObjectMeta.
        (
            r#"{"template":{"spec":1,"metadata":{"x":1,"name":"b"},"kind":"Pod","apiVersion":"v1"}}"#,
            r#"{"template":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"},"spec":1}}"#,
        ),
    ] {
        assert_eq!(print(&decode(&with_type(given)).object), with_type(printed));
    }
}

/// Validation is to name it, so the decoder keeps it.
#[test]
fn what_does_not_fit_is_kept() {
    for spec in [
        r#"{"class":5,"open":[],"ports":{"a":1},"size":"big","tags":[1,{"a":[]}]}"#,
        r#"{"grid":[[1],2,{"a":{"b":1}}],"ratio":"x","weights":{"a":"b"}}"#,
        r#""no object""#,
        "[1]",
    ] {
        assert_eq!(print(&decode(&with_type(spec)).object), with_type(spec));
    }
    let wrong = r#"{"metadata":{"labels":{"a":1}}}"#;
    let types = &WIDGETS.types;
    let refused = json::decode(
        types,
        WIDGETS.versions[0].schema,
        wrong.as_bytes(),
        Options::default(),
    );
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .starts_with("json: cannot unmarshal number into Go struct field ObjectMeta.")
    );
}

/// Duplicates are found while reading, unknown members after it, those of metadata first.
#[test]
fn reports_come_in_upstreams_order() {
    let json = r#"{"z":{"q":1,"q":2},"spec":{"x":1,"ports":[{"y":1}],"open":{"free":{"d":1,"d":2}}},
        "metadata":{"w":1},"a":1,"spec":{"size":1,"anything":[{"e":1,"e":2}]}}"#;
    assert_eq!(
        issues(json),
        [
            "duplicate field \"z.q\"",
            "duplicate field \"spec.open.free.d\"",
            "duplicate field \"spec\"",
            "duplicate field \"spec.anything[0].e\"",
            "unknown field \"metadata.w\"",
            "unknown field \"a\"",
            "unknown field \"spec.ports[0].y\"",
            "unknown field \"spec.x\"",
            "unknown field \"z\"",
        ]
    );
}

/// Unlike in a built-in object, nothing of the first one is left.
#[test]
fn duplicates_replace() {
    let twice = r#"{"metadata":{},"spec":{"size":1},"spec":{"class":"a"}}"#;
    assert_eq!(
        print(&decode(twice).object),
        r#"{"metadata":{},"spec":{"class":"a"}}"#
    );
}

#[test]
fn rows_say_what_the_schema_says() {
    let (def, v1) = (&*WIDGETS, &WIDGETS.versions[0]);
    let types = &def.types;
    assert_eq!((v1.verbs, v1.subresources[0].schema), (Verbs::ALL, v1.schema));
    let spec = types.fields(v1.schema)[types.slot(v1.schema, "spec", 0).unwrap()].ty;
    let ports = &types.fields(spec)[types.slot(spec, "ports", 0).unwrap()];
    let merge = types.merge(ports);
    assert_eq!(merge.topology, Topology::Map);
    assert_eq!(
        merge.keys.iter().map(|key| types.name(*key)).collect::<Vec<_>>(),
        ["name"]
    );
    let list = v1.list.unwrap();
    assert_eq!(types.type_name(list).1, "WidgetList");
    let items = r#"{"apiVersion":"example.com/v1","kind":"WidgetList","items":[],"metadata":{"resourceVersion":"1"}}"#;
    let decoded = json::decode(types, list, items.as_bytes(), Options::default())
        .unwrap()
        .object;
    assert_eq!(print(&decoded), items);
    assert!(types.ids().all(|ty| {
        types
            .fields(ty)
            .iter()
            .enumerate()
            .all(|(slot, field)| types.slot(ty, types.name(field.json), 0) == Some(slot))
    }));
}
