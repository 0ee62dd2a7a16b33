//! `resource.Quantity` as an amount: to compare and to add. Trees hold its canonical text.

use std::cmp::Ordering;
use std::fmt;

use crate::cursor::Ref;
use crate::scalar::quantity::{Amount, Format, parse};

const NANO: i128 = 1_000_000_000;

/// An amount in nanos, and how it is written; amounts beyond 10^29 count as that much.
///
/// Amounts that are written in different ways are equal if they are the same amount.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// The amount of a text in a tree; zero where there is none.
    pub fn of(value: Ref<'_>) -> Self {
        Self::parse(value.str()).unwrap_or_default()
    }

    /// Reads a text.
    pub fn parse(text: &str) -> Option<Self> {
        let parts = parse(text).ok()?;
        let nanos = parts.amount().nanos();
        Some(Self {
            nanos: if parts.negative { -nanos } else { nanos },
            format: parts.format,
        })
    }

    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        Self {
            nanos: number as i128 * NANO,
            format: Format::DecimalSi,
        }
    }

    /// Whether the amount is a whole number, to the precision of thousandths that upstream looks with.
    pub const fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Whether the amount is below zero.
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether there is nothing.
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// The amount in nanos.
    pub const fn nanos(self) -> i128 {
        self.nanos
    }

    /// The amount rounded up to a whole number, within 64 bits: upstream's `Value`.
    pub fn value(self) -> i64 {
        let up = self.nanos.rem_euclid(NANO) != 0;
        let whole = self.nanos.div_euclid(NANO) + i128::from(up);
        i64::try_from(whole).unwrap_or(if self.nanos < 0 { i64::MIN } else { i64::MAX })
    }

    /// The sum, written as this amount is; as the other one if this is nothing.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        let nanos = self.nanos.saturating_add(other.nanos);
        Self { nanos, format }
    }

    /// The difference, written as this amount is; as the other one if this is nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let nanos = other.nanos.saturating_neg();
        self.plus(Self { nanos, ..other })
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The canonical text.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = Amount::of_nanos(self.nanos.unsigned_abs());
        f.write_str(&amount.print(self.nanos < 0, self.format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn amounts_compare() {
        for (less, more) in [
            ("100m", "1"),
            ("1k", "1Ki"),
            ("-1", "0"),
            ("1Gi", "1100M"),
            ("1n", "1u"),
            ("1E", "1e20"),
        ] {
            assert!(amount(less) < amount(more), "{less} {more}");
        }
        for (one, other) in [
            ("1000m", "1"),
            ("1024Ki", "1Mi"),
            ("12e3", "12k"),
            ("0.5", "500m"),
        ] {
            assert_eq!(amount(one), amount(other), "{one} {other}");
        }
        assert!(!amount("1500m").is_whole() && amount("2").is_whole());
        assert_eq!(Quantity::parse("x"), None);
        assert!(amount("1e9999") > amount("1e28") && amount("1e2147483647") > amount("1e28"));
    }

    #[test]
    fn sums_are_written_as_the_first() {
        for (one, other, sum) in [
            ("1Gi", "512Mi", "1536Mi"),
            ("500m", "1", "1500m"),
            ("0", "1Ki", "1Ki"),
            ("1", "-1", "0"),
        ] {
            assert_eq!(amount(one).plus(amount(other)).to_string(), sum);
        }
        assert_eq!(amount("1").minus(amount("1500m")).to_string(), "-500m");
        assert_eq!((amount("1500m").value(), amount("-1500m").value()), (2, -1));
    }
}
