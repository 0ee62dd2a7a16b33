//! From `linux.seccomp` to a classic BPF program.

use super::arch::Machine;
use super::assembler::{AND, Assembler, LOAD, Label, SockFilter, Test};
use super::ranges::{RETURN_BAD_ARCH, Range, sections};
use crate::spec::{LinuxSeccomp, LinuxSeccompArg, SeccompAction, SeccompFlag, SeccompOperator};

/// The kernel's `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;

/// A filter ready for seccomp(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The program.
    pub program: Vec<SockFilter>,
    /// The `SECCOMP_FILTER_FLAG_*` bits.
    pub flags: u32,
    /// Whether loading yields a notification descriptor, to be sent to `listenerPath`.
    pub notifies: bool,
}

impl Filter {
    /// The program as the bytes that `sock_fprog.filter` points to.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.program
            .iter()
            .flat_map(|instruction| instruction.bytes())
            .collect()
    }
}

/// Why `linux.seccomp` cannot become a filter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The runtime itself would wait for a listener it has not yet connected.
    #[error("linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default action")]
    NotifyByDefault,
    /// The descriptor of the listener is passed on by a write.
    #[error("linux.seccomp.syscalls: SCMP_ACT_NOTIFY cannot be used for write")]
    NotifyWrite,
    /// Only a filter with a listener can wait for it.
    #[error("linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY")]
    WaitWithoutNotify,
    /// A call has six arguments.
    #[error("linux.seccomp.syscalls[{0}].args: an argument index is 0 to 5, not {1}")]
    ArgumentIndex(usize, u32),
    /// A filter returns 16 bits of data.
    #[error("linux.seccomp: errnoRet {0} does not fit in 16 bits")]
    ErrnoRange(u32),
    /// A rule without a call.
    #[error("linux.seccomp.syscalls[{0}].names: empty name")]
    EmptyName(usize),
    /// The kernel takes at most 4096 instructions.
    #[error("linux.seccomp: the filter has {0} instructions, the kernel takes 4096")]
    TooLong(usize),
}

/// Compiles a filter for `machine`, whose native interface is always part of it.
///
/// Calls newer than the newest call the profile names get ENOSYS where the default action denies,
/// as in runc: programs fall back to an older call on ENOSYS but not on EPERM.
///
/// # Errors
/// See [`CompileError`].
pub fn compile(seccomp: &LinuxSeccomp, machine: Machine) -> Result<Filter, CompileError> {
    check(seccomp)?;
    let notifies = seccomp
        .syscalls
        .iter()
        .any(|rule| rule.action == SeccompAction::Notify);
    let program = assemble(seccomp, machine);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(CompileError::TooLong(program.len()));
    }
    Ok(Filter {
        program,
        flags: flags(&seccomp.flags, notifies)?,
        notifies,
    })
}

fn check(seccomp: &LinuxSeccomp) -> Result<(), CompileError> {
    if seccomp.default_action == SeccompAction::Notify {
        return Err(CompileError::NotifyByDefault);
    }
    check_errno(seccomp.default_errno_ret)?;
    for (at, rule) in seccomp.syscalls.iter().enumerate() {
        check_errno(rule.errno_ret)?;
        if let Some(arg) = rule.args.iter().find(|arg| arg.index > 5) {
            return Err(CompileError::ArgumentIndex(at, arg.index));
        }
        if rule.names.iter().any(String::is_empty) {
            return Err(CompileError::EmptyName(at));
        }
        if rule.action == SeccompAction::Notify && rule.names.iter().any(|name| name == "write") {
            return Err(CompileError::NotifyWrite);
        }
    }
    Ok(())
}

fn check_errno(errno: Option<u32>) -> Result<(), CompileError> {
    errno
        .filter(|errno| *errno > 0xffff)
        .map_or(Ok(()), |errno| Err(CompileError::ErrnoRange(errno)))
}

/// The flag bits. TSYNC is left out beside a listener: the kernel refuses the pair, and the process
/// that loads the filter has one thread.
fn flags(flags: &[SeccompFlag], notifies: bool) -> Result<u32, CompileError> {
    if !notifies && flags.contains(&SeccompFlag::WaitKillableRecv) {
        return Err(CompileError::WaitWithoutNotify);
    }
    let listener = if notifies { 1 << 3 } else { 0 };
    Ok(flags.iter().fold(listener, |bits, flag| {
        bits | match flag {
            SeccompFlag::Tsync if notifies => 0,
            SeccompFlag::Tsync => 1,
            SeccompFlag::Log => 1 << 1,
            SeccompFlag::SpecAllow => 1 << 2,
            SeccompFlag::WaitKillableRecv => 1 << 5,
        }
    }))
}

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;

