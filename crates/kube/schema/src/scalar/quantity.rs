//! `resource.Quantity`: checked, and brought into the text that upstream prints it in.
//!
//! Values are decimal digit strings with a power of ten, so that no size of number is special and
//! an exponent from a hostile client costs nothing.

pub(crate) const FORMAT: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const SUFFIX: &str = "unable to parse quantity's suffix";

/// Power of ten of the smallest amount that upstream can hold.
const NANO: i64 = -9;
const DECIMAL: [(&str, i64); 10] = [
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
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// How an amount is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    DecimalExponent,
    #[default]
    DecimalSi,
    BinarySi,
}

/// A text taken apart.
pub(crate) struct Parts<'a> {
    pub(crate) negative: bool,
    whole: &'a str,
    fraction: &'a str,
    pub(crate) format: Format,
    /// Power of ten, or of 1024 for [`Format::BinarySi`].
    exponent: i64,
}

/// The canonical text, or upstream's error text.
pub(crate) fn canonical(text: &str) -> Result<String, String> {
    let parts = parse(text)?;
    if parts.is_canonical() {
        return Ok(text.to_owned());
    }
    Ok(parts.amount().print(parts.negative, parts.format))
}

fn sign(negative: bool, text: &str) -> String {
    format!("{}{text}", if negative { "-" } else { "" })
}

pub(crate) fn parse(text: &str) -> Result<Parts<'_>, String> {
    if text.is_empty() {
        return Err(FORMAT.to_owned());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let rest = unsigned.trim_start_matches('0');
    let (whole, rest) = digits(rest);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
    let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let number = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(FORMAT.to_owned());
    }
    let (format, exponent) = interpret(suffix).ok_or(SUFFIX)?;
    Ok(Parts {
        negative: text.starts_with('-'),
        whole,
        fraction,
        format,
        exponent,
    })
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn interpret(suffix: &str) -> Option<(Format, i64)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
        return Some((Format::DecimalSi, *exponent));
    }
    if let Some(exponent) = BINARY.iter().position(|s| *s == suffix) {
        return Some((Format::BinarySi, i64::try_from(exponent).ok()?));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((Format::DecimalExponent, exponent.into()))
}

impl Parts<'_> {
    /// Upstream's short cut: a text of this form is kept as it is, even where [`Amount`] would
    /// print another one.
    fn is_canonical(&self) -> bool {
        let whole = if self.whole.is_empty() { "0" } else { self.whole };
        let len = i64::try_from(whole.len() + self.fraction.len()).unwrap_or(i64::MAX);
        if self.format == Format::BinarySi {
            let value: u64 = whole.parse().unwrap_or(0);
            return self.fraction.is_empty() && 15 - len - 3 * self.exponent > 0 && value & 7 != 0;
        }
        let scale = self.exponent - i64::try_from(self.fraction.len()).unwrap_or(i64::MAX);
        let ends = [whole, self.fraction].concat().ends_with("000");
        len <= 18 && scale >= NANO && scale % 3 == 0 && !ends && !whole.starts_with('0')
    }

    /// The value, rounded up to whole nanos, and for binary suffixes capped as upstream caps it.
    pub(crate) fn amount(&self) -> Amount {
        let text = [self.whole, self.fraction].concat();
        let digits: Vec<u8> = text.trim_start_matches('0').bytes().map(|b| b - b'0').collect();
        let mut amount = Amount {
            digits,
            scale: -i64::try_from(self.fraction.len()).unwrap_or(i64::MAX),
        };
        if self.format == Format::BinarySi {
            for _ in 0..self.exponent {
                amount.multiply(1024);
            }
        } else {
            amount.scale += self.exponent;
        }
        amount.round_up(NANO);
        if self.format == Format::BinarySi {
            amount.cap();
        }
        amount
    }
}

/// `digits` × 10^`scale`; no leading zeros, and no digits for zero.
pub(crate) struct Amount {
    digits: Vec<u8>,
    scale: i64,
}

impl Amount {
    /// So many nanos.
    pub(crate) fn of_nanos(nanos: u128) -> Self {
        let text = nanos.to_string();
        let digits = text.trim_start_matches('0').bytes().map(|b| b - b'0').collect();
        Self { digits, scale: NANO }
    }

    /// In nanos; amounts beyond the bounds of 128 bits count as that much.
    pub(crate) fn nanos(&self) -> i128 {
        let digits = self.digits.iter();
        let number = digits.fold(0_i128, |n, d| n.saturating_mul(10).saturating_add((*d).into()));
        let power = u32::try_from(self.scale - NANO).unwrap_or(0).min(40);
        (0..power).fold(number, |n, _| n.saturating_mul(10))
    }

