//! Rules of custom resources: what is wrong with a definition, and with an object.

use cel::rules::{Rules, check};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::field::Path;
use schema::json::{Options, decode, parse};
use schema::resource::type_of_kind;
use schema::tree::{Struct, Value};

/// A definition with this schema.
fn definition(schema: &str) -> Struct {
    let json =
        format!(r#"{{"spec":{{"versions":[{{"name":"v1","schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#);
    let ty = type_of_kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap();
    decode(&BUILTIN, ty, json.as_bytes(), Options::default())
        .unwrap()
        .object
}

fn with_schema<T>(schema: &str, act: impl FnOnce(Ref<'_>) -> T) -> T {
    let definition = definition(schema);
    let versions = Ref::new(&BUILTIN, &definition).path("spec.versions");
    let version = versions.items().next().unwrap();
    act(version.path("schema.openAPIV3Schema"))
}

fn faults(schema: &str) -> Vec<String> {
    with_schema(schema, |schema| {
        let mut errors = Vec::new();
        check(schema, &Path::new("s"), &mut errors);
        errors.iter().map(|error| error.to_string()).collect()
    })
}

fn tree(json: &str) -> Value {
    parse(json.as_bytes()).unwrap()
}

/// The errors of an object, and the warnings.
fn judge(schema: &str, object: &str, old: Option<&str>) -> (Vec<String>, Vec<String>) {
    with_schema(schema, |schema| {
        let rules = Rules::compile(schema).unwrap();
        let (object, old) = (tree(object), old.map(tree));
        let at = |value| Ref::of(&BUILTIN, value);
        let judgement = rules.validate(&Path::root(), at(&object), old.as_ref().map(at));
        let errors = judgement.errors.iter().map(|error| error.to_string());
        (errors.collect(), judgement.warnings)
    })
}

/// An object schema whose `spec` has these properties and rules.
fn spec(properties: &str, rules: &str) -> String {
    format!(
        r#"{{"type":"object","properties":{{"spec":{{"type":"object","properties":{{{properties}}},
            "x-kubernetes-validations":[{rules}]}}}}}}"#
    )
}

const COUNTS: &str =
    r#""min":{"type":"integer"},"max":{"type":"integer"},"a-b":{"type":"string","maxLength":10}"#;

