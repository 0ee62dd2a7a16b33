//! How often: `*`, `+`, `?` and `{n,m}`.

use crate::reader::Reader;
use crate::{Error, Fault};

/// The highest number in a repetition, and what numbers of repetitions within each other may multiply to.
pub(crate) const MOST: u32 = 1000;

/// How often something is repeated, as far as it is bounded by a number: 1 for what is not.
pub(crate) type Count = u32;

/// Reads a repetition, if one is next; none where a brace is just a brace.
pub(crate) fn repeat(reader: &mut Reader<'_>) -> Result<Option<Count>, Error> {
    let start = reader.at();
    let count = match reader.peek() {
        Some('*' | '+' | '?') => {
            reader.next();
            1
        }
        Some('{') => {
            let Some((least, most)) = numbers(reader) else {
                return Ok(None);
            };
            let fits = |number: Option<u32>| number.is_none_or(|number| number <= MOST);
            if !fits(least) || !fits(most) || most.is_some_and(|most| least > Some(most)) {
                return Err(reader.wrong(Fault::RepeatSize, start));
            }
            most.or(least).unwrap_or_default().max(1)
        }
        _ => return Ok(None),
    };
    reader.take("?");
    Ok(Some(count))
}

/// `{n}`, `{n,}`, `{n,m}`; the second is none where it is open. Anything else is no repetition, and nothing is read.
fn numbers(reader: &mut Reader<'_>) -> Option<(Option<u32>, Option<u32>)> {
    let mut ahead = *reader;
    ahead.next();
    let least = number(&mut ahead)?;
    let most = match ahead.take(",") {
        false => Some(least),
        true if ahead.rest().starts_with('}') => None,
        true => Some(number(&mut ahead)?),
    };
    if !ahead.take("}") {
        return None;
    }
    *reader = ahead;
    Some((Some(least), most))
}

/// A number without leading zeros; one that is far too large is just that.
fn number(reader: &mut Reader<'_>) -> Option<u32> {
    let rest = reader.rest();
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let digits = &rest[..length];
    if digits.is_empty() || length > 1 && digits.starts_with('0') {
        return None;
    }
    reader.skip(length);
    Some(digits.parse().unwrap_or(u32::MAX))
}
