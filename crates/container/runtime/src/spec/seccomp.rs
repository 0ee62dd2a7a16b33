//! OCI runtime-spec 1.3 §config-linux "Seccomp".

object! {
    /// A system call filter as libseccomp understands it.
    pub struct LinuxSeccomp {
        required {
            /// What happens to a call that no rule matches.
            default_action: SeccompAction,
        }
        optional {
            /// The errno of the default action, where it has one; EPERM when absent.
            default_errno_ret: Option<u32>,
            /// Architectures besides the native one.
            architectures: Vec<SeccompArch>,
            /// Flags of seccomp(2).
            flags: Vec<SeccompFlag>,
            /// Socket to which the notification descriptor is sent.
            listener_path: String,
            /// Opaque text sent along with it.
            listener_metadata: String,
            /// The rules.
            syscalls: Vec<LinuxSyscall>,
        }
    }

    /// One rule for several calls.
    pub struct LinuxSyscall {
        required {
            /// System call names.
            names: Vec<String>,
            /// What happens to a call that matches.
            action: SeccompAction,
        }
        optional {
            /// The errno of the action, where it has one; EPERM when absent.
            errno_ret: Option<u32>,
            /// Conditions on the arguments.
            args: Vec<LinuxSeccompArg>,
        }
    }

    /// One condition on an argument.
    #[derive(Copy)]
    pub struct LinuxSeccompArg {
        required {
            /// Which argument, 0 to 5.
            index: u32,
            /// The value compared with; for a masked comparison the mask.
            value: u64,
            /// The comparison.
            op: SeccompOperator,
        }
        optional {
            /// The value of a masked comparison.
            value_two: u64,
        }
    }
}

words! {
    /// Actions.
    pub enum SeccompAction {
        Kill = "SCMP_ACT_KILL",
        KillProcess = "SCMP_ACT_KILL_PROCESS",
        KillThread = "SCMP_ACT_KILL_THREAD",
        Trap = "SCMP_ACT_TRAP",
        Errno = "SCMP_ACT_ERRNO",
        Trace = "SCMP_ACT_TRACE",
        Allow = "SCMP_ACT_ALLOW",
        Log = "SCMP_ACT_LOG",
        Notify = "SCMP_ACT_NOTIFY",
    }

    /// Comparisons.
    pub enum SeccompOperator {
        NotEqual = "SCMP_CMP_NE",
        LessThan = "SCMP_CMP_LT",
        LessEqual = "SCMP_CMP_LE",
        EqualTo = "SCMP_CMP_EQ",
        GreaterEqual = "SCMP_CMP_GE",
        GreaterThan = "SCMP_CMP_GT",
        MaskedEqual = "SCMP_CMP_MASKED_EQ",
    }

    /// Flags of seccomp(2).
    pub enum SeccompFlag {
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        Log = "SECCOMP_FILTER_FLAG_LOG",
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }

    /// Architectures.
    pub enum SeccompArch {
        X86 = "SCMP_ARCH_X86",
        X86_64 = "SCMP_ARCH_X86_64",
        X32 = "SCMP_ARCH_X32",
        Arm = "SCMP_ARCH_ARM",
        Aarch64 = "SCMP_ARCH_AARCH64",
        Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        M68k = "SCMP_ARCH_M68K",
        Mips = "SCMP_ARCH_MIPS",
        Mips64 = "SCMP_ARCH_MIPS64",
        Mips64n32 = "SCMP_ARCH_MIPS64N32",
        Mipsel = "SCMP_ARCH_MIPSEL",
        Mipsel64 = "SCMP_ARCH_MIPSEL64",
        Mipsel64n32 = "SCMP_ARCH_MIPSEL64N32",
        Ppc = "SCMP_ARCH_PPC",
        Ppc64 = "SCMP_ARCH_PPC64",
        Ppc64le = "SCMP_ARCH_PPC64LE",
        Riscv64 = "SCMP_ARCH_RISCV64",
        S390 = "SCMP_ARCH_S390",
        S390x = "SCMP_ARCH_S390X",
        Parisc = "SCMP_ARCH_PARISC",
        Parisc64 = "SCMP_ARCH_PARISC64",
        Sh = "SCMP_ARCH_SH",
        Sheb = "SCMP_ARCH_SHEB",
    }
}
