//! The machines Gantry runs on and the system call interfaces each of them has.

use super::numbers::Column;
use crate::spec::SeccompArch;

/// x32 calls carry this bit in their number; they share `AUDIT_ARCH_X86_64` with native calls.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// A machine: what the kernel is, not what a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// x86_64, which also runs x86 and x32 processes.
    X86_64,
    /// aarch64, which also runs arm processes.
    Aarch64,
}

impl Machine {
    /// The machine this program was compiled for.
    pub const NATIVE: Self = if cfg!(target_arch = "aarch64") {
        Self::Aarch64
    } else {
        Self::X86_64
    };

    /// The name that Docker's profiles use for it (`includes.arches`).
    #[must_use]
    pub const fn docker_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// Its native architecture in the specification's words.
    #[must_use]
    pub const fn seccomp_arch(self) -> SeccompArch {
        match self {
            Self::X86_64 => SeccompArch::X86_64,
            Self::Aarch64 => SeccompArch::Aarch64,
        }
    }

    /// Its interfaces, the native one first.
    pub(super) const fn abis(self) -> &'static [Abi] {
        match self {
            Self::X86_64 => &[X86_64, X32, X86],
            Self::Aarch64 => &[AARCH64, ARM],
        }
    }
}

/// One system call interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abi {
    pub(super) arch: SeccompArch,
    /// `seccomp_data.arch` of its calls.
    pub(super) audit: u32,
    /// Its column of the number table.
    pub(super) column: Column,
    /// What is added to the table's number.
    pub(super) base: u32,
    /// Whether arguments are compared as 64 bits. x32 is not: as libseccomp has it, the upper half
    /// of a register is no part of an x32 argument.
    pub(super) wide: bool,
    /// Where calls of the architecture's own begin, far above the common numbers.
    pub(super) private: Option<u32>,
}

const X86_64: Abi = Abi {
    arch: SeccompArch::X86_64,
    audit: 0xc000_003e,
    column: Column::X86_64,
    base: 0,
    wide: true,
    private: None,
};
const X32: Abi = Abi {
    arch: SeccompArch::X32,
    audit: 0xc000_003e,
    column: Column::X32,
    base: X32_BIT,
    wide: false,
    private: None,
};
const X86: Abi = Abi {
    arch: SeccompArch::X86,
    audit: 0x4000_0003,
    column: Column::X86,
    base: 0,
    wide: false,
    private: None,
};
const AARCH64: Abi = Abi {
    arch: SeccompArch::Aarch64,
    audit: 0xc000_00b7,
    column: Column::Aarch64,
    base: 0,
    wide: true,
    private: None,
};
const ARM: Abi = Abi {
    arch: SeccompArch::Arm,
    audit: 0x4000_0028,
    column: Column::Arm,
    base: 0,
    wide: false,
    private: Some(0x000f_0000),
};
