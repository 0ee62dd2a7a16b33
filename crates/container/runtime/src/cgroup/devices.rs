//! Device rules: writes for v1, an eBPF program for v2.
//!
//! Both start from nothing allowed, as runc does, and apply the rules in order. The program keeps
//! the access bits that are not decided yet and walks the rules from the last to the first: an
//! allowing rule settles its bits, a denying rule that finds one of its bits open ends it. So
//! `allow r` and `allow w` add up to a file opened for both, as on v1.

use crate::spec::{DeviceRuleType, LinuxDeviceCgroup};

/// A device rule that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Access is some of `r`, `w`, `m`.
    #[error("linux.resources.devices[{0}].access: {1:?} is not made of r, w and m")]
    Access(usize, String),
    /// Numbers are 32 bits; -1 is any.
    #[error("linux.resources.devices[{0}]: device number {1} is out of range")]
    Number(usize, i64),
}

const MKNOD: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;
const EVERYTHING: u32 = MKNOD | READ | WRITE;

/// `BPF_DEVCG_DEV_*`
const BLOCK: u32 = 1;
const CHAR: u32 = 2;

/// One rule, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    kind: Option<u32>,
    major: Option<u32>,
    minor: Option<u32>,
    access: u32,
}

impl Rule {
    fn read(at: usize, rule: &LinuxDeviceCgroup) -> Result<Self, DeviceError> {
        let kind = match rule.kind.unwrap_or(DeviceRuleType::All) {
            DeviceRuleType::All => None,
            DeviceRuleType::Block => Some(BLOCK),
            DeviceRuleType::Char => Some(CHAR),
        };
        let (major, minor) = (number(at, rule.major)?, number(at, rule.minor)?);
        let access = access(&rule.access).ok_or_else(|| DeviceError::Access(at, rule.access.clone()))?;
        Ok(Self {
            allow: rule.allow,
            kind,
            major,
            minor,
            access,
        })
    }

    fn is_everything(&self) -> bool {
        self.kind.is_none() && self.major.is_none() && self.minor.is_none() && self.access == EVERYTHING
    }
}

fn number(at: usize, number: Option<i64>) -> Result<Option<u32>, DeviceError> {
    match number {
        None | Some(-1) => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| DeviceError::Number(at, number)),
    }
}

fn access(text: &str) -> Option<u32> {
    let bit = |letter| match letter {
        'r' => Some(READ),
        'w' => Some(WRITE),
        'm' => Some(MKNOD),
        _ => None,
    };
    let bits = text
        .chars()
        .try_fold(0, |bits, letter| Some(bits | bit(letter)?))?;
    Some(if bits == 0 { EVERYTHING } else { bits })
}

