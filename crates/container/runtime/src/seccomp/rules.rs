//! What `linux.seccomp` means for each call number of one interface.
//!
//! The meaning is libseccomp's as runc drives it, because profiles in the world are written and
//! tested against that pair:
//! - a rule whose action is the default action is nothing;
//! - a name that an interface lacks is nothing there;
//! - the conditions of one rule must all hold; a rule that names one argument twice counts as one
//!   rule for each condition;
//! - several rules for one call: the first that matches decides, except that a rule without
//!   conditions beats all rules with conditions, wherever it stands (libseccomp drops those, and
//!   where conditions overlap with different actions it promises nothing: we take the order);
//! - on 32-bit interfaces only the lower half of values and masks counts;
//! - the x86 multiplexers: a rule for a socket or System V IPC call is also one for `socketcall` or
//!   `ipc` with that sub-call as argument 0.

use std::collections::BTreeMap;

use super::arch::Abi;
use super::numbers::{self, Column, Row};
use crate::spec::{LinuxSeccomp, LinuxSeccompArg, LinuxSyscall, SeccompAction, SeccompOperator};

/// EPERM: the errno where a rule names none.
const EPERM: u32 = 1;

/// The value a filter returns for an action; `data` is the errno or the tracer's message.
pub(super) fn return_value(action: SeccompAction, data: Option<u32>) -> u32 {
    let data = data.unwrap_or(EPERM) & 0xffff;
    match action {
        SeccompAction::KillProcess => 0x8000_0000,
        SeccompAction::Kill | SeccompAction::KillThread => 0,
        SeccompAction::Trap => 0x0003_0000,
        SeccompAction::Errno => 0x0005_0000 | data,
        SeccompAction::Notify => 0x7fc0_0000,
        SeccompAction::Trace => 0x7ff0_0000 | data,
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Allow => 0x7fff_0000,
    }
}

/// One alternative for a call: all conditions hold → return this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) conditions: Vec<LinuxSeccompArg>,
    pub(super) value: u32,
}

/// A rule of the profile, its names looked up; a name that no interface has is gone.
pub(super) struct Resolved<'a> {
    syscall: &'a LinuxSyscall,
    calls: Vec<(&'a str, Row)>,
}

impl Resolved<'_> {
    /// The numbers of the rule's calls in one interface.
    pub(super) fn numbers(&self, abi: &Abi) -> impl Iterator<Item = u32> {
        self.calls
            .iter()
            .filter_map(|(_, row)| Some(row.number(abi.column)? + abi.base))
    }
}

/// Looks up the names of all rules, once for all interfaces.
pub(super) fn resolve(seccomp: &LinuxSeccomp) -> Vec<Resolved<'_>> {
    seccomp
        .syscalls
        .iter()
        .map(|syscall| Resolved {
            syscall,
            calls: calls_of(syscall),
        })
        .collect()
}

fn calls_of(syscall: &LinuxSyscall) -> Vec<(&str, Row)> {
    syscall
        .names
        .iter()
        .filter_map(|name| Some((name.as_str(), numbers::row(name)?)))
        .collect()
}

