//! What it costs to go through lists, to compare their items and to make new ones.

use super::estimate::{Argument, Estimate};
use super::{Cost, PER_CHARACTER, Range};
use crate::types::Type;

/// What a function of lists may cost.
pub(super) fn estimate(cost: Cost, args: &[Argument]) -> Estimate {
    match (cost, args) {
        (Cost::Elements, [list, ..]) => Estimate::of(elements(list)),
        (Cost::Sets(times), [one, other]) => Estimate::of(
            one.size
                .times(other.size)
                .scaled(f64::from(times))
                .plus(Range::ONE),
        ),
        (Cost::Slice, [list, start, end]) => {
            let constant = |arg: &Argument| arg.constant.and_then(|value| u64::try_from(value).ok());
            let end = constant(end).unwrap_or(list.size.max);
            Estimate::made(
                1.0,
                Range::of(end.saturating_sub(constant(start).unwrap_or_default())),
            )
        }
        (Cost::Count, [count]) => {
            let count = count
                .constant
                .map_or(u64::MAX, |value| u64::try_from(value).unwrap_or_default());
            Estimate::made(1.0, Range::of(count))
        }
        (Cost::Copy, [list]) => Estimate::made(1.0, list.size),
        (Cost::Flatten, [list]) => Estimate::made(1.0, list.size),
        (Cost::Flatten, [list, depth]) => {
            let depth = depth
                .constant
                .map_or(u64::MAX, |value| u64::try_from(value).unwrap_or_default());
            #[expect(clippy::cast_precision_loss, reason = "upstream computes in doubles")]
            Estimate::made(depth as f64, list.size)
        }
        (Cost::SelfCompare(at), args) => args
            .get(usize::from(at))
            .map_or(Estimate::of(Range::ONE), self_compare),
        _ => Estimate::of(Range::ONE),
    }
}

/// The factor of comparing items of a list with each other.
pub(super) const fn comparison(texts: bool) -> f64 {
    if texts { 2.0 + PER_CHARACTER } else { 2.0 }
}

fn self_compare(list: &Argument) -> Estimate {
    let texts = match &list.ty {
        Type::List(item) => matches!(**item, Type::String | Type::Bytes),
        _ => false,
    };
    Estimate::made(comparison(texts), list.size.times(list.size))
}

fn elements(list: &Argument) -> Range {
    let Type::List(item) = &list.ty else {
        return list.traversed(1);
    };
    let each = match **item {
        Type::String | Type::Bytes => Range::ONE.plus(list.item.scaled(PER_CHARACTER)),
        _ => Range::ONE,
    };
    list.size.times(each)
}
