//! Sums and differences of quantities, printed as upstream prints them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use schema::cursor::Ref;

use crate::rules::quantity::Quantity;

/// An amount, and whether it is written with binary suffixes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount {
    nanos: i128,
    binary: bool,
}

/// Amounts by the name of what they are of: `cpu`, `requests.storage`, `count/jobs.batch`.
pub type Amounts = BTreeMap<String, Amount>;

/// The amounts of a map of quantities.
pub fn amounts(map: Ref<'_>) -> Amounts {
    let entries = map.entries();
    entries
        .map(|(name, amount)| (name.to_owned(), Amount::of(amount)))
        .collect()
}

const NANO: i128 = 1_000_000_000;
const MILLI: i128 = 1_000_000;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self {
        nanos: 0,
        binary: false,
    };

    /// A count.
    pub const fn count(number: i64) -> Self {
        Self {
            nanos: number as i128 * NANO,
            binary: false,
        }
    }

    /// The amount of a canonical text, as trees hold them; zero where there is none.
    pub fn of(value: Ref<'_>) -> Self {
        Self::read(value.str())
    }

    /// The amount of a canonical text; zero for what is none.
    pub fn read(text: &str) -> Self {
        Self {
            nanos: Quantity::parse(text).unwrap_or_default().nanos(),
            binary: text.ends_with('i'),
        }
    }

    /// The sum; zero takes over how the other is written.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            binary: if self.nanos == 0 {
                other.binary
            } else {
                self.binary
            },
        }
    }

    /// The difference.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(other.nanos),
            binary: if self.nanos == 0 {
                other.binary
            } else {
                self.binary
            },
        }
    }

    /// The next whole number.
    #[must_use]
    pub const fn rounded_up(self) -> Self {
        let whole = self.nanos.div_euclid(NANO) + (self.nanos.rem_euclid(NANO) > 0) as i128;
        Self {
            nanos: whole * NANO,
            ..self
        }
    }

    /// In thousandths, rounded up.
    pub const fn millis(self) -> i128 {
        self.nanos.div_euclid(MILLI) + (self.nanos.rem_euclid(MILLI) > 0) as i128
    }

    /// Whether there is nothing.
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The canonical text: no fraction, the largest suffix that loses nothing.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        let whole = self.nanos / NANO;
        let (mut number, base, suffixes): (i128, i128, &[&str]) =
            if self.binary && self.nanos % NANO == 0 && whole.abs() >= 1024 {
                (whole, 1024, &BINARY)
            } else {
                (self.nanos, 1000, &DECIMAL)
            };
        let mut at = if number == 0 { 3 } else { 0 };
        while number != 0 && number % base == 0 && at + 1 < suffixes.len() {
            number /= base;
            at += 1;
        }
        write!(f, "{number}{}", suffixes[at])
    }
}
