//! What functions cost: the units of upstream's cost model, one unit being about 50 ns of its evaluator.
//!
//! One rule for each function says both what a call may cost at most, judged from the sizes that are declared,
//! and what it has cost. The factors are upstream's and part of its API: a rule that fits its budget there has to
//! fit here.

use crate::types::Type;
use crate::value::Value;

/// What a character or byte costs that is looked at.
const PER_CHARACTER: f64 = 0.1;

/// What a character of a pattern costs for every character of the text.
const PER_PATTERN_CHARACTER: f64 = 0.25;

/// The cost of a check with the authorizer: two of them and little else fit an expression.
const CHECK: u64 = 350_000;

/// The longest pattern of a named format.
const LONGEST_FORMAT: u64 = 128;

/// The least and the most that something costs or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Range {
    pub(crate) const ZERO: Self = Self::of(0);
    pub(crate) const ONE: Self = Self::of(1);
    pub(crate) const UNKNOWN: Self = Self {
        min: 0,
        max: u64::MAX,
    };

    pub(crate) const fn of(exactly: u64) -> Self {
        Self {
            min: exactly,
            max: exactly,
        }
    }

    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    #[must_use]
    pub(crate) fn times(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    #[must_use]
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self {
            min: scaled(self.min, factor),
            max: scaled(self.max, factor),
        }
    }

    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// The product, rounded up.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream computes in doubles; casts of floats saturate"
)]
fn scaled(value: u64, factor: f64) -> u64 {
    (value as f64 * factor).ceil() as u64
}

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
    fn is_text(&self) -> bool {
        matches!(self.ty, Type::String | Type::Bytes)
    }

    fn is_list(&self) -> bool {
        matches!(self.ty, Type::List(_))
    }

    fn is_dyn(&self) -> bool {
        self.ty.is_dyn_or_error()
    }

    fn traversed(&self, times: u8) -> Range {
        self.size.scaled(PER_CHARACTER * f64::from(times))
    }
}

const fn only(cost: Range) -> Estimate {
    Estimate { cost, size: None }
}

