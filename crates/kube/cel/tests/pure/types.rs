//! What the checker says, word for word as upstream's.

use super::{check, env};

#[test]
fn faults_are_worded_as_upstream_words_them() {
    let cases = [
        ("y", "1:1", "undeclared reference to 'y' (in container '')"),
        ("y.z", "1:1", "undeclared reference to 'y' (in container '')"),
        ("f(1)", "1:2", "undeclared reference to 'f' (in container '')"),
        ("x.f()", "1:4", "undeclared reference to 'f' (in container '')"),
        ("obj.none", "1:4", "undefined field 'none'"),
        ("has(obj.none)", "1:4", "undefined field 'none'"),
        (
            "obj.name.first",
            "1:9",
            "type 'string' does not support field selection",
        ),
        (
            "1 + 'a'",
            "1:3",
            "found no matching overload for '_+_' applied to '(int, string)'",
        ),
        (
            "'a'.startsWith(1)",
            "1:15",
            "found no matching overload for 'startsWith' applied to 'string.(int)'",
        ),
        (
            "obj == 1",
            "1:5",
            "found no matching overload for '_==_' applied to '(Test, int)'",
        ),
        (
            "size(1)",
            "1:5",
            "found no matching overload for 'size' applied to '(int)'",
        ),
        ("[1, 'a']", "1:5", "expected type 'int' but found 'string'"),
        ("{'a': 1, 2: 1}", "1:10", "expected type 'string' but found 'int'"),
        ("1 && true", "1:1", "expected type 'bool' but found 'int'"),
        (
            "obj.count.all(i, i)",
            "1:4",
            "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        (
            "true ? 1 : 'a'",
            "1:6",
            "found no matching overload for '_?_:_' applied to '(bool, int, string)'",
        ),
        (
            "Object{a: 1}",
            "1:7",
            "undeclared reference to 'Object' (in container '')",
        ),
        ("'a'.matches('(')", "1:13", "invalid matches argument"),
        ("duration('1y')", "1:10", "invalid duration argument"),
        ("timestamp('x')", "1:11", "invalid timestamp argument"),
    ];
    for (source, place, message) in cases {
        let issues = env().compile(source).map(|_| ()).unwrap_err();
        let first = issues.to_string().lines().next().unwrap_or_default().to_owned();
        assert_eq!(first, format!("ERROR: <input>:{place}: {message}"), "{source}");
    }
}

#[test]
fn types_are_found() {
    let cases = [
        ("1", "int"),
        ("[1]", "list(int)"),
        ("[]", "list(dyn)"),
        ("{'a': 1u}", "map(string, uint)"),
        ("x", "dyn"),
        ("x + 1", "int"),
        ("obj", "Test"),
        ("obj.items", "list(string)"),
        ("obj.items[0]", "string"),
        ("obj.?name", "optional_type(string)"),
        ("obj.?name.orValue('')", "string"),
        ("obj.items.map(i, size(i))", "list(int)"),
        ("{'a': 1}.transformMap(k, v, string(v))", "map(string, string)"),
        ("optional.of(1)", "optional_type(int)"),
        ("[optional.none(), optional.of(1)]", "list(optional_type(int))"),
        ("true ? obj.name : ''", "string"),
        ("true ? [] : [1]", "list(int)"),
        ("type(1)", "type(int)"),
        ("dyn(1)", "dyn"),
        (
            "timestamp('2023-01-01T00:00:00Z') - timestamp('2023-01-01T00:00:00Z')",
            "duration",
        ),
    ];
    for (source, wanted) in cases {
        let ty = env().type_of(source).map(|ty| ty.to_string());
        assert_eq!(ty.as_deref(), Ok(wanted), "{source}");
    }
}

#[test]
fn local_names_hide_others() {
    check(&[
        ("[1].map(x, x + 1)", "[2]"),
        ("[1].map(x, [x].map(x, x + 1))", "[[2]]"),
        ("[1].map(x, .x)", "[7]"),
    ]);
}
