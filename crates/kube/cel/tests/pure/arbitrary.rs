//! Any input: nothing panics, and whatever compiles ends within its budget.

use cel::PER_CALL_LIMIT;
use proptest::prelude::*;

use super::env;

/// Pieces of expressions, so that many inputs get past the grammar.
const PIECES: &[&str] = &[
    "x",
    "obj",
    ".name",
    ".items",
    "1",
    "2u",
    "1.5",
    "'a'",
    "b'a'",
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ",",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&&",
    "||",
    "!",
    "==",
    "<",
    " in ",
    ".all(i, ",
    ".map(i, ",
    "has(",
    ".?",
    "[?",
    "size(",
    "dyn(",
    "i",
    "optional.of(",
    ".sortBy(i, ",
    "timestamp('2023-01-01T00:00:00Z')",
    ".getHours('x')",
    "lists.range(",
    ".format([",
    "duration('1s')",
    "quantity('1')",
    "'%s'",
];

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn run(source: &str) {
    let Ok(program) = env().compile(source) else {
        return;
    };
    let (result, cost) = program.eval(&[Some(cel::Value::Int(7)), None], PER_CALL_LIMIT);
    assert!(cost <= PER_CALL_LIMIT);
    if let Ok(value) = result {
        value.to_json();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn pieces_do_not_panic(source in pieces()) {
        run(&source);
    }

    #[test]
    fn texts_do_not_panic(source in ".{0,60}") {
        run(&source);
    }

    #[test]
    fn integers_are_what_they_are_written(value in any::<i64>(), other in any::<i64>()) {
        let source = format!("({value}) + ({other})");
        let program = env().compile(&source).unwrap();
        let (result, _) = program.eval(&[None, None], PER_CALL_LIMIT);
        let wanted = value.checked_add(other).map(|sum| sum.to_string());
        prop_assert_eq!(result.ok().map(|value| value.to_json()), wanted);
    }

    #[test]
    fn texts_are_what_they_are_quoted(text in ".{0,30}") {
        let quoted = format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r"));
        let program = env().compile(&quoted).unwrap();
        let (result, _) = program.eval(&[None, None], PER_CALL_LIMIT);
        let said = result.ok();
        prop_assert_eq!(said.as_ref().and_then(cel::Value::as_str), Some(text.as_str()));
    }
}

#[test]
fn the_deepest_expressions_fit_the_stack() {
    let macros = (0..120).fold("[1]".to_owned(), |inner, at| {
        format!("{inner}.map(v{at}, v{at} + 1)")
    });
    let nested = (0..50).fold("1".to_owned(), |inner, at| {
        format!("[{inner}].map(v{at}, v{at})[0]")
    });
    let lists = format!("{}1{}", "[".repeat(240), "]".repeat(240));
    let sums = vec!["1"; 245].join(" + ");
    for source in [macros, nested, lists, sums] {
        run(&source);
        assert!(env().compile(&source).is_ok(), "{}", &source[..40]);
    }
}
