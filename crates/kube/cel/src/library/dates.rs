//! Parts of moments and lengths of time.

use jiff::civil::DateTime;

use super::{Cost, Function, convert::seconds, function, no_overload};
use crate::Error;
use crate::value::Value;

const OF_MOMENT: &[&str] = &[".timestamp -> int", ".timestamp, string -> int"];
const OF_BOTH: &[&str] = &[
    ".timestamp -> int",
    ".timestamp, string -> int",
    ".duration -> int",
];

pub(super) const FUNCTIONS: &[Function] = &[
    function("getFullYear", OF_MOMENT, Cost::One, |args| {
        part("getFullYear", args, |it| i64::from(it.year()))
    }),
    function("getMonth", OF_MOMENT, Cost::One, |args| {
        part("getMonth", args, |it| i64::from(it.month()) - 1)
    }),
    function("getDayOfYear", OF_MOMENT, Cost::One, |args| {
        part("getDayOfYear", args, |it| i64::from(it.day_of_year()) - 1)
    }),
    function("getDayOfMonth", OF_MOMENT, Cost::One, |args| {
        part("getDayOfMonth", args, |it| i64::from(it.day()) - 1)
    }),
    function("getDate", OF_MOMENT, Cost::One, |args| {
        part("getDate", args, |it| i64::from(it.day()))
    }),
    function("getDayOfWeek", OF_MOMENT, Cost::One, |args| {
        part("getDayOfWeek", args, |it| {
            i64::from(it.weekday().to_sunday_zero_offset())
        })
    }),
    function("getHours", OF_BOTH, Cost::One, |args| {
        part_or_total(
            "getHours",
            args,
            |it| i64::from(it.hour()),
            |nanos| seconds(nanos) / 3600,
        )
    }),
    function("getMinutes", OF_BOTH, Cost::One, |args| {
        part_or_total(
            "getMinutes",
            args,
            |it| i64::from(it.minute()),
            |nanos| seconds(nanos) / 60,
        )
    }),
    function("getSeconds", OF_BOTH, Cost::One, |args| {
        part_or_total("getSeconds", args, |it| i64::from(it.second()), seconds)
    }),
    function("getMilliseconds", OF_BOTH, Cost::One, |args| {
        part_or_total(
            "getMilliseconds",
            args,
            |it| i64::from(it.millisecond()),
            |nanos| nanos / 1_000_000,
        )
    }),
];

fn part<'a>(name: &str, args: &[Value<'a>], read: fn(&DateTime) -> i64) -> Result<Value<'a>, Error> {
    let (moment, zone) = match args {
        [Value::Timestamp(moment)] => (moment, ""),
        [Value::Timestamp(moment), Value::String(zone)] => (moment, &**zone),
        args => return Err(no_overload(name, args)),
    };
    Ok(Value::Int(read(&moment.calendar(zone)?)))
}

fn part_or_total<'a>(
    name: &str,
    args: &[Value<'a>],
    read: fn(&DateTime) -> i64,
    total: fn(i64) -> i64,
) -> Result<Value<'a>, Error> {
    match args {
        [Value::Duration(nanos)] => Ok(Value::Int(total(*nanos))),
        args => part(name, args, read),
    }
}
