//! A unified diff of two texts, line by line: Python's `difflib`, of which upstream uses a Go version.
//!
//! The longest run of equal lines is found, then the same on both sides of it. Its quirks are kept, because its answers
//! are shown to people: of equally long runs the earliest counts, and in long texts lines that are very common
//! do not begin a run.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

/// Equal lines around a change that are shown.
const CONTEXT: usize = 3;
/// From this many lines on, lines that are more than one in a hundred are common.
const LONG: usize = 200;

/// How a stretch of lines came about.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    equal: bool,
    old: Range<usize>,
    new: Range<usize>,
}

/// The changes from one text to another; empty if there are none.
pub(super) fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut out = String::new();
    for group in groups(&changes(&old, &new)) {
        if let [first, .., last] | [first @ last] = group.as_slice() {
            let (from, to) = (first.old.start..last.old.end, first.new.start..last.new.end);
            let _written = writeln!(out, "@@ -{} +{} @@", span(&from), span(&to));
        }
        for change in &group {
            lines(&mut out, change, &old, &new);
        }
    }
    out
}

fn lines(out: &mut String, change: &Change, old: &[&str], new: &[&str]) {
    let mut add = |sign: char, lines: &[&str]| {
        for line in lines {
            out.push(sign);
            out.push_str(line);
            out.push('\n');
        }
    };
    if change.equal {
        return add(' ', &old[change.old.clone()]);
    }
    add('-', &old[change.old.clone()]);
    add('+', &new[change.new.clone()]);
}

/// A range of lines, counted from one; its length if that is not one.
fn span(range: &Range<usize>) -> String {
    match range.len() {
        1 => (range.start + 1).to_string(),
        0 => format!("{},0", range.start),
        length => format!("{},{length}", range.start + 1),
    }
}

struct Matcher<'a> {
    old: &'a [&'a str],
    /// Where a line stands in the new text.
    places: HashMap<&'a str, Vec<usize>>,
    new: &'a [&'a str],
}

impl<'a> Matcher<'a> {
    fn new(old: &'a [&'a str], new: &'a [&'a str]) -> Self {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, line) in new.iter().enumerate() {
            places.entry(line).or_default().push(at);
        }
        let most = new.len() / 100 + 1;
        let is_common = |at: &[usize]| new.len() >= LONG && at.len() > most;
        places.retain(|_, at| !is_common(at));
        Self { old, places, new }
    }

    /// The longest run of equal lines within both ranges: its start in each, and its length.
    fn longest(&self, old: &Range<usize>, new: &Range<usize>) -> (usize, usize, usize) {
        let (mut best, mut runs) = ((old.start, new.start, 0), HashMap::new());
        for at in old.clone() {
            let mut next = HashMap::new();
            let places = self.places.get(self.old[at]).map_or(&[][..], Vec::as_slice);
            for place in places.iter().copied().filter(|place| new.contains(place)) {
                let before = place.checked_sub(1).and_then(|before| runs.get(&before)).copied();
                let run = before.unwrap_or(0) + 1;
                next.insert(place, run);
                if run > best.2 {
                    best = (at + 1 - run, place + 1 - run, run);
                }
            }
            runs = next;
        }
        self.widened(best, old, new)
    }

    /// Common lines do not begin a run, but belong to one that they touch.
    fn widened(
        &self,
        (mut at, mut place, mut run): (usize, usize, usize),
        old: &Range<usize>,
        new: &Range<usize>,
    ) -> (usize, usize, usize) {
        let same = |at: usize, place: usize| self.old[at] == self.new[place];
        while at > old.start && place > new.start && same(at - 1, place - 1) {
            (at, place, run) = (at - 1, place - 1, run + 1);
        }
        while at + run < old.end && place + run < new.end && same(at + run, place + run) {
            run += 1;
        }
        (at, place, run)
    }

    /// All runs, in order; neighbours are one.
    fn runs(&self) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        let mut open = vec![(0..self.old.len(), 0..self.new.len())];
        while let Some((old, new)) = open.pop() {
            let (at, place, run) = self.longest(&old, &new);
            if run == 0 {
                continue;
            }
            found.push((at, place, run));
            open.push((old.start..at, new.start..place));
            open.push((at + run..old.end, place + run..new.end));
        }
        found.sort_unstable();
        let mut merged: Vec<(usize, usize, usize)> = Vec::new();
        for (at, place, run) in found {
            match merged.last_mut() {
                Some(last) if last.0 + last.2 == at && last.1 + last.2 == place => last.2 += run,
                _ => merged.push((at, place, run)),
            }
        }
        merged
    }
}

fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let (mut found, mut at, mut place) = (Vec::new(), 0, 0);
    let end = (old.len(), new.len(), 0);
    for (next, opposite, run) in Matcher::new(old, new).runs().into_iter().chain([end]) {
        if at < next || place < opposite {
            found.push(Change {
                equal: false,
                old: at..next,
                new: place..opposite,
            });
        }
        (at, place) = (next + run, opposite + run);
        if run > 0 {
            found.push(Change {
                equal: true,
                old: next..at,
                new: opposite..place,
            });
        }
    }
    found
}

/// Changes with the lines around them; those that are near each other share a group.
fn groups(changes: &[Change]) -> Vec<Vec<Change>> {
    let (mut all, mut group): (Vec<Vec<Change>>, Vec<Change>) = (Vec::new(), Vec::new());
    let last = changes.len().saturating_sub(1);
    for (index, change) in changes.iter().enumerate() {
        let mut change = change.clone();
        if change.equal && index == 0 {
            keep_end(&mut change);
        } else if change.equal && index < last && change.old.len() > 2 * CONTEXT {
            let mut after = change.clone();
            keep_start(&mut after);
            group.push(after);
            all.push(std::mem::take(&mut group));
            keep_end(&mut change);
        }
        if change.equal && index == last {
            keep_start(&mut change);
        }
        group.push(change);
    }
    if group.iter().any(|change| !change.equal) {
        all.push(group);
    }
    all
}

fn keep_start(change: &mut Change) {
    change.old.end = change.old.end.min(change.old.start + CONTEXT);
    change.new.end = change.new.end.min(change.new.start + CONTEXT);
}

fn keep_end(change: &mut Change) {
    change.old.start = change.old.start.max(change.old.end.saturating_sub(CONTEXT));
    change.new.start = change.new.start.max(change.new.end.saturating_sub(CONTEXT));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn changes_are_told_with_the_lines_around_them() {
        let lines = |lines: &[&str]| lines.join("\n");
        assert_eq!(unified("a\nb", "a\nb"), "");
        assert_eq!(unified("a\nb\nc", "a\nx\nc"), "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        let old: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let old: Vec<&str> = old.iter().map(String::as_str).collect();
        let mut new = old.clone();
        new[2] = "two";
        new.remove(15);
        let told = unified(&lines(&old), &lines(&new));
        let expected = "@@ -1,6 +1,6 @@\n 0\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -13,7 +13,6 @@\n 12\n 13\n 14\n-15\n 16\n 17\n 18\n";
        assert_eq!(told, expected);
        assert_eq!(unified("", "x"), "@@ -1 +1 @@\n-\n+x\n");
    }

    proptest! {
        /// What a diff keeps and adds is the new text, what it keeps and takes away the old one.
        #[test]
        fn changes_lead_from_one_text_to_the_other(
            old in prop::collection::vec("[abc]", 0..40),
            new in prop::collection::vec("[abc]", 0..40),
        ) {
            let (old, new): (Vec<&str>, Vec<&str>) =
                (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            let found = changes(&old, &new);
            let mut rebuilt: Vec<&str> = Vec::new();
            for change in &found {
                if change.equal {
                    prop_assert_eq!(&old[change.old.clone()], &new[change.new.clone()]);
                }
                rebuilt.extend(&new[change.new.clone()]);
            }
            prop_assert_eq!(rebuilt, new);
            prop_assert_eq!(found.iter().map(|change| change.old.len()).sum::<usize>(), old.len());
        }
    }
}
