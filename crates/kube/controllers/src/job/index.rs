//! Sets of completion indexes, as statuses write them: `1,3-5,7`.

use std::collections::BTreeSet;
use std::fmt;

/// Indexes in ascending intervals, which never touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i64, i64)>);

impl Indexes {
    /// Reads indexes below `end`. What is none of them is left out.
    pub(super) fn parse(text: &str, end: i64) -> Self {
        let bounds = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse::<i64>().ok()?, last.parse::<i64>().ok()?);
            (0 <= first && first <= last && first < end).then(|| (first, last.min(end - 1)))
        };
        Self::of(text.split(',').filter_map(bounds).collect())
    }

    fn of(mut intervals: Vec<(i64, i64)>) -> Self {
        intervals.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(intervals.len());
        for (first, last) in intervals {
            match joined.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// These and others.
    pub(super) fn with(&self, others: impl IntoIterator<Item = i64>) -> Self {
        let others = others.into_iter().map(|index| (index, index));
        Self::of(self.0.iter().copied().chain(others).collect())
    }

    /// These and those.
    pub(super) fn and(&self, those: &Self) -> Self {
        Self::of(self.0.iter().chain(&those.0).copied().collect())
    }

    pub(super) fn has(&self, index: i64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= index);
        after > 0 && index <= self.0[after - 1].1
    }

    /// How many there are.
    pub(super) fn count(&self) -> i64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// How many of these are in those too.
    pub(super) fn count_in(&self, those: &Self) -> i64 {
        let overlap =
            |one: &(i64, i64), other: &(i64, i64)| (one.1.min(other.1) - one.0.max(other.0) + 1).max(0);
        let pairs = self
            .0
            .iter()
            .flat_map(|one| those.0.iter().map(move |other| overlap(one, other)));
        pairs.sum()
    }

    /// The first so many indexes below `end` that are not here.
    pub(super) fn missing(&self, count: usize, end: i64) -> Vec<i64> {
        let mut missing = Vec::new();
        let mut next = 0;
        for (first, last) in self.0.iter().copied().chain([(end, end)]) {
            missing.extend((next..first.min(end)).take(count - missing.len()));
            next = last + 1;
        }
        missing
    }
}

impl FromIterator<i64> for Indexes {
    fn from_iter<I: IntoIterator<Item = i64>>(indexes: I) -> Self {
        let sorted: BTreeSet<i64> = indexes.into_iter().collect();
        Self::default().with(sorted)
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match last - first {
                0 => write!(formatter, "{comma}{first}")?,
                1 => write!(formatter, "{comma}{first},{last}")?,
                _ => write!(formatter, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_written_as_upstream_writes_them() {
        let cases = [
            (vec![], ""),
            (vec![0], "0"),
            (vec![1, 0], "0,1"),
            (vec![2, 1, 0, 7], "0-2,7"),
            (vec![1, 3, 4, 5, 7, 8], "1,3-5,7,8"),
        ];
        for (indexes, text) in cases {
            let set: Indexes = indexes.iter().copied().collect();
            assert_eq!(set.to_string(), text);
            assert_eq!(Indexes::parse(text, 100), set);
            assert_eq!(set.count(), i64::try_from(indexes.len()).unwrap());
            assert!(
                (0..10).all(|index| set.has(index) == indexes.contains(&index)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_index_is_left_out() {
        for (text, end, expected) in [
            ("3-9,x,12", 6, "3-5"),
            ("-1,2", 9, "2"),
            ("4-2", 9, ""),
            ("", 9, ""),
            ("1,2,2-4", 9, "1-4"),
        ] {
            assert_eq!(Indexes::parse(text, end).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn missing_ones_are_found_in_order() {
        let set = Indexes::parse("0,2-4,8", 100);
        assert_eq!(set.missing(3, 10), [1, 5, 6]);
        assert_eq!(set.missing(99, 10), [1, 5, 6, 7, 9]);
        assert_eq!(set.missing(99, 3), [1]);
        assert_eq!(set.missing(0, 10), Vec::<i64>::new());
        assert_eq!(Indexes::default().missing(2, 5), [0, 1]);
    }

    #[test]
    fn sets_are_joined_and_compared() {
        let (one, other) = (Indexes::parse("0-3,9", 20), Indexes::parse("3-5,8,9", 20));
        assert_eq!(one.and(&other).to_string(), "0-5,8,9");
        assert_eq!(one.count_in(&other), 2);
    }
}
