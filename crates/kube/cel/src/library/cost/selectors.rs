//! What it costs to parse selectors and to compare addresses.

use super::estimate::{Argument, Estimate};
use super::{Cost, PER_CHARACTER, Range};

/// What it may cost.
pub(super) fn estimate(cost: Cost, args: &[Argument]) -> Estimate {
    match (cost, args) {
        (Cost::Selector, [_, text]) => Estimate::of(selector(text.size)),
        (Cost::ContainsIp, [_, other]) => Estimate::of(within(other, Range::ZERO)),
        (Cost::ContainsCidr, [_, other]) => {
            Estimate::of(within(other, ADDRESS.scaled(PER_CHARACTER).plus(Range::ONE)))
        }
        _ => Estimate::of(Range::ONE),
    }
}

/// A list for the requirements, the text, and a list and an object for each requirement, which is at least two
/// characters.
pub(super) fn selector(length: Range) -> Range {
    let requirements = length.scaled(0.5).scaled(50.0);
    Range::of(10)
        .plus(length.scaled(PER_CHARACTER))
        .plus(requirements)
}

/// Bytes of an address.
const ADDRESS: Range = Range { min: 4, max: 16 };

fn within(other: &Argument, more: Range) -> Range {
    let compared = ADDRESS.plus(ADDRESS).scaled(PER_CHARACTER).plus(more);
    if other.is_text() {
        compared.plus(other.traversed(1))
    } else {
        compared
    }
}
