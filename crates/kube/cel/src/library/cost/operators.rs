//! What operators cost: they go through the smaller of two values, or join both.

use super::estimate::{Argument, Estimate};
use super::{Cost, PER_CHARACTER, Range};
use crate::types::Type;

/// What an operator may cost.
pub(super) fn estimate(cost: Cost, args: &[Argument]) -> Estimate {
    match (cost, args) {
        (Cost::Equality, [one, other]) => Estimate::of(equality(one, other)),
        (Cost::Order, [one, other]) if one.is_text() || one.is_dyn() && other.is_text() => {
            Estimate::of(smaller(one, other))
        }
        (Cost::Order, [one, other]) if one.is_dyn() && other.is_dyn() => {
            Estimate::of(Range::ONE.or(smaller(one, other)))
        }
        (Cost::Concatenation, [one, other]) => concatenation(one, other),
        (Cost::In, [_, list]) if list.is_list() => Estimate::of(list.size),
        (Cost::In, [_, list]) if list.is_dyn() => Estimate::of(Range::ONE.or(list.size)),
        _ => Estimate::of(Range::ONE),
    }
}

/// Values of the libraries compare at once.
fn equality(one: &Argument, other: &Argument) -> Range {
    match (&one.ty, &other.ty) {
        (Type::Opaque(_), Type::Opaque(_)) if one.ty == other.ty => Range::ONE,
        _ => smaller(one, other),
    }
}

fn smaller(one: &Argument, other: &Argument) -> Range {
    let max = one.size.max.min(other.size.max);
    let range = Range { min: max.min(1), max };
    range.scaled(PER_CHARACTER)
}

fn concatenation(one: &Argument, other: &Argument) -> Estimate {
    let size = one.size.plus(other.size);
    let texts = |arg: &Argument| arg.is_text() || arg.is_dyn();
    let lists = |arg: &Argument| arg.is_list() || arg.is_dyn();
    if texts(one) && texts(other) {
        let text = size.scaled(PER_CHARACTER);
        let both_dyn = one.is_dyn() && other.is_dyn();
        return Estimate {
            cost: if both_dyn { text.or(Range::ONE) } else { text },
            size: Some(size),
        };
    }
    Estimate {
        cost: Range::ONE,
        size: (lists(one) && lists(other)).then_some(size),
    }
}