#[test]
fn rules_that_hold_say_nothing() {
    let cases = [
        ("self.min <= self.max", r#"{"spec":{"min":1,"max":2}}"#),
        ("!has(self.min) || self.min > 0", r#"{"spec":{}}"#),
        ("self.a__dash__b == 'x'", r#"{"spec":{"a-b":"x"}}"#),
    ];
    for (rule, object) in cases {
        let schema = spec(COUNTS, &format!(r#"{{"rule":"{rule}"}}"#));
        assert_eq!(judge(&schema, object, None), (vec![], vec![]), "{rule}");
    }
}

#[test]
fn rules_that_do_not_hold_are_told() {
    let cases = [
        (
            r#"{"rule":"self.min <= self.max"}"#,
            "spec: Invalid value: failed rule: self.min <= self.max",
        ),
        (
            r#"{"rule":"self.min <= self.max","message":" no "}"#,
            "spec: Invalid value: no",
        ),
        (
            r#"{"rule":"self.min <= self.max","messageExpression":"'min is ' + string(self.min)"}"#,
            "spec: Invalid value: min is 3",
        ),
        (
            r#"{"rule":"self.min <= self.max","messageExpression":"''","message":"m"}"#,
            "spec: Invalid value: m",
        ),
        (
            r#"{"rule":"self.min <= self.max","reason":"FieldValueForbidden","fieldPath":".min","message":"m"}"#,
            "spec.min: Forbidden: m",
        ),
        (
            r#"{"rule":"self.min <= self.max","reason":"FieldValueRequired","message":"m"}"#,
            "spec: Required value: m",
        ),
        (
            r#"{"rule":"self.a__dash__b == 'x'"}"#,
            "spec: Invalid value: \"object\": no such key: a__dash__b evaluating rule: self.a__dash__b == 'x'",
        ),
        (
            r#"{"rule":"1 / (self.max - 2) > 0","message":"m"}"#,
            "spec: Invalid value: \"object\": division by zero evaluating rule: m",
        ),
    ];
    for (rule, wanted) in cases {
        let (errors, _) = judge(&spec(COUNTS, rule), r#"{"spec":{"min":3,"max":2}}"#, None);
        assert_eq!(errors, [wanted], "{rule}");
    }
}

#[test]
fn transitions_need_an_old_value() {
    let rule = r#"{"rule":"self.min >= oldSelf.min","message":"m"}"#;
    let schema = spec(COUNTS, rule);
    let now = r#"{"spec":{"min":1}}"#;
    assert_eq!(judge(&schema, now, None).0, Vec::<String>::new());
    assert_eq!(
        judge(&schema, now, Some(r#"{"spec":{"min":2}}"#)).0,
        ["spec: Invalid value: m"]
    );
    assert_eq!(
        judge(&schema, now, Some(r#"{"spec":{"min":1}}"#)).0,
        Vec::<String>::new()
    );
    let rule = r#"{"rule":"oldSelf.hasValue() || self.min == 0","optionalOldSelf":true,"message":"m"}"#;
    let schema = spec(COUNTS, rule);
    assert_eq!(judge(&schema, now, None).0, ["spec: Invalid value: m"]);
    assert_eq!(judge(&schema, now, Some(now)).0, Vec::<String>::new());
}

#[test]
fn what_was_wrong_before_and_is_unchanged_is_a_warning() {
    let schema = spec(COUNTS, r#"{"rule":"self.min > 5","message":"m"}"#);
    let now = r#"{"spec":{"min":1}}"#;
    let (errors, warnings) = judge(&schema, now, Some(now));
    assert_eq!(
        (errors.len(), warnings),
        (0, vec!["spec: Invalid value: m".to_owned()])
    );
    let (errors, _) = judge(&schema, now, Some(r#"{"spec":{"min":2}}"#));
    assert_eq!(errors, ["spec: Invalid value: m"]);
}

#[test]
fn items_and_values_have_rules_of_their_own() {
    let rule = r#""x-kubernetes-validations":[{"rule":"self.n > oldSelf.n","message":"m"}]"#;
    let item = format!(
        r#"{{"type":"object","properties":{{"k":{{"type":"string"}},"n":{{"type":"integer"}}}},{rule}}}"#
    );
    let properties = format!(
        r#""l":{{"type":"array","items":{item},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"]}},
           "m":{{"type":"object","additionalProperties":{{"type":"string",
               "x-kubernetes-validations":[{{"rule":"self != 'x'","message":"m"}}]}}}}"#
    );
    let schema = spec(&properties, "");
    let old = r#"{"spec":{"l":[{"k":"a","n":1},{"k":"b","n":1}]}}"#;
    let now = r#"{"spec":{"l":[{"k":"b","n":1},{"k":"c","n":0},{"k":"a","n":2}],"m":{"y":"x"}}}"#;
    let (errors, _) = judge(&schema, now, Some(old));
    assert_eq!(
        errors,
        [
            "spec.l[0]: Invalid value: m",
            "spec.m[y]: Invalid value: \"x\": m"
        ]
    );
}

#[test]
fn values_are_read_as_declared() {
    let properties = r#""t":{"type":"string","format":"date-time"},"d":{"type":"string","format":"duration"},
        "b":{"type":"string","format":"byte"},"f":{"type":"number"},
        "i":{"x-kubernetes-int-or-string":true},
        "s":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set"}"#;
    let rules = [
        "self.t.getFullYear() == 2023",
        "self.d == duration('1h')",
        "self.b == b'abc'",
        "self.f == 1.0",
        "type(self.i) == int && self.i == 5",
        "self.s == ['b', 'a']",
        "self.s + ['b', 'c'] == ['a', 'b', 'c']",
        "self.s.all(x, x.size() == 1)",
    ];
    let object = r#"{"spec":{"t":"2023-01-01T00:00:00Z","d":"1h","b":"YWJj","f":1,"i":5,"s":["a","b"]}}"#;
    for rule in rules {
        let schema = spec(properties, &format!(r#"{{"rule":"{rule}"}}"#));
        assert_eq!(judge(&schema, object, None).0, Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn the_resource_itself_has_a_name() {
    let schema = r#"{"type":"object","x-kubernetes-validations":[
        {"rule":"self.metadata.name == 'a' && self.kind == 'K' && self.apiVersion.startsWith('g/')","message":"m"}]}"#;
    let object = |name: &str| format!(r#"{{"apiVersion":"g/v1","kind":"K","metadata":{{"name":"{name}"}}}}"#);
    assert_eq!(judge(schema, &object("a"), None).0, Vec::<String>::new());
    assert_eq!(judge(schema, &object("b"), None).0, ["<nil>: Invalid value: m"]);
}

#[test]
fn definitions_with_bad_rules_are_refused() {
    let go = |rule: &str| {
        format!(
            r#"{{"Rule":"{rule}","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}}"#
        )
    };
    let at = "s.properties[spec].x-kubernetes-validations[0]";
    let cases = [
        (
            r#"{"rule":"self.none > 0"}"#,
            format!(
                "{at}.rule: Invalid value: {}: compilation failed: ERROR: <input>:1:5: undefined field 'none'\n | \
                 self.none > 0\n | ....^",
                go("self.none > 0").replace('>', "\\u003e")
            ),
        ),
        (
            r#"{"rule":"self.min"}"#,
            format!(
                "{at}.rule: Invalid value: {}: cel expression must evaluate to a bool",
                go("self.min")
            ),
        ),
        (
            r#"{"rule":"true","optionalOldSelf":true}"#,
            format!(
                "{at}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"
            ),
        ),
        (
            r#"{"rule":"true","fieldPath":".none"}"#,
            format!("{at}.fieldPath: Invalid value: \".none\": must be a valid path"),
        ),
    ];
    for (rule, wanted) in cases {
        assert_eq!(faults(&spec(COUNTS, rule)), [wanted], "{rule}");
    }
    assert_eq!(
        faults(&spec(
            COUNTS,
            r#"{"rule":"self.min <= self.max","fieldPath":".min"}"#
        )),
        Vec::<String>::new()
    );
}

#[test]
fn rules_that_may_cost_too_much_are_refused() {
    let unbounded = r#""l":{"type":"array","items":{"type":"string"}}"#;
    let at = "s.properties[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of";
    let advice = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";
    let rule = r#"{"rule":"self.l.all(x, self.l.all(y, x == y))"}"#;
    let faults_of = |properties: &str| faults(&spec(properties, rule));
    let more = "more than 100x";
    let found = faults_of(unbounded);
    assert_eq!(found[0], format!("{at} {more} {advice}"));
    assert!(
        found.iter().any(
            |fault| fault.starts_with("s: Forbidden: x-kubernetes-validations estimated rule cost total")
        )
    );
    let bounded = r#""l":{"type":"array","maxItems":10,"items":{"type":"string","maxLength":5}}"#;
    assert_eq!(faults_of(bounded), Vec::<String>::new());
}

#[test]
fn old_values_are_not_asked_for_where_there_are_none() {
    let properties = r#""l":{"type":"array","maxItems":2,"items":{"type":"string","maxLength":2,
        "x-kubernetes-validations":[{"rule":"self == oldSelf"}]}}"#;
    assert_eq!(
        faults(&spec(properties, "")),
        [
            "s.properties[spec].properties[l].items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": \
          oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[spec].properties[l]"
        ]
    );
}