/// The whole program: the architecture picks a section, the number a verdict within it.
fn assemble(seccomp: &LinuxSeccomp, machine: Machine) -> Vec<SockFilter> {
    let mut program = Assembler::default();
    let mut entry = program.ret(RETURN_BAD_ARCH);
    for section in sections(seccomp, machine).iter().rev() {
        let found = search(&mut program, &section.ranges);
        let start = program.step(LOAD, NUMBER, found);
        entry = program.branch(Test::Equal, section.audit, start, entry);
    }
    program.step(LOAD, ARCH, entry);
    program.finish()
}

/// A balanced binary search over ranges, of which there is at least one.
fn search(program: &mut Assembler, ranges: &[Range]) -> Label {
    if let [only] = ranges {
        return decide(program, only);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let first = high[0].start;
    let high = search(program, high);
    let low = search(program, low);
    program.branch(Test::GreaterOrEqual, first, high, low)
}

/// Rule by rule, then what holds when none matches.
fn decide(program: &mut Assembler, range: &Range) -> Label {
    let mut next = program.ret(range.otherwise);
    for rule in range.rules.iter().rev() {
        let mut matched = program.ret(rule.value);
        for condition in rule.conditions.iter().rev() {
            matched = compare(program, condition, range.wide, matched, next);
        }
        next = matched;
    }
    next
}

/// One condition: jumps to `yes` or `no`.
fn compare(program: &mut Assembler, arg: &LinuxSeccompArg, wide: bool, yes: Label, no: Label) -> Label {
    match arg.op {
        SeccompOperator::EqualTo => equal(program, arg, u64::MAX, arg.value, wide, yes, no),
        SeccompOperator::NotEqual => equal(program, arg, u64::MAX, arg.value, wide, no, yes),
        SeccompOperator::MaskedEqual => equal(program, arg, arg.value, arg.value_two, wide, yes, no),
        SeccompOperator::GreaterThan => above(program, arg, Test::Greater, wide, yes, no),
        SeccompOperator::GreaterEqual => above(program, arg, Test::GreaterOrEqual, wide, yes, no),
        SeccompOperator::LessThan => above(program, arg, Test::GreaterOrEqual, wide, no, yes),
        SeccompOperator::LessEqual => above(program, arg, Test::Greater, wide, no, yes),
    }
}

/// `arg & mask == value`, half by half; a half that the mask leaves out is not looked at.
fn equal(
    program: &mut Assembler,
    arg: &LinuxSeccompArg,
    mask: u64,
    value: u64,
    wide: bool,
    yes: Label,
    no: Label,
) -> Label {
    let low = equal_half(program, low_half(arg.index), low(mask), low(value), yes, no);
    if wide {
        equal_half(program, high_half(arg.index), high(mask), high(value), low, no)
    } else {
        low
    }
}

fn equal_half(program: &mut Assembler, offset: u32, mask: u32, value: u32, yes: Label, no: Label) -> Label {
    if mask == 0 {
        return yes;
    }
    let mut test = program.branch(Test::Equal, value, yes, no);
    if mask != u32::MAX {
        test = program.step(AND, mask, test);
    }
    program.step(LOAD, offset, test)
}

/// `arg > value` or `arg >= value`, as `test` says of the lower halves; the upper halves decide
/// unless they are equal.
fn above(
    program: &mut Assembler,
    arg: &LinuxSeccompArg,
    test: Test,
    wide: bool,
    yes: Label,
    no: Label,
) -> Label {
    let lower = program.branch(test, low(arg.value), yes, no);
    let lower = program.step(LOAD, low_half(arg.index), lower);
    if !wide {
        return lower;
    }
    let equal = program.branch(Test::Equal, high(arg.value), lower, no);
    let upper = program.branch(Test::Greater, high(arg.value), yes, equal);
    program.step(LOAD, high_half(arg.index), upper)
}

/// Offset of the lower half of an argument; both machines are little-endian.
const fn low_half(index: u32) -> u32 {
    ARGS + 8 * index
}

const fn high_half(index: u32) -> u32 {
    low_half(index) + 4
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is asked for"
)]
const fn low(value: u64) -> u32 {
    value as u32
}

const fn high(value: u64) -> u32 {
    low(value >> 32)
}
