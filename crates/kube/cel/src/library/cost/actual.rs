//! What a call has cost.

use super::lists::comparison;
use super::selectors::selector;
use super::{CHECK, Cost, LIST, LONGEST_FORMAT, PER_CHARACTER, PER_PATTERN_CHARACTER, Range, scaled};
use crate::value::Value;

impl Cost {
    /// What a call has cost.
    pub(crate) fn actual(self, args: &[Value<'_>], result: &Value<'_>) -> u64 {
        let size = |at: usize| args.get(at).map_or(1, Value::size);
        let characters = |count: u64| scaled(count, PER_CHARACTER);
        let is_text = |value: &Value<'_>| matches!(value, Value::String(_) | Value::Bytes(_));
        match self {
            Self::Free => 0,
            Self::Check => CHECK,
            Self::Text { only_bytes: true, .. } if !matches!(args, [Value::Bytes(_)]) => 1,
            Self::Text { times, .. } => characters(size(0) * u64::from(times)),
            Self::Bytes if !matches!(args, [Value::String(_)]) => 1,
            Self::Bytes | Self::Quote | Self::Format | Self::Affix => characters(size(0)),
            Self::Equality if matches!(args, [Value::Opaque(_), ..]) => 1,
            Self::Equality => characters(size(0).min(size(1))),
            Self::Order if args.iter().all(is_text) => characters(size(0).min(size(1))),
            Self::Concatenation if args.iter().all(is_text) => characters(size(0) + size(1)),
            Self::In if matches!(args, [_, Value::List(_)]) => size(1),
            Self::Contains => characters(size(0)) * characters(size(1)),
            Self::Matches | Self::Find => Self::matching(size(0), size(1)),
            Self::Elements => args.first().map_or(1, traversal),
            Self::Replace | Self::Split => characters(size(0) * 2),
            Self::Join => characters(result.size() * 2),
            Self::Sets(times) => size(0)
                .saturating_mul(size(1))
                .saturating_mul(u64::from(times))
                .saturating_add(1),
            Self::Slice => made_of(between(args)),
            Self::Count => made_of(number(args.first())),
            Self::Copy => made_of(size(0)),
            Self::Flatten => {
                made_of(size(0).saturating_mul(args.get(1).map_or(1, |depth| number(Some(depth)))))
            }
            Self::SelfCompare(at) => compared(args.get(usize::from(at))),
            Self::Selector => selector(Range::of(size(1))).max,
            Self::ContainsIp => characters(size(0) * 2) + parsed(args),
            Self::ContainsCidr => characters(size(0) * 2) + characters(size(0)) + 1 + parsed(args),
            Self::Validate => characters(size(1) + 1) * scaled(LONGEST_FORMAT, PER_PATTERN_CHARACTER),
            Self::One | Self::Order | Self::Concatenation | Self::In => 1,
        }
    }
}

fn made_of(size: u64) -> u64 {
    size.saturating_add(1 + LIST)
}

/// A number of an argument; none is as good as a negative one.
fn number(value: Option<&Value<'_>>) -> u64 {
    match value {
        Some(Value::Int(value)) => u64::try_from(*value).unwrap_or_default(),
        _ => 0,
    }
}

fn between(args: &[Value<'_>]) -> u64 {
    number(args.get(2)).saturating_sub(number(args.get(1)))
}

fn compared(list: Option<&Value<'_>>) -> u64 {
    let Some(Value::List(list)) = list else {
        return 1;
    };
    let texts = matches!(list.get(0), Some(Value::String(_) | Value::Bytes(_)));
    let size = list.len() as u64;
    made_of(scaled(size.saturating_mul(size), comparison(texts)))
}

/// What it costs that an address is given as text.
fn parsed(args: &[Value<'_>]) -> u64 {
    match args.get(1) {
        Some(text @ Value::String(_)) => scaled(text.size(), PER_CHARACTER),
        _ => 0,
    }
}

/// What it costs to look at all of a value.
fn traversal(value: &Value<'_>) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "upstream rounds down here"
    )]
    let text = |length: usize| (length as f64 * PER_CHARACTER) as u64;
    match value {
        Value::String(value) => text(value.len()),
        Value::Bytes(value) => text(value.len()),
        Value::List(list) => list.iter().map(|item| traversal(&item)).sum(),
        Value::Map(map) => map
            .entries()
            .map(|(key, value)| traversal(&key) + traversal(&value))
            .sum(),
        _ => 1,
    }
}
