//! Lengths of time as Go writes them (`time.ParseDuration`): what every upstream of ours takes.

/// Units, in nanoseconds. The two signs for micro are different characters.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDuration<'a> {
    /// It is not written as one, or longer than 292 years.
    Invalid,
    /// A number stands alone.
    MissingUnit,
    /// There is no such unit.
    UnknownUnit(&'a str),
}

/// Reads `1h30m`, `-1.5s`, `100ms`, `0`; answers nanoseconds, of which parts are dropped.
///
/// # Errors
/// [`NoDuration`].
pub fn parse_duration(text: &str) -> Result<i64, NoDuration<'_>> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(NoDuration::Invalid);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = component(rest)?;
        total = total.checked_add(nanoseconds).ok_or(NoDuration::Invalid)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| NoDuration::Invalid)
}

/// The first number and unit, in nanoseconds, and what follows.
fn component(text: &str) -> Result<(i128, &str), NoDuration<'_>> {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let end = text.find(|letter| !is_number(letter)).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(NoDuration::Invalid);
    }
    let end = rest.find(is_number).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return Err(NoDuration::MissingUnit);
    }
    let unit = UNITS.iter().find(|(known, _)| *known == name);
    let unit = unit
        .map(|(_, unit)| i128::from(*unit))
        .ok_or(NoDuration::UnknownUnit(name))?;
    let parse = |digits: &str| digits.parse::<i128>().map_err(|_| NoDuration::Invalid);
    let whole = if whole.is_empty() { 0 } else { parse(whole)? };
    // Fifteen digits are parts of a nanosecond of the longest unit, and more are nothing.
    let digits = &fraction[..fraction.len().min(15)];
    let mut part = if digits.is_empty() {
        0
    } else {
        parse(digits)? * unit
    };
    for _ in digits.bytes() {
        part /= 10;
    }
    let whole = whole.checked_mul(unit).ok_or(NoDuration::Invalid)?;
    Ok((whole + part, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_go_reads() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1h30m", Ok(5_400_000_000_000)),
            ("-1.5s", Ok(-1_500_000_000)),
            ("+.5ms", Ok(500_000)),
            ("1.s", Ok(1_000_000_000)),
            ("1µs2μs3us", Ok(6_000)),
            ("0.0000000000000009h", Ok(0)),
            ("0.333333333333333333333h", Ok(1_199_999_999_999)),
            ("2562047h", Ok(9_223_369_200_000_000_000)),
            ("2562048h", Err(NoDuration::Invalid)),
            ("", Err(NoDuration::Invalid)),
            ("-", Err(NoDuration::Invalid)),
            (".s", Err(NoDuration::Invalid)),
            ("1.2.3s", Err(NoDuration::Invalid)),
            ("s", Err(NoDuration::Invalid)),
            ("1", Err(NoDuration::MissingUnit)),
            ("1h5", Err(NoDuration::MissingUnit)),
            ("1d", Err(NoDuration::UnknownUnit("d"))),
            ("1 s", Err(NoDuration::UnknownUnit(" s"))),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[-+0-9.nuµmsh x]{0,40}") {
            let _ = parse_duration(&text);
        }
    }
}