/// The rules of every call number that has any; `default` is the value of the default action.
pub(super) fn rules_of(rules: &[Resolved<'_>], abi: &Abi, default: u32) -> BTreeMap<u32, Vec<Rule>> {
    let mut calls = BTreeMap::new();
    for rule in rules {
        let value = return_value(rule.syscall.action, rule.syscall.errno_ret);
        if value != default {
            add_rule(&mut calls, rule, value, abi);
        }
    }
    calls
}

fn add_rule(calls: &mut BTreeMap<u32, Vec<Rule>>, rule: &Resolved<'_>, value: u32, abi: &Abi) {
    for conditions in alternatives(&rule.syscall.args) {
        for number in rule.numbers(abi) {
            add(calls.entry(number).or_default(), &conditions, value, abi);
        }
        for (number, sub_call) in rule.calls.iter().filter_map(|(name, _)| multiplexed(name, abi)) {
            add(
                calls.entry(number).or_default(),
                &on_sub_call(&conditions, sub_call),
                value,
                abi,
            );
        }
    }
}

/// The conditions as alternatives: one, unless an argument is named twice.
fn alternatives(args: &[LinuxSeccompArg]) -> Vec<Vec<LinuxSeccompArg>> {
    let twice = args
        .iter()
        .enumerate()
        .any(|(at, arg)| args[..at].iter().any(|other| other.index == arg.index));
    if twice {
        args.iter().map(|arg| vec![*arg]).collect()
    } else {
        vec![args.to_vec()]
    }
}

fn add(rules: &mut Vec<Rule>, conditions: &[LinuxSeccompArg], value: u32, abi: &Abi) {
    let conditions: Vec<_> = conditions
        .iter()
        .filter_map(|arg| narrowed(*arg, abi.wide))
        .collect();
    if rules.first().is_some_and(|first| first.conditions.is_empty()) {
        return;
    }
    if conditions.is_empty() {
        rules.clear();
    }
    rules.push(Rule { conditions, value });
}

/// The condition as its interface sees it; none if it always holds.
fn narrowed(mut arg: LinuxSeccompArg, wide: bool) -> Option<LinuxSeccompArg> {
    let keep = if wide { u64::MAX } else { u64::from(u32::MAX) };
    arg.value &= keep;
    if arg.op == SeccompOperator::MaskedEqual {
        arg.value_two &= arg.value;
        return (arg.value != 0).then_some(arg);
    }
    Some(arg)
}

/// The multiplexer of `name` on x86 and the number of its sub-call.
fn multiplexed(name: &str, abi: &Abi) -> Option<(u32, u32)> {
    if abi.column != Column::X86 {
        return None;
    }
    let find = |calls: &[(u32, &str)]| {
        calls
            .iter()
            .find(|(_, call)| *call == name)
            .map(|(sub_call, _)| *sub_call)
    };
    let number = |multiplexer| numbers::row(multiplexer).and_then(|row: Row| row.number(abi.column));
    match (find(SOCKET_CALLS), find(IPC_CALLS)) {
        (Some(sub_call), _) => Some((number("socketcall")?, sub_call)),
        (_, Some(sub_call)) => Some((number("ipc")?, sub_call)),
        _ => None,
    }
}

/// Argument 0 of a multiplexer is the sub-call; a condition on it cannot be kept, the real
/// arguments being in memory that a filter cannot read.
fn on_sub_call(conditions: &[LinuxSeccompArg], sub_call: u32) -> Vec<LinuxSeccompArg> {
    let first = LinuxSeccompArg {
        index: 0,
        value: sub_call.into(),
        op: SeccompOperator::EqualTo,
        value_two: 0,
    };
    std::iter::once(first)
        .chain(conditions.iter().copied().filter(|arg| arg.index != 0))
        .collect()
}

/// Sub-calls of `socketcall`: linux/net.h.
const SOCKET_CALLS: &[(u32, &str)] = &[
    (1, "socket"),
    (2, "bind"),
    (3, "connect"),
    (4, "listen"),
    (5, "accept"),
    (6, "getsockname"),
    (7, "getpeername"),
    (8, "socketpair"),
    (9, "send"),
    (10, "recv"),
    (11, "sendto"),
    (12, "recvfrom"),
    (13, "shutdown"),
    (14, "setsockopt"),
    (15, "getsockopt"),
    (16, "sendmsg"),
    (17, "recvmsg"),
    (18, "accept4"),
    (19, "recvmmsg"),
    (20, "sendmmsg"),
];

/// Sub-calls of `ipc`: linux/ipc.h.
const IPC_CALLS: &[(u32, &str)] = &[
    (1, "semop"),
    (2, "semget"),
    (3, "semctl"),
    (4, "semtimedop"),
    (11, "msgsnd"),
    (12, "msgrcv"),
    (13, "msgget"),
    (14, "msgctl"),
    (21, "shmat"),
    (22, "shmdt"),
    (23, "shmget"),
    (24, "shmctl"),
];