    /// The canonical text.
    pub(crate) fn print(mut self, negative: bool, mut format: Format) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        if format == Format::BinarySi {
            if let Some(text) = self.binary() {
                return sign(negative, &text);
            }
            format = Format::DecimalSi;
        }
        sign(negative, &self.decimal(format))
    }

    fn multiply(&mut self, by: u32) {
        let mut carry = 0;
        for digit in self.digits.iter_mut().rev() {
            carry += u32::from(*digit) * by;
            *digit = last_digit(carry);
            carry /= 10;
        }
        while carry > 0 {
            self.digits.insert(0, last_digit(carry));
            carry /= 10;
        }
    }

    fn round_up(&mut self, scale: i64) {
        let drop = usize::try_from(scale - self.scale).unwrap_or(0);
        if drop == 0 || self.digits.is_empty() {
            return;
        }
        let kept = self.digits.len().saturating_sub(drop);
        let inexact = self.digits[kept..].iter().any(|d| *d != 0);
        self.digits.truncate(kept);
        self.scale = scale;
        if inexact {
            self.increment();
        }
    }

    fn increment(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            *digit = (*digit + 1) % 10;
            if *digit != 0 {
                return;
            }
        }
        self.digits.insert(0, 1);
    }

    fn cap(&mut self) {
        if !self.digits.is_empty() && self.floor().is_none() {
            self.digits = i64::MAX.to_string().bytes().map(|b| b - b'0').collect();
            self.scale = 0;
        }
    }

    /// The whole part, where it fits.
    fn floor(&self) -> Option<i64> {
        let fraction = usize::try_from(-self.scale).ok()?;
        let whole = &self.digits[..self.digits.len().saturating_sub(fraction)];
        whole
            .iter()
            .try_fold(0_i64, |n, d| n.checked_mul(10)?.checked_add((*d).into()))
    }

    /// Whole numbers from 1024 on, with the largest binary suffix that loses nothing.
    fn binary(&self) -> Option<String> {
        let fraction = usize::try_from(-self.scale).ok()?;
        let exact = self.digits.iter().rev().take(fraction).all(|d| *d == 0);
        let mut whole = self.floor().filter(|whole| exact && *whole >= 1024)?;
        let mut suffix = 0;
        while whole % 1024 == 0 {
            whole /= 1024;
            suffix += 1;
        }
        Some(format!("{whole}{}", BINARY.get(suffix)?))
    }

    fn decimal(&mut self, format: Format) -> String {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.scale += 1;
        }
        let pad = usize::try_from(self.scale.rem_euclid(3)).unwrap_or(0);
        let exponent = self.scale.div_euclid(3) * 3;
        let mut text: String = self.digits.iter().map(|d| char::from(b'0' + d)).collect();
        text.extend(std::iter::repeat_n('0', pad));
        let suffix = DECIMAL
            .iter()
            .find(|(_, e)| *e == exponent && (format == Format::DecimalSi || *e == 0));
        match suffix {
            Some((suffix, _)) => text + suffix,
            None => format!("{text}e{exponent}"),
        }
    }
}

fn last_digit(number: u32) -> u8 {
    u8::try_from(number % 10).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_become_canonical_as_upstream() {
        for (text, expected) in [
            ("0", "0"),
            ("0Ki", "0"),
            ("-0", "0"),
            ("+", "0"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("1500m", "1500m"),
            ("100m", "100m"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("1024", "1024"),
            ("1Ki", "1Ki"),
            ("1024Ki", "1Mi"),
            ("1000Ki", "1000Ki"),
            ("0.5Ki", "512"),
            ("1.5Gi", "1536Mi"),
            ("0.1Ki", "102400m"),
            ("1.1Gi", "1181116006400m"),
            ("8Ei", "9223372036854775807"),
            ("12e3", "12e3"),
            ("12000e0", "12e3"),
            ("1E", "1E"),
            ("1000E", "1e21"),
            ("0.0000000001", "1n"),
            ("1e-20", "1e-9"),
            ("-1.25", "-1250m"),
            ("1e9999", "1e9999"),
            ("128974848", "128974848"),
            ("129M", "129M"),
            ("123Mi", "123Mi"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_texts_are_refused_as_upstream() {
        for (text, message) in [
            ("", FORMAT),
            ("1Zi", FORMAT),
            ("1 Ki", FORMAT),
            ("abc", FORMAT),
            ("1.5.5", FORMAT),
            ("1ki", SUFFIX),
            ("1e", SUFFIX),
            ("1Kii", SUFFIX),
        ] {
            assert_eq!(canonical(text), Err(message.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_canonical_text_stays(text in "[-+]?[0-9]{0,25}(\\.[0-9]{0,25})?([eE][-+]?[0-9]{0,12}|[numkMGTPE]|[KMGTPE]i)?") {
            if let Ok(once) = canonical(&text) {
                prop_assert_eq!(canonical(&once), Ok(once));
            }
        }
    }
}
