//! What functions cost: the units of upstream's cost model, one unit being about 50 ns of its evaluator.
//!
//! One rule for each function says both what a call may cost at most, judged from the sizes that are declared,
//! and what it has cost. The factors are upstream's and part of its API: a rule that fits its budget there has to
//! fit here.

mod actual;
mod estimate;
mod lists;
mod operators;
mod range;
mod selectors;
mod texts;

pub(crate) use estimate::Argument;
pub(crate) use range::Range;
use range::scaled;

/// What a character or byte costs that is looked at.
const PER_CHARACTER: f64 = 0.1;

/// What a character of a pattern costs for every character of the text.
const PER_PATTERN_CHARACTER: f64 = 0.25;

/// The cost of a check with the authorizer: two of them and little else fit an expression.
const CHECK: u64 = 350_000;

/// The longest pattern of a named format.
const LONGEST_FORMAT: u64 = 128;

/// What it costs to make a list.
const LIST: u64 = 10;

/// What is known of the size of a function's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Nothing.
    Unknown,
    /// That of its first argument at most.
    Same,
}

/// What a function costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Nothing: its operands cost.
    Free,
    /// One unit, whatever the arguments are.
    One,
    /// The first argument is gone through so many times, as text.
    Text {
        times: u8,
        size: Size,
        /// Otherwise the function does not look into it.
        only_bytes: bool,
    },
    /// Text becomes bytes, of which a character has up to four.
    Bytes,
    /// Text between quotes, escaped.
    Quote,
    /// A format's text; how long the result is depends on the arguments.
    Format,
    /// The smaller of two values is gone through.
    Equality,
    /// The same if they are texts or bytes.
    Order,
    /// Two texts become one; lists do so at once.
    Concatenation,
    /// Each item of a list is looked at.
    In,
    /// Text is searched for text.
    Contains,
    /// The beginning or end of a text is looked at.
    Affix,
    /// Text is matched against a pattern.
    Matches,
    /// The same, and what matches is handed out.
    Find,
    /// Each item is compared once.
    Elements,
    /// Text is gone through and made anew.
    Replace,
    /// Text is gone through and made anew as a list.
    Split,
    /// A list of texts becomes one.
    Join,
    /// Each item of one list is compared to each of another, so many times.
    Sets(u8),
    /// Part of a list is made anew.
    Slice,
    /// A list of so many numbers is made.
    Count,
    /// A list is made anew.
    Copy,
    /// Lists in a list are made one, level by level.
    Flatten,
    /// Each item is compared to each other; of the list or of its keys, by number of the argument.
    SelfCompare(u8),
    /// The authorizer decides.
    Check,
    /// A selector is parsed.
    Selector,
    /// An address is compared to a network.
    ContainsIp,
    /// A network is compared to a network.
    ContainsCidr,
    /// Text is checked against a named format.
    Validate,
}

impl Cost {
    /// What it costs to match so many characters against a pattern of so many.
    pub(crate) fn matching(text: u64, pattern: u64) -> u64 {
        scaled(text + 1, PER_CHARACTER) * scaled(pattern, PER_PATTERN_CHARACTER)
    }
}
