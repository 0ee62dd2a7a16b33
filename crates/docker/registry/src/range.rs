//! Ranges: what part of a blob a client wants (RFC 9110 §14), and what part of one it sends.

/// What an answer has of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: nothing else was asked for, or something that need not be understood.
    All,
    /// From the first byte to the last one.
    Part(u64, u64),
    /// Nothing that there is.
    Nothing,
}

/// What `Range` asks of `size` bytes. Several ranges at once are answered with all there is, as RFC 9110 allows.
pub(crate) fn wanted(header: &str, size: u64) -> Wanted {
    let Some(range) = header.strip_prefix("bytes=").map(str::trim) else {
        return Wanted::All;
    };
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return Wanted::All;
    };
    let end = size.saturating_sub(1);
    match (number(first), number(last)) {
        (Some(first), _) if first >= size => Wanted::Nothing,
        (Some(first), None) if last.is_empty() => Wanted::Part(first, end),
        (Some(first), Some(last)) if last >= first => Wanted::Part(first, last.min(end)),
        (Some(_), Some(_)) => Wanted::Nothing,
        (None, Some(0)) if first.is_empty() => Wanted::Nothing,
        (None, Some(_)) if first.is_empty() && size == 0 => Wanted::Nothing,
        (None, Some(count)) if first.is_empty() => Wanted::Part(size.saturating_sub(count), end),
        _ => Wanted::All,
    }
}

/// A number of digits alone; one that no file can have is the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The part of a blob that a chunk is, both ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Chunk {
    /// `Content-Range` in the specification's form, `FIRST-LAST`; also in RFC 9110's, `bytes FIRST-LAST/*`.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let range = header.strip_prefix("bytes ").unwrap_or(header);
        let range = range.split_once('/').map_or(range, |(range, _)| range);
        let (first, last) = range.split_once('-')?;
        let chunk = Self {
            first: number(first)?,
            last: number(last)?,
        };
        (chunk.first <= chunk.last && chunk.last < u64::MAX).then_some(chunk)
    }

    pub(crate) const fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_those_of_the_rfc() {
        use Wanted::{All, Nothing, Part};
        for (header, size, expected) in [
            ("bytes=500-1499", 2048, Part(500, 1499)),
            ("bytes=500-", 2048, Part(500, 2047)),
            ("bytes=-500", 2048, Part(1548, 2047)),
            ("bytes=2000-5000", 2048, Part(2000, 2047)),
            ("bytes=0-0", 2048, Part(0, 0)),
            ("bytes=-5000", 2048, Part(0, 2047)),
            ("bytes=500-0", 2048, Nothing),
            ("bytes=5000-10000", 2048, Nothing),
            ("bytes=2048-", 2048, Nothing),
            ("bytes=-0", 2048, Nothing),
            ("bytes=0-", 0, Nothing),
            ("bytes=-1", 0, Nothing),
            ("bytes=0-99999999999999999999999", 10, Part(0, 9)),
            ("bytes=99999999999999999999999-", 10, Nothing),
            ("bytes=0-1,3-4", 10, All),
            ("items=0-1", 10, All),
            ("bytes=a-b", 10, All),
            ("bytes=1-b", 10, All),
            ("bytes=-", 10, All),
            ("bytes=+1-2", 10, All),
        ] {
            assert_eq!(wanted(header, size), expected, "{header} of {size}");
        }
    }

    #[test]
    fn chunks_are_those_of_the_specification() {
        let chunk = |first, last| Some(Chunk { first, last });
        for (header, expected) in [
            ("0-1023", chunk(0, 1023)),
            ("5-5", chunk(5, 5)),
            ("bytes 5-9/*", chunk(5, 9)),
            ("bytes 5-9/10", chunk(5, 9)),
            ("5-4", None),
            ("-4", None),
            ("4-", None),
            ("", None),
            ("0-18446744073709551615", None),
            ("a-b", None),
        ] {
            assert_eq!(Chunk::parse(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_its_blob(header in "(bytes=)?[0-9]{0,22}-?[0-9]{0,22}", size: u64) {
            if let Wanted::Part(first, last) = wanted(&header, size) {
                prop_assert!(first <= last && last < size);
            }
        }

        #[test]
        fn whatever_a_chunk_claims_it_has_a_length(header in ".{0,40}") {
            if let Some(chunk) = Chunk::parse(&header) {
                prop_assert!(chunk.length() > 0);
            }
        }
    }
}
