//! Expressions and what comes of them, as tables.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod arbitrary;
mod language;
mod libraries;
mod rules;
mod types;

use cel::{Env, PER_CALL_LIMIT, Value};

/// An environment with what the tables speak of.
fn env() -> Env {
    use cel::{Decl, Object, Type};
    let object = Object::listed(
        "Test",
        [
            ("name", Decl::of(Type::String)),
            ("count", Decl::of(Type::Int)),
            ("items", Decl::list(Decl::of(Type::String))),
        ],
    );
    Env::new()
        .variable("x", Decl::of(Type::Dyn))
        .variable("obj", Decl::object(object))
}

/// The result as JSON, or the error.
fn outcome(source: &str) -> Result<String, String> {
    let program = env().compile(source).map_err(|issues| issues.to_string())?;
    let variables = [Some(Value::Int(7)), None];
    let (result, _) = program.eval(&variables, PER_CALL_LIMIT);
    result
        .map(|value| value.to_json())
        .map_err(|error| error.to_string())
}

/// Checks a table of expressions and results.
fn check(cases: &[(&str, &str)]) {
    for (source, wanted) in cases {
        assert_eq!(outcome(source).as_deref(), Ok(*wanted), "{source}");
    }
}

/// Checks a table of expressions and errors of evaluation.
fn check_errors(cases: &[(&str, &str)]) {
    for (source, wanted) in cases {
        assert_eq!(outcome(source), Err((*wanted).to_owned()), "{source}");
    }
}
