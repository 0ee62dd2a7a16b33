use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use schema::object::{Obj, Order, Revision};

use super::*;
use crate::{Resources, Served};

fn object(json: &str) -> Obj {
    Obj::new(
        "default/a",
        Revision(7),
        Bytes::from(json.to_owned()),
        Order::Declared,
    )
    .unwrap()
}

fn pods() -> Served {
    Resources::builtin().lookup("", "v1", "pods").unwrap()
}

#[test]
fn label_selectors_print_as_they_were_meant() {
    let cases = [
        ("", ""),
        ("x=a,y=b,z=c", "x=a,y=b,z=c"),
        ("z,!a , b  notin ( q,p ,q)", "!a,b notin (p,q),z"),
        ("x==a", "x==a"),
        ("x!=,y=", "x!=,y="),
        ("x in ()", "x in ()"),
        ("x in (,a)", "x in (,a)"),
        ("x in (in,notin)", "x in (in,notin)"),
        ("x>1,y<2", "x>1,y<2"),
        ("app.kubernetes.io/name in (a)", "app.kubernetes.io/name in (a)"),
        ("!a=b", "a=b"),
    ];
    for (text, printed) in cases {
        let selector = LabelSelector::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(selector.to_string(), printed, "{text}");
    }
}

#[test]
fn what_is_no_label_selector_is_told_in_upstreams_words() {
    let cases = [
        (
            "x=a||y=b",
            r#"unable to parse requirement: values[0][x]: Invalid value: "a||y": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#,
        ),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        (
            "a=)",
            "unable to parse requirement: found ')', expected: identifier",
        ),
        ("!=a", "found '!=', expected: !, identifier, or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        (
            "a in (b",
            "unable to parse requirement: found '', expected: ',' or ')'",
        ),
        (
            "a in (=)",
            "unable to parse requirement: found '=', expected: ',', ')' or identifier",
        ),
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        (
            "a>x",
            r#"unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer"#,
        ),
        (
            "/a",
            r#"unable to parse requirement: <nil>: Invalid value: "/a": prefix part must be non-empty"#,
        ),
    ];
    for (text, why) in cases {
        assert_eq!(LabelSelector::parse(text).unwrap_err().to_string(), why, "{text}");
    }
}

#[test]
fn field_selectors_know_the_fields_of_their_kind() {
    let resolved = |text: &str| resolve(FieldSelector::parse(text).unwrap(), &pods());
    let why = |text: &str| resolved(text).unwrap_err().to_string();
    assert_eq!(why("spec.image=a"), "field label not supported: spec.image");
    let names = Resources::builtin().lookup("", "v1", "configmaps").unwrap();
    let unknown = resolve(FieldSelector::parse("data.x=a").unwrap(), &names).unwrap_err();
    let text = r#""data.x" is not a known field selector: only "metadata.name", "metadata.namespace""#;
    assert_eq!(unknown.to_string(), text);
    let pod = object(r#"{"metadata":{"name":"a","namespace":"default"}}"#);
    assert!(
        resolved("metadata.name=a,metadata.namespace!=x")
            .unwrap()
            .matches(&pod)
    );
    assert!(!resolved("metadata.name!=a").unwrap().matches(&pod));
    assert!(resolved("metadata.name==a").unwrap().required("metadata.name") == Some("a"));
}

#[test]
fn field_selectors_are_read_as_upstreams() {
    let why = |text: &str| FieldSelector::parse(text).unwrap_err().to_string();
    assert_eq!(why("a"), "invalid selector: 'a'; can't understand 'a'");
    assert_eq!(
        why(r"a=\x"),
        r"invalid field selector: invalid escape sequence: \x"
    );
    assert_eq!(
        why(r"a=b=c"),
        "invalid field selector: unescaped character in value: 61"
    );
    let printed = |text: &str| FieldSelector::parse(text).unwrap().to_string();
    assert_eq!(printed(r"b=x\,y,,a!=\\"), r"a!=\\,b=x\,y");
}

/// What upstream's documentation says that a requirement means, as plainly as can be.
fn model(requirement: &Requirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let among = value.is_some_and(|value| requirement.values.contains(value));
    match requirement.operator {
        Operator::In | Operator::Equals | Operator::DoubleEquals => among,
        Operator::NotIn | Operator::NotEquals => !among,
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
        Operator::GreaterThan | Operator::LessThan => unreachable!("not generated"),
    }
}

fn requirement() -> impl Strategy<Value = String> {
    let (key, value) = ("[a-c]", "[xyz]?");
    prop_oneof![
        key.prop_map(|key| key),
        key.prop_map(|key| format!("!{key}")),
        (key, prop_oneof!["=", "==", "!="], value)
            .prop_map(|(key, operator, value)| format!("{key}{operator}{value}")),
        (
            key,
            prop_oneof!["in", "notin"],
            prop::collection::vec(value, 1..4)
        )
            .prop_map(|(key, operator, values)| format!("{key} {operator} ({})", values.join(","))),
    ]
}

proptest! {
    #[test]
    fn selectors_parse_print_and_match_as_the_model(
        requirements in prop::collection::vec(requirement(), 0..4),
        labels in prop::collection::btree_map("[a-c]", "[xyz]?", 0..4),
    ) {
        let selector = LabelSelector::parse(&requirements.join(",")).unwrap();
        prop_assert_eq!(&LabelSelector::parse(&selector.to_string()).unwrap(), &selector);
        let expected = selector.requirements().iter().all(|requirement| model(requirement, &labels));
        let matches = selector.matches(|key| labels.get(key).map(String::as_str));
        prop_assert_eq!(matches, expected);
    }

    #[test]
    fn fields_come_back(field in "[a-z.]{1,9}", value in ".{0,12}") {
        let selector = FieldSelector(vec![field::Term { field, equal: true, value, source: field::Source::Unresolved }]);
        prop_assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn no_text_panics(text in r"[a-c!=,()\\ <>in\x00-\x1f]{0,30}|.{0,40}") {
        let _ = LabelSelector::parse(&text);
        let _ = FieldSelector::parse(&text);
    }
}
