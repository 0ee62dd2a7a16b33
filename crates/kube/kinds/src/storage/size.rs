//! Sizes of volumes as numbers, for comparing them. Trees hold them in canonical text.

use schema::field::Errors;

use crate::Place;

/// Suffixes and the power of ten or of 1024 that they stand for, in billionths.
const DECIMAL: &[(&str, i32)] = &[
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: &[(&str, u32)] = &[("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];

/// The value in billionths, rounded away from zero and cut at the largest that fits; none if it is no quantity.
pub(super) fn nanos(text: &str) -> Option<i128> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let mut digits = whole.trim_start_matches(['-', '+']).to_owned();
    digits.push_str(fraction);
    let mantissa: i128 = digits.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let scaled = match BINARY.iter().find(|(name, _)| *name == suffix) {
        Some((_, power)) => scale(mantissa.checked_mul(1024_i128.checked_pow(*power)?)?, 9 - places),
        None => scale(mantissa, exponent(suffix)?.checked_add(9 - places)?),
    };
    Some(if negative { -scaled } else { scaled })
}

fn exponent(suffix: &str) -> Option<i32> {
    let named = DECIMAL.iter().find(|(name, _)| *name == suffix);
    named
        .map(|(_, power)| *power)
        .or_else(|| suffix.strip_prefix(['e', 'E'])?.parse().ok())
}

fn scale(mantissa: i128, power: i32) -> i128 {
    let factor = 10_i128.checked_pow(power.unsigned_abs()).unwrap_or(i128::MAX);
    match power {
        0.. => mantissa.saturating_mul(factor),
        _ => mantissa / factor + i128::from(mantissa % factor != 0),
    }
}

/// A quantity above zero.
pub(super) fn positive(place: &Place<'_, '_>, errors: &mut Errors) -> bool {
    let right = nanos(place.str()).is_some_and(|value| value > 0);
    if !right {
        place.invalid(errors, "must be greater than zero");
    }
    right
}

/// A quantity of zero or more.
pub(super) fn non_negative(place: &Place<'_, '_>, errors: &mut Errors) {
    if nanos(place.str()).is_some_and(|value| value < 0) {
        place.invalid(errors, "must be greater than or equal to 0");
    }
}

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn quantities_have_values() {
        let one = 1_000_000_000_i128;
        for (text, value) in [
            ("1", one),
            ("100m", one / 10),
            ("1.5Gi", one * 1536 * 1024 * 1024),
            ("-2k", -2000 * one),
            ("1e3", 1000 * one),
            ("1n", 1),
            ("0", 0),
        ] {
            assert_eq!(nanos(text), Some(value), "{text}");
        }
        assert_eq!(nanos("x"), None);
    }
}
