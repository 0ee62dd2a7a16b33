//! Amounts with suffixes (`resource.Quantity`).

use std::fmt;

use super::{Cost, Function, Opaque, cost::Size, function, no_overload};
use crate::Error;
use crate::value::Value;

/// An amount in billionths; what does not fit is the largest amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const NANO: i128 = 1_000_000_000;

/// Suffixes, by powers of ten and of two.
const DECIMAL: &[(&str, i32)] = &[
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: &[(&str, u32)] = &[
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

const FORM: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

impl Quantity {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return Err(FORM);
        }
        let digits = format!("{whole}{fraction}");
        let digits: i128 = digits.parse().unwrap_or(i128::MAX);
        let down = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let nanos = match BINARY.iter().find(|(name, _)| *name == suffix) {
            Some((_, power)) => scaled(digits, 9_i32.saturating_sub(down)).saturating_mul(1 << power),
            None => scaled(digits, power(suffix)?.saturating_add(9).saturating_sub(down)),
        };
        Ok(Self(if text.starts_with('-') { -nanos } else { nanos }))
    }

    fn whole(number: i64) -> Self {
        Self(i128::from(number) * NANO)
    }

    fn integer(self) -> Option<i64> {
        (self.0 % NANO == 0)
            .then(|| i64::try_from(self.0 / NANO).ok())
            .flatten()
    }
}

/// The power of ten of a suffix or an exponent.
fn power(suffix: &str) -> Result<i32, &'static str> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Ok(*power);
    }
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .ok_or("unable to parse quantity's suffix")?;
    exponent.parse().map_err(|_| "unable to parse quantity's suffix")
}

/// `digits * 10^power`, rounded away from zero, as upstream rounds what is smaller than a billionth.
fn scaled(digits: i128, power: i32) -> i128 {
    let factor = 10_i128.checked_pow(power.unsigned_abs());
    match (power >= 0, factor) {
        (true, Some(factor)) => digits.saturating_mul(factor),
        (true, None) => {
            if digits == 0 {
                0
            } else {
                i128::MAX
            }
        }
        (false, Some(factor)) => digits.div_euclid(factor) + i128::from(digits.rem_euclid(factor) != 0),
        (false, None) => i128::from(digits != 0),
    }
}

/// The amount in the largest decimal suffix that leaves no fraction.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |power: i32| {
            10_i128
                .checked_pow((power + 9).unsigned_abs())
                .filter(|unit| self.0 % unit == 0)
        };
        let best = DECIMAL
            .iter()
            .rev()
            .find_map(|(suffix, power)| Some((suffix, fits(*power)?)));
        match best {
            Some((suffix, unit)) if self.0 != 0 => write!(f, "{}{suffix}", self.0 / unit),
            _ => f.write_str("0"),
        }
    }
}

const PARSE: Cost = Cost::Text {
    times: 1,
    size: Size::Unknown,
    only_bytes: false,
};

const COMPARE: &[&str] = &[".kubernetes.Quantity, kubernetes.Quantity -> bool"];
const COMBINE: &[&str] = &[
    ".kubernetes.Quantity, kubernetes.Quantity -> kubernetes.Quantity",
    ".kubernetes.Quantity, int -> kubernetes.Quantity",
];

pub(super) const FUNCTIONS: &[Function] = &[
    function("quantity", &["string -> kubernetes.Quantity"], PARSE, |args| {
        let [Value::String(text)] = args else {
            return Err(no_overload("quantity", args));
        };
        Quantity::parse(text).map(value).map_err(Error::text)
    }),
    function("isQuantity", &["string -> bool"], PARSE, |args| {
        let [Value::String(text)] = args else {
            return Err(no_overload("isQuantity", args));
        };
        Ok(Value::Bool(Quantity::parse(text).is_ok()))
    }),
    function(
        "sign",
        &["kubernetes.Quantity -> int", ".kubernetes.Quantity -> int"],
        Cost::One,
        |args| one("sign", args, |it| Ok(Value::Int(i64::from(it.0.signum() as i8)))),
    ),
    function("isGreaterThan", COMPARE, Cost::One, |args| {
        two("isGreaterThan", args, |one, other| Value::Bool(one > other))
    }),
    function("isLessThan", COMPARE, Cost::One, |args| {
        two("isLessThan", args, |one, other| Value::Bool(one < other))
    }),
    function(
        "compareTo",
        &[".kubernetes.Quantity, kubernetes.Quantity -> int"],
        Cost::One,
        |args| two("compareTo", args, |one, other| Value::Int(one.cmp(&other) as i64)),
    ),
    function(
        "asApproximateFloat",
        &[".kubernetes.Quantity -> double"],
        Cost::One,
        |args| {
            #[expect(clippy::cast_precision_loss, reason = "it is called approximate")]
            one("asApproximateFloat", args, |it| {
                Ok(Value::Double(it.0 as f64 / NANO as f64))
            })
        },
    ),
    function("asInteger", &[".kubernetes.Quantity -> int"], Cost::One, |args| {
        one("asInteger", args, |it| {
            let whole = it.integer().map(Value::Int);
            whole.ok_or_else(|| Error::text("cannot convert value to integer"))
        })
    }),
    function(
        "isInteger",
        &[".kubernetes.Quantity -> bool"],
        Cost::One,
        |args| one("isInteger", args, |it| Ok(Value::Bool(it.integer().is_some()))),
    ),
    function("add", COMBINE, Cost::One, |args| {
        two("add", args, |one, other| {
            value(Quantity(one.0.saturating_add(other.0)))
        })
    }),
    function("sub", COMBINE, Cost::One, |args| {
        two("sub", args, |one, other| {
            value(Quantity(one.0.saturating_sub(other.0)))
        })
    }),
];

fn value<'a>(quantity: Quantity) -> Value<'a> {
    Value::Opaque(Opaque::Quantity(quantity))
}

fn one<'a>(
    name: &str,
    args: &[Value<'a>],
    read: fn(Quantity) -> Result<Value<'a>, Error>,
) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Quantity(quantity))] => read(*quantity),
        args => Err(no_overload(name, args)),
    }
}

fn two<'a>(
    name: &str,
    args: &[Value<'a>],
    join: fn(Quantity, Quantity) -> Value<'a>,
) -> Result<Value<'a>, Error> {
    match args {
        [
            Value::Opaque(Opaque::Quantity(one)),
            Value::Opaque(Opaque::Quantity(other)),
        ] => Ok(join(*one, *other)),
        [Value::Opaque(Opaque::Quantity(one)), Value::Int(other)] => Ok(join(*one, Quantity::whole(*other))),
        args => Err(no_overload(name, args)),
    }
}
