//! Lists as sets: cel-go's extension.

use super::{Cost, Function, function, no_overload};
use crate::Error;
use crate::value::{List, Value};

const TEST: &[&str] = &["list(A), list(A) -> bool"];

pub(super) const FUNCTIONS: &[Function] = &[
    function("sets.contains", TEST, Cost::Sets(1), |args| test(args, contains)),
    function("sets.equivalent", TEST, Cost::Sets(2), |args| {
        test(args, |one, other| contains(one, other) && contains(other, one))
    }),
    function("sets.intersects", TEST, Cost::Sets(1), |args| {
        test(args, |one, other| one.iter().any(|item| has(other, &item)))
    }),
];

fn test<'a>(args: &[Value<'a>], is: fn(&List<'a>, &List<'a>) -> bool) -> Result<Value<'a>, Error> {
    match args {
        [Value::List(one), Value::List(other)] => Ok(Value::Bool(is(one, other))),
        args => Err(no_overload("sets.contains", args)),
    }
}

fn has<'a>(list: &List<'a>, wanted: &Value<'a>) -> bool {
    list.iter().any(|item| item == *wanted)
}

fn contains<'a>(list: &List<'a>, items: &List<'a>) -> bool {
    items.iter().all(|item| has(list, &item))
}
