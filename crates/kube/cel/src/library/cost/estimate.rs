//! What a call may cost at most, judged from what is known of its arguments.

use super::{CHECK, Cost, LIST, PER_CHARACTER, Range, lists, operators, selectors, texts};
use crate::types::Type;

/// What the estimate of a call knows of an argument.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) ty: Type,
    pub(crate) size: Range,
    /// The size of the items of a list.
    pub(crate) item: Range,
    /// The number, where the argument is a constant one.
    pub(crate) constant: Option<i64>,
}

/// The estimate of a call: its cost without that of the arguments, and the size of its result if known.
pub(crate) struct Estimate {
    pub(crate) cost: Range,
    pub(crate) size: Option<Range>,
}

impl Argument {
    pub(super) fn is_text(&self) -> bool {
        matches!(self.ty, Type::String | Type::Bytes)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.ty, Type::List(_))
    }

    pub(super) fn is_dyn(&self) -> bool {
        self.ty.is_dyn_or_error()
    }

    pub(super) fn traversed(&self, times: u8) -> Range {
        self.size.scaled(PER_CHARACTER * f64::from(times))
    }
}

impl Estimate {
    /// A cost, and a result of which no more is known than its type says.
    pub(super) const fn of(cost: Range) -> Self {
        Self { cost, size: None }
    }

    /// A cost and the size of the result.
    pub(super) const fn sized(cost: Range, size: Range) -> Self {
        Self {
            cost,
            size: Some(size),
        }
    }

    /// A call that makes a list of this size.
    pub(super) fn made(factor: f64, size: Range) -> Self {
        Self::sized(size.scaled(factor).plus(Range::of(1 + LIST)), size)
    }
}

impl Cost {
    /// What a call may cost.
    pub(crate) fn estimate(self, args: &[Argument]) -> Estimate {
        match self {
            Self::Free => Estimate::of(Range::ZERO),
            Self::One => Estimate::of(Range::ONE),
            Self::Check => Estimate::of(Range::of(CHECK)),
            Self::Equality | Self::Order | Self::Concatenation | Self::In => operators::estimate(self, args),
            Self::Elements
            | Self::Sets(_)
            | Self::Slice
            | Self::Count
            | Self::Copy
            | Self::Flatten
            | Self::SelfCompare(_) => lists::estimate(self, args),
            Self::Selector | Self::ContainsIp | Self::ContainsCidr => selectors::estimate(self, args),
            Self::Text { .. }
            | Self::Bytes
            | Self::Quote
            | Self::Format
            | Self::Affix
            | Self::Contains
            | Self::Matches
            | Self::Find
            | Self::Replace
            | Self::Split
            | Self::Join
            | Self::Validate => texts::estimate(self, args),
        }
    }
}