impl Cost {
    /// What a call may cost.
    pub(crate) fn estimate(self, args: &[Argument]) -> Estimate {
        let sized = |cost, size| Estimate {
            cost,
            size: Some(size),
        };
        match (self, args) {
            (Self::Free, _) => only(Range::ZERO),
            (Self::Check, _) => only(Range::of(CHECK)),
            (Self::Text { only_bytes: true, .. }, [arg, ..]) if arg.ty != Type::Bytes => {
                only(if matches!(arg.ty, Type::Dyn) {
                    Range::ONE.or(arg.traversed(1))
                } else {
                    Range::ONE
                })
            }
            (Self::Text { times, size, .. }, [arg, ..]) => Estimate {
                cost: arg.traversed(times),
                size: (size == Size::Same).then_some(arg.size),
            },
            (Self::Bytes, [arg]) if arg.ty == Type::String || arg.is_dyn() => {
                let size = Range {
                    min: arg.size.min,
                    max: arg.size.max.saturating_mul(4),
                };
                sized(arg.traversed(1), size)
            }
            (Self::Quote, [arg]) => {
                let size = Range {
                    min: arg.size.min.saturating_add(2),
                    max: arg.size.max.saturating_mul(2).saturating_add(2),
                };
                sized(arg.traversed(1), size)
            }
            (Self::Format, [text, ..]) => only(text.traversed(1)),
            (Self::Affix, [_, part]) => only(part.traversed(1)),
            (Self::Equality, [one, other]) => only(equality(one, other)),
            (Self::Order, [one, other]) if one.is_text() || one.is_dyn() && other.is_text() => {
                only(smaller(one, other))
            }
            (Self::Order, [one, other]) if one.is_dyn() && other.is_dyn() => {
                only(Range::ONE.or(smaller(one, other)))
            }
            (Self::Concatenation, [one, other]) => concatenation(one, other),
            (Self::In, [_, list]) if list.is_list() => only(list.size),
            (Self::In, [_, list]) if list.is_dyn() => only(Range::ONE.or(list.size)),
            (Self::Contains, [text, part]) => only(text.traversed(1).times(part.traversed(1))),
            (Self::Matches, [text, pattern]) => only(matching(text.size, pattern)),
            (Self::Find, [text, pattern, ..]) => {
                let size = Range {
                    min: 0,
                    max: text.size.max,
                };
                sized(matching(text.size, pattern), size)
            }
            (Self::Elements, [list, ..]) => only(elements(list)),
            (Self::Replace, [text, old, new, ..]) => sized(text.traversed(2), replaced(text, old, new)),
            (Self::Split, [text, _, rest @ ..]) => {
                let most = rest.first().and_then(|count| u64::try_from(count.constant?).ok());
                let size = Range {
                    min: 0,
                    max: most.unwrap_or(text.size.max),
                };
                sized(text.traversed(2), size)
            }
            (Self::Join, [list, rest @ ..]) => {
                let size = joined(list, rest.first());
                sized(size.scaled(PER_CHARACTER), size)
            }
            (Self::Sets(times), [one, other]) => only(
                one.size
                    .times(other.size)
                    .scaled(f64::from(times))
                    .plus(Range::ONE),
            ),
            (Self::Slice, [list, start, end]) => {
                let constant = |arg: &Argument| arg.constant.and_then(|value| u64::try_from(value).ok());
                let end = constant(end).unwrap_or(list.size.max);
                made(
                    1.0,
                    Range::of(end.saturating_sub(constant(start).unwrap_or_default())),
                )
            }
            (Self::Count, [count]) => {
                let count = count
                    .constant
                    .map_or(u64::MAX, |value| u64::try_from(value).unwrap_or_default());
                made(1.0, Range::of(count))
            }
            (Self::Copy, [list]) => made(1.0, list.size),
            (Self::Flatten, [list]) => made(1.0, list.size),
            (Self::Flatten, [list, depth]) => {
                let depth = depth
                    .constant
                    .map_or(u64::MAX, |value| u64::try_from(value).unwrap_or_default());
                #[expect(clippy::cast_precision_loss, reason = "upstream computes in doubles")]
                made(depth as f64, list.size)
            }
            (Self::SelfCompare(at), args) => args.get(usize::from(at)).map_or(only(Range::ONE), self_compare),
            (Self::Selector, [_, text]) => only(selector(text.size)),
            (Self::ContainsIp, [_, other]) => only(within(other, Range::ZERO)),
            (Self::ContainsCidr, [_, other]) => {
                only(within(other, ADDRESS.scaled(PER_CHARACTER).plus(Range::ONE)))
            }
            (Self::Validate, [_, text]) => {
                let factor = 32.0;
                only(text.traversed(1).scaled(factor))
            }
            _ => only(Range::ONE),
        }
    }

    /// What it costs to match so many characters against a pattern of so many.
    pub(crate) fn matching(text: u64, pattern: u64) -> u64 {
        scaled(text + 1, PER_CHARACTER) * scaled(pattern, PER_PATTERN_CHARACTER)
    }

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

/// What it costs to make a list.
const LIST: u64 = 10;

/// A call that makes a list of this size.
fn made(factor: f64, size: Range) -> Estimate {
    Estimate {
        cost: size.scaled(factor).plus(Range::of(1 + LIST)),
        size: Some(size),
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

/// The factor of comparing items of a list with each other.
const fn comparison(texts: bool) -> f64 {
    if texts { 2.0 + PER_CHARACTER } else { 2.0 }
}

fn self_compare(list: &Argument) -> Estimate {
    let texts = match &list.ty {
        Type::List(item) => matches!(**item, Type::String | Type::Bytes),
        _ => false,
    };
    made(comparison(texts), list.size.times(list.size))
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

fn matching(text: Range, pattern: &Argument) -> Range {
    let text = text.plus(Range::ONE).scaled(PER_CHARACTER);
    text.times(pattern.size.scaled(PER_PATTERN_CHARACTER))
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

/// A list for the requirements, the text, and a list and an object for each requirement, which is at least two
/// characters.
fn selector(length: Range) -> Range {
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
