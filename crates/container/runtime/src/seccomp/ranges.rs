//! The verdict of every call number, as ranges: what the compiler searches.

use std::collections::BTreeMap;

use super::arch::{Abi, Machine, X32_BIT};
use super::rules::{Resolved, Rule, resolve, return_value, rules_of};
use crate::spec::{LinuxSeccomp, SeccompAction, SeccompArch};

/// `SECCOMP_RET_ERRNO | ENOSYS`
pub(super) const RETURN_ENOSYS: u32 = 0x0005_0000 | 38;

/// What a call of an interface outside the profile gets: libseccomp's bad-architecture action,
/// `SECCOMP_RET_KILL_THREAD`.
pub(super) const RETURN_BAD_ARCH: u32 = 0;

/// The interfaces that share one audit architecture.
pub(super) struct Section {
    pub(super) audit: u32,
    /// From number 0 up; never empty.
    pub(super) ranges: Vec<Range>,
}

/// Call numbers with one verdict, up to where the next range starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u32,
    /// The first that matches decides.
    pub(super) rules: Vec<Rule>,
    /// What is returned when none matches.
    pub(super) otherwise: u32,
    /// Whether the rules compare 64 bits.
    pub(super) wide: bool,
}

/// The sections of a profile, the native interface first.
pub(super) fn sections(seccomp: &LinuxSeccomp, machine: Machine) -> Vec<Section> {
    let rules = resolve(seccomp);
    let covered = |arch: SeccompArch| arch == machine.seccomp_arch() || seccomp.architectures.contains(&arch);
    machine
        .abis()
        .chunk_by(|a, b| a.audit == b.audit)
        .filter(|abis| abis.iter().any(|abi| covered(abi.arch)))
        .map(|abis| Section {
            audit: abis[0].audit,
            ranges: ranges_of(seccomp, &rules, abis, covered),
        })
        .collect()
}

fn ranges_of(
    seccomp: &LinuxSeccomp,
    rules: &[Resolved<'_>],
    abis: &[Abi],
    covered: impl Fn(SeccompArch) -> bool,
) -> Vec<Range> {
    let default = return_value(seccomp.default_action, seccomp.default_errno_ret);
    let mut ranges = Ranges {
        list: Vec::new(),
        default,
        denies: denies(seccomp.default_action),
    };
    for abi in abis {
        if covered(abi.arch) {
            ranges.add_interface(rules, abi);
        } else {
            ranges.plain(X32_BIT, RETURN_BAD_ARCH);
            // A tracer skips a call by making its number -1; that must not kill.
            ranges.plain(u32::MAX, default);
        }
    }
    ranges.list
}

/// Ranges in ascending order.
struct Ranges {
    list: Vec<Range>,
    /// The value of the default action.
    default: u32,
    /// Whether calls newer than the profile get ENOSYS.
    denies: bool,
}

impl Ranges {
    fn add_interface(&mut self, rules: &[Resolved<'_>], abi: &Abi) {
        let mut calls = rules_of(rules, abi, self.default);
        let private = abi.private.map(|first| (first, calls.split_off(&first)));
        self.plain(abi.base, self.default);
        let newest = newest(rules, abi).max(calls.keys().next_back().copied());
        self.add_calls(calls, abi);
        if let Some(newest) = newest.filter(|_| self.denies) {
            self.plain(newest + 1, RETURN_ENOSYS);
        }
        if let Some((first, calls)) = private {
            self.plain(first, self.default);
            self.add_calls(calls, abi);
        }
    }

    fn add_calls(&mut self, calls: BTreeMap<u32, Vec<Rule>>, abi: &Abi) {
        for (start, rules) in calls {
            match rules.as_slice() {
                [rule] if rule.conditions.is_empty() => self.plain(start, rule.value),
                _ => self.push(Range {
                    start,
                    rules,
                    otherwise: self.default,
                    wide: abi.wide,
                }),
            }
            self.plain(start + 1, self.default);
        }
    }

    fn plain(&mut self, start: u32, value: u32) {
        self.push(Range {
            start,
            rules: Vec::new(),
            otherwise: value,
            wide: false,
        });
    }

    /// Adds a range, which ends the last one; an empty one disappears and equal neighbours are one.
    fn push(&mut self, range: Range) {
        self.list.pop_if(|last| last.start == range.start);
        if !self.list.last().is_some_and(|last| last.decides_as(&range)) {
            self.list.push(range);
        }
    }
}

impl Range {
    fn decides_as(&self, other: &Self) -> bool {
        self.rules == other.rules && self.otherwise == other.otherwise && self.wide == other.wide
    }
}

/// Whether an unknown call would be refused. A tracer is expected to answer for itself (runc).
fn denies(action: SeccompAction) -> bool {
    !matches!(
        action,
        SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace
    )
}

/// The highest number any rule names, also a rule that changes nothing: whoever wrote the profile
/// knew the calls up to there.
fn newest(rules: &[Resolved<'_>], abi: &Abi) -> Option<u32> {
    let numbers = rules.iter().flat_map(|rule| rule.numbers(abi));
    numbers
        .filter(|number| abi.private.is_none_or(|first| *number < first))
        .max()
}