fn read(rules: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>, DeviceError> {
    rules
        .iter()
        .enumerate()
        .map(|(at, rule)| Rule::read(at, rule))
        .collect()
}

/// The writes for v1, as (file, value).
pub(super) fn v1_writes(rules: &[LinuxDeviceCgroup]) -> Result<Vec<(&'static str, String)>, DeviceError> {
    let rules = read(rules)?;
    let mut writes = Vec::new();
    if rules.first().is_some_and(|first| !first.is_everything()) {
        writes.push(("devices.deny", "a".to_owned()));
    }
    for rule in &rules {
        let file = if rule.allow {
            "devices.allow"
        } else {
            "devices.deny"
        };
        writes.extend(v1_values(rule).into_iter().map(|value| (file, value)));
    }
    Ok(writes)
}

/// The kernel reads nothing behind `a`, so a partial rule for both types is two.
fn v1_values(rule: &Rule) -> Vec<String> {
    if rule.is_everything() {
        return vec!["a".to_owned()];
    }
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
    let access: String = letters
        .iter()
        .filter(|(bit, _)| rule.access & bit != 0)
        .map(|(_, letter)| *letter)
        .collect();
    [(BLOCK, 'b'), (CHAR, 'c')]
        .iter()
        .filter(|(kind, _)| rule.kind.is_none_or(|wanted| wanted == *kind))
        .map(|(_, letter)| format!("{letter} {}:{} {access}", number(rule.major), number(rule.minor)))
        .collect()
}

/// Operations of eBPF that the program uses (32-bit forms).
const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb4;
const MOVE_FROM: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_UNLESS: u8 = 0x56;
const JUMP_IF: u8 = 0x16;
const EXIT: u8 = 0x95;

/// Registers: the result, the context, and what is read from it.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const PENDING: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// One instruction, laid out as the kernel's `struct bpf_insn` on a little-endian machine.
const fn instruction(code: u8, to: u8, from: u8, offset: i16, value: u32) -> u64 {
    code as u64 | (to as u64) << 8 | (from as u64) << 12 | (offset as u16 as u64) << 16 | (value as u64) << 32
}

/// The program of type `BPF_PROG_TYPE_CGROUP_DEVICE` for a list of rules.
///
/// # Errors
/// A rule that cannot be understood.
pub fn device_program(rules: &[LinuxDeviceCgroup]) -> Result<Vec<u64>, DeviceError> {
    let mut program = vec![
        instruction(LOAD_WORD, KIND, CONTEXT, 0, 0),
        instruction(MOVE_FROM, PENDING, KIND, 0, 0),
        instruction(SHIFT_RIGHT, PENDING, 0, 0, 16),
        instruction(AND, KIND, 0, 0, 0xffff),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in read(rules)?.iter().rev() {
        program.extend(judge(rule));
    }
    program.extend(verdict(false));
    Ok(program)
}

fn verdict(allow: bool) -> [u64; 2] {
    [
        instruction(MOVE, RESULT, 0, 0, u32::from(allow)),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

fn judge(rule: &Rule) -> Vec<u64> {
    let body = if rule.allow {
        allowing(rule.access)
    } else {
        denying(rule.access)
    };
    let fields = [(KIND, rule.kind), (MAJOR, rule.major), (MINOR, rule.minor)];
    let tests: Vec<(u8, u32)> = fields
        .iter()
        .filter_map(|(register, value)| Some((*register, (*value)?)))
        .collect();
    let skip = (1..=tests.len()).rev().map(|left| body.len() + left - 1);
    let tests = tests.iter().zip(skip);
    let tests =
        tests.map(|((register, value), skip)| instruction(JUMP_UNLESS, *register, 0, distance(skip), *value));
    tests.chain(body.iter().copied()).collect()
}

/// Settles the bits; allows when none is left.
fn allowing(access: u32) -> Vec<u64> {
    let [set, exit] = verdict(true);
    let settle = instruction(AND, PENDING, 0, 0, !access);
    vec![settle, instruction(JUMP_UNLESS, PENDING, 0, 2, 0), set, exit]
}

/// Denies when one of the bits is still open.
fn denying(access: u32) -> Vec<u64> {
    let [set, exit] = verdict(false);
    let copy = instruction(MOVE_FROM, CONTEXT, PENDING, 0, 0);
    vec![
        copy,
        instruction(AND, CONTEXT, 0, 0, access),
        instruction(JUMP_IF, CONTEXT, 0, 2, 0),
        set,
        exit,
    ]
}

/// A rule has at most eight instructions, so the distance always fits.
fn distance(skip: usize) -> i16 {
    i16::try_from(skip).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a program on (type, access, major, minor).
    fn run(program: &[u64], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0u32; 11];
        let mut at = 0;
        loop {
            let [code, pair, low, high, value @ ..] = program[at].to_le_bytes();
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            let offset = usize::from(u16::from_le_bytes([low, high]));
            let value = u32::from_le_bytes(value);
            at += 1;
            match code {
                LOAD_WORD => registers[to] = context[offset / 4],
                MOVE => registers[to] = value,
                MOVE_FROM => registers[to] = registers[from],
                AND => registers[to] &= value,
                SHIFT_RIGHT => registers[to] >>= value,
                JUMP_UNLESS if registers[to] != value => at += offset,
                JUMP_IF if registers[to] == value => at += offset,
                JUMP_UNLESS | JUMP_IF => {}
                EXIT => return registers[0] != 0,
                other => panic!("unknown operation {other:#x}"),
            }
        }
    }

    /// Bit by bit: the last rule that speaks of it decides.
    fn naive(rules: &[LinuxDeviceCgroup], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let rules = read(rules).unwrap();
        [MKNOD, READ, WRITE]
            .iter()
            .filter(|bit| access & **bit != 0)
            .all(|bit| {
                let speaks = |rule: &&Rule| {
                    rule.access & bit != 0
                        && rule.kind.is_none_or(|wanted| wanted == kind)
                        && rule.major.is_none_or(|wanted| wanted == major)
                        && rule.minor.is_none_or(|wanted| wanted == minor)
                };
                rules.iter().rev().find(speaks).is_some_and(|rule| rule.allow)
            })
    }

    fn rule() -> impl Strategy<Value = LinuxDeviceCgroup> {
        let kind = prop::option::of(prop::sample::select(DeviceRuleType::ALL));
        let number = || prop::option::of(-1..3i64);
        (any::<bool>(), kind, number(), number(), "[rwm]{0,3}").prop_map(
            |(allow, kind, major, minor, access)| LinuxDeviceCgroup {
                allow,
                kind,
                major,
                minor,
                access,
            },
        )
    }

    proptest! {
        #[test]
        fn the_program_decides_each_bit_by_its_last_rule(
            rules in prop::collection::vec(rule(), 0..8),
            kind in 1..3u32, access in 1..8u32, major in 0..3u32, minor in 0..3u32,
        ) {
            let program = device_program(&rules).unwrap();
            prop_assert_eq!(run(&program, kind, access, major, minor), naive(&rules, kind, access, major, minor));
        }
    }

    fn device(
        allow: bool,
        kind: Option<DeviceRuleType>,
        major: Option<i64>,
        access: &str,
    ) -> LinuxDeviceCgroup {
        LinuxDeviceCgroup {
            allow,
            kind,
            major,
            minor: None,
            access: access.into(),
        }
    }

    #[test]
    fn v1_denies_all_first_and_splits_partial_rules() {
        let rules = [
            device(true, Some(DeviceRuleType::Char), Some(1), "wr"),
            device(false, None, Some(8), "m"),
        ];
        let expected = [
            ("devices.deny", "a"),
            ("devices.allow", "c 1:* rw"),
            ("devices.deny", "b 8:* m"),
            ("devices.deny", "c 8:* m"),
        ];
        let found = v1_writes(&rules).unwrap();
        assert_eq!(
            found
                .iter()
                .map(|(file, value)| (*file, value.as_str()))
                .collect::<Vec<_>>(),
            expected
        );
        assert_eq!(v1_writes(&[device(false, None, None, "rwm")]).unwrap().len(), 1);
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        assert_eq!(
            device_program(&[device(true, None, None, "rx")]),
            Err(DeviceError::Access(0, "rx".into()))
        );
        assert_eq!(
            device_program(&[device(true, None, Some(-2), "")]),
            Err(DeviceError::Number(0, -2))
        );
    }
}
