//! Syntax errors, as upstream's parser words them.

use super::parse;

fn errors(source: &str) -> String {
    parse(source).map_or_else(|issues| issues.to_string(), |_| String::new())
}

const BEGIN: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

#[test]
fn a_mistake_is_told_as_upstream_tells_it() {
    let syntax = |place: &str, text: &str, line: &str, caret: &str| {
        format!("ERROR: <input>:{place}: Syntax error: {text}\n | {line}\n | {caret}")
    };
    let cases = [
        (
            "1 +",
            vec![syntax(
                "1:4",
                &format!("mismatched input '<EOF>' expecting {BEGIN}"),
                "1 +",
                "...^",
            )],
        ),
        (
            "1 + +",
            vec![
                syntax(
                    "1:5",
                    &format!("mismatched input '+' expecting {BEGIN}"),
                    "1 + +",
                    "....^",
                ),
                syntax(
                    "1:6",
                    &format!("mismatched input '<EOF>' expecting {BEGIN}"),
                    "1 + +",
                    ".....^",
                ),
            ],
        ),
        (
            "a | b",
            vec![
                syntax("1:3", "token recognition error at: '| '", "a | b", "..^"),
                syntax("1:5", "extraneous input 'b' expecting <EOF>", "a | b", "....^"),
            ],
        ),
        (
            "1 + $",
            vec![
                syntax("1:5", "token recognition error at: '$'", "1 + $", "....^"),
                syntax(
                    "1:6",
                    &format!("mismatched input '<EOF>' expecting {BEGIN}"),
                    "1 + $",
                    ".....^",
                ),
            ],
        ),
        (
            "TestAllTypes(){}",
            vec![syntax(
                "1:15",
                "mismatched input '{' expecting <EOF>",
                "TestAllTypes(){}",
                "..............^",
            )],
        ),
        (
            "{a}",
            vec![syntax("1:3", "mismatched input '}' expecting ':'", "{a}", "..^")],
        ),
        (
            "self.true == 1",
            vec![syntax(
                "1:6",
                "mismatched input 'true' expecting IDENTIFIER",
                "self.true == 1",
                ".....^",
            )],
        ),
        (
            "{\"a\": 1}.\"a\"",
            vec![syntax(
                "1:10",
                "no viable alternative at input '.\"a\"'",
                "{\"a\": 1}.\"a\"",
                ".........^",
            )],
        ),
        (
            "1 + 2\n3 +",
            vec![syntax("2:1", "mismatched input '3' expecting <EOF>", "3 +", "^")],
        ),
        ("(a", vec![syntax("1:3", "missing ')' at '<EOF>'", "(a", "..^")]),
        (
            "{",
            vec![syntax(
                "1:2",
                "mismatched input '<EOF>' expecting {'[', '{', '}', '(', '.', ',', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
                "{",
                ".^",
            )],
        ),
    ];
    for (source, wanted) in cases {
        assert_eq!(errors(source), wanted.join("\n"), "{source}");
    }
}

#[test]
fn a_word_or_argument_that_may_not_be_there_is_pointed_at() {
    let cases = [
        ("as", "ERROR: <input>:1:1: reserved identifier: as\n | as\n | ^"),
        (
            "0xFFFFFFFFFFFFFFFFF",
            "ERROR: <input>:1:1: invalid int literal\n | 0xFFFFFFFFFFFFFFFFF\n | ^",
        ),
        (
            "has(m)",
            "ERROR: <input>:1:5: invalid argument to has() macro\n | has(m)\n | ....^",
        ),
        (
            "1.all(2, 3)",
            "ERROR: <input>:1:7: argument must be a simple name\n | 1.all(2, 3)\n | ......^",
        ),
        (
            "m.filter(a.b, false)",
            "ERROR: <input>:1:11: argument is not an identifier\n | m.filter(a.b, false)\n | ..........^",
        ),
        (
            "m.map(__result__, __result__)",
            "ERROR: <input>:1:7: iteration variable overwrites accumulator variable\n | m.map(__result__, __result__)\n | ......^",
        ),
    ];
    for (source, wanted) in cases {
        assert_eq!(errors(source), wanted, "{source}");
    }
}

#[test]
fn what_upstream_accepts_is_accepted() {
    let good = [
        "[] + [1,2,3,] + [4]",
        "{1:2u, 2:3u,}",
        "a.?b[?0] && a[?c]",
        "[?a, ?b]",
        "Msg{?field: value} && {?'key': value}",
        "x.y.Z{f: 1,}.f",
        "-1 - -1 --a",
        "!!false",
        "size(x) == x.size() // comment",
        "a ? b : c ? d : e",
        "'\\U0001F600' in [\"\"\"a\"\"\", r'\\']",
        ".a.b == .5e3",
        "x.all(i, v, i < 1) && x.transformMap(k, v, k)",
        "[,]",
    ];
    for source in good {
        assert_eq!(errors(source), "", "{source}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(errors(&nested(249)), "");
    assert_eq!(
        errors(&nested(251)),
        "ERROR: <input>:-1:0: expression recursion limit exceeded: 250"
    );
    let chain = |terms: usize| vec!["1"; terms].join(" + ");
    assert_eq!(errors(&chain(250)), "");
    assert_eq!(
        errors(&chain(252)),
        "ERROR: <input>:-1:0: max recursion depth exceeded"
    );
    assert_eq!(errors(&vec!["a"; 4000].join(" && ")), "");
    let long = "1".repeat(100_001);
    assert_eq!(
        errors(&long),
        "ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001, limit 100000"
    );
    let doubling = format!("a{}", ".optMap(x, x)".repeat(200));
    assert!(errors(&doubling).contains("too large"));
}
