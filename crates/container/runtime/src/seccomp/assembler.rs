//! A classic BPF assembler that writes a program from its end to its beginning.
//!
//! Classic BPF only jumps forward, so whoever writes backwards knows every jump's distance when it
//! writes the jump: no labels to patch, no second pass. A conditional jump reaches 255
//! instructions; a target farther away gets a `ja` (32-bit distance) within reach.

use std::collections::BTreeMap;

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SockFilter {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if the comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl SockFilter {
    /// The instruction's eight bytes in the machine's byte order.
    #[must_use]
    pub fn bytes(self) -> [u8; 8] {
        let ([c0, c1], [k0, k1, k2, k3]) = (self.code.to_ne_bytes(), self.k.to_ne_bytes());
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }
}

/// `A = seccomp_data[k]`
pub(super) const LOAD: u16 = 0x20;
/// `A &= k`
pub(super) const AND: u16 = 0x54;
/// `goto k`
pub(super) const GOTO: u16 = 0x05;
/// `return k`
pub(super) const RETURN: u16 = 0x06;

/// A comparison of the accumulator with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal = 0x15,
    Greater = 0x25,
    GreaterOrEqual = 0x35,
}

/// Where an instruction is, counted from the program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// The program so far, last instruction first.
#[derive(Default)]
pub(super) struct Assembler {
    reversed: Vec<SockFilter>,
    returns: BTreeMap<u32, Label>,
}

impl Assembler {
    /// How many instructions lie between the next one written and `target`.
    fn distance(&self, target: Label) -> usize {
        self.reversed.len() - target.0 - 1
    }

    fn write(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(SockFilter { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// `target`, or a jump to it that the next two instructions can reach.
    fn near(&mut self, target: Label) -> Label {
        if self.distance(target) < 255 {
            target
        } else {
            self.jump(target)
        }
    }

    fn jump(&mut self, target: Label) -> Label {
        let distance = u32::try_from(self.distance(target)).unwrap_or(u32::MAX);
        self.write(GOTO, 0, 0, distance)
    }

    /// A return of `value`; one nearby is used again.
    pub(super) fn ret(&mut self, value: u32) -> Label {
        match self.returns.get(&value) {
            Some(label) if self.distance(*label) < 192 => *label,
            _ => {
                let label = self.write(RETURN, 0, 0, value);
                self.returns.insert(value, label);
                label
            }
        }
    }

    /// An instruction without a jump, followed by `next`.
    pub(super) fn step(&mut self, code: u16, k: u32, next: Label) -> Label {
        if self.distance(next) != 0 {
            self.jump(next);
        }
        self.write(code, 0, 0, k)
    }

    /// A two-way jump; both ways being one, there is nothing to test.
    pub(super) fn branch(&mut self, test: Test, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let yes = self.near(yes);
        let no = self.near(no);
        let (jt, jf) = (self.reach(yes), self.reach(no));
        self.write(test as u16, jt, jf, k)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "near() has put the target within 255 instructions"
    )]
    fn reach(&self, target: Label) -> u8 {
        debug_assert!(self.distance(target) <= 255);
        self.distance(target) as u8
    }

    /// The finished program; the last instruction written is its first.
    pub(super) fn finish(mut self) -> Vec<SockFilter> {
        self.reversed.reverse();
        self.reversed
    }
}
