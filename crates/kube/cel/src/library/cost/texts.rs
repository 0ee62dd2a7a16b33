//! What it costs to go through texts, to search them and to make new ones.

use super::estimate::{Argument, Estimate};
use super::{Cost, PER_CHARACTER, PER_PATTERN_CHARACTER, Range, Size};
use crate::types::Type;

/// What a function of texts may cost.
pub(super) fn estimate(cost: Cost, args: &[Argument]) -> Estimate {
    match (cost, args) {
        (Cost::Text { only_bytes: true, .. }, [arg, ..]) if arg.ty != Type::Bytes => {
            Estimate::of(if matches!(arg.ty, Type::Dyn) {
                Range::ONE.or(arg.traversed(1))
            } else {
                Range::ONE
            })
        }
        (Cost::Text { times, size, .. }, [arg, ..]) => Estimate {
            cost: arg.traversed(times),
            size: (size == Size::Same).then_some(arg.size),
        },
        (Cost::Bytes, [arg]) if arg.ty == Type::String || arg.is_dyn() => {
            let size = Range {
                min: arg.size.min,
                max: arg.size.max.saturating_mul(4),
            };
            Estimate::sized(arg.traversed(1), size)
        }
        (Cost::Quote, [arg]) => {
            let size = Range {
                min: arg.size.min.saturating_add(2),
                max: arg.size.max.saturating_mul(2).saturating_add(2),
            };
            Estimate::sized(arg.traversed(1), size)
        }
        (Cost::Format, [text, ..]) => Estimate::of(text.traversed(1)),
        (Cost::Affix, [_, part]) => Estimate::of(part.traversed(1)),
        (Cost::Contains, [text, part]) => Estimate::of(text.traversed(1).times(part.traversed(1))),
        (Cost::Matches, [text, pattern]) => Estimate::of(matching(text.size, pattern)),
        (Cost::Find, [text, pattern, ..]) => {
            let size = Range {
                min: 0,
                max: text.size.max,
            };
            Estimate::sized(matching(text.size, pattern), size)
        }
        (Cost::Replace, [text, old, new, ..]) => Estimate::sized(text.traversed(2), replaced(text, old, new)),
        (Cost::Split, [text, _, rest @ ..]) => {
            let most = rest.first().and_then(|count| u64::try_from(count.constant?).ok());
            let size = Range {
                min: 0,
                max: most.unwrap_or(text.size.max),
            };
            Estimate::sized(text.traversed(2), size)
        }
        (Cost::Join, [list, rest @ ..]) => {
            let size = joined(list, rest.first());
            Estimate::sized(size.scaled(PER_CHARACTER), size)
        }
        (Cost::Validate, [_, text]) => {
            let factor = 32.0;
            Estimate::of(text.traversed(1).scaled(factor))
        }
        _ => Estimate::of(Range::ONE),
    }
}

fn matching(text: Range, pattern: &Argument) -> Range {
    let text = text.plus(Range::ONE).scaled(PER_CHARACTER);
    text.times(pattern.size.scaled(PER_PATTERN_CHARACTER))
}

/// How long a text is in which all of one text is replaced by another.
fn replaced(text: &Argument, old: &Argument, new: &Argument) -> Range {
    let size = text.size;
    let count = |size: u64, length: u64| size.div_ceil(length);
    let (count_max, kept_max) = if old.size.min == 0 {
        (size.max.saturating_add(1), size.max)
    } else if new.size.max <= old.size.min {
        (0, size.max)
    } else {
        (count(size.max, old.size.min), 0)
    };
    let (count_min, kept_min) = if old.size.max == 0 {
        (size.min.saturating_add(1), size.min)
    } else if old.size.max <= new.size.min {
        (0, size.min)
    } else {
        (count(size.min, old.size.max), 0)
    };
    let counts = Range {
        min: count_min,
        max: count_max,
    };
    counts.times(new.size).plus(Range {
        min: kept_min,
        max: kept_max,
    })
}

fn joined(list: &Argument, separator: Option<&Argument>) -> Range {
    let items = list.size.times(list.item);
    let Some(separator) = separator else {
        return items;
    };
    let gaps = Range {
        min: list.size.min.saturating_sub(1),
        max: list.size.max.saturating_sub(1),
    };
    items.plus(separator.size.times(gaps))
}
