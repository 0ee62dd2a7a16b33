//! The compiler against two judges: a classic BPF interpreter runs the program, and a naive reading
//! of the profile says what it should have returned.

use proptest::prelude::*;

use super::arch::{Abi, X32_BIT};
use super::rules::return_value;
use super::*;
use crate::capability::{Capability, CapabilitySet};
use crate::spec::{
    LinuxSeccomp, LinuxSeccompArg, LinuxSyscall, SeccompAction, SeccompArch, SeccompFlag, SeccompOperator,
};

const KERNEL: KernelVersion = KernelVersion(6, 1);
const ENOSYS: u32 = 0x0005_0000 | 38;
const EPERM: u32 = 0x0005_0000 | 1;
const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0;

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_X86: u32 = 0x4000_0003;
const AUDIT_AARCH64: u32 = 0xc000_00b7;
const AUDIT_ARM: u32 = 0x4000_0028;

/// One system call as a filter sees it.
#[derive(Clone, Debug)]
struct Call {
    arch: u32,
    number: u32,
    args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            _ => {
                let bytes = self.args[(offset as usize - 16) / 8].to_le_bytes();
                let half = offset as usize % 8;
                u32::from_le_bytes(bytes[half..half + 4].try_into().unwrap())
            }
        }
    }
}

/// Runs a program; also returns how many instructions it took.
fn run(program: &[SockFilter], call: &Call) -> (u32, usize) {
    let (mut at, mut accumulator) = (0, 0u32);
    for steps in 1.. {
        let SockFilter { code, jt, jf, k } = program[at];
        at += 1;
        let mut branch = |yes: bool| at += usize::from(if yes { jt } else { jf });
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => branch(accumulator == k),
            0x25 => branch(accumulator > k),
            0x35 => branch(accumulator >= k),
            0x06 => return (k, steps),
            other => panic!("unknown operation {other:#x}"),
        }
    }
    unreachable!()
}

/// What the profile says of a call, read rule by rule.
fn naive(seccomp: &LinuxSeccomp, machine: Machine, call: &Call) -> u32 {
    let default = return_value(seccomp.default_action, seccomp.default_errno_ret);
    let x32 = call.arch == AUDIT_X86_64 && call.number >= X32_BIT;
    let Some(abi) = machine
        .abis()
        .iter()
        .find(|abi| abi.audit == call.arch && (abi.base == X32_BIT) == x32)
    else {
        return KILL;
    };
    if abi.arch != machine.seccomp_arch() && !seccomp.architectures.contains(&abi.arch) {
        let skipped_by_tracer = x32 && call.number == u32::MAX;
        return if skipped_by_tracer { default } else { KILL };
    }
    let rules: Vec<&LinuxSyscall> = seccomp
        .syscalls
        .iter()
        .filter(|rule| return_value(rule.action, rule.errno_ret) != default)
        .collect();
    let named = rules
        .iter()
        .filter(|rule| numbers_of(rule, abi).any(|number| number == call.number));
    let (mut plain, mut conditional) = (None, None);
    for rule in named {
        let value = return_value(rule.action, rule.errno_ret);
        if always_holds(rule, abi) {
            plain = plain.or(Some(value));
        } else if matches(rule, abi, call) {
            conditional = conditional.or(Some(value));
        }
    }
    if let Some(value) = plain.or(conditional) {
        return value;
    }
    let denies = !matches!(
        seccomp.default_action,
        SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace
    );
    let newest = seccomp
        .syscalls
        .iter()
        .flat_map(|rule| numbers_of(rule, abi))
        .filter(|n| !private(*n, abi))
        .max();
    match newest {
        Some(newest) if denies && call.number > newest && !private(call.number, abi) => ENOSYS,
        _ => default,
    }
}

fn private(number: u32, abi: &Abi) -> bool {
    abi.private.is_some_and(|first| number >= first)
}

fn numbers_of(rule: &LinuxSyscall, abi: &Abi) -> impl Iterator<Item = u32> {
    let number = |name: &String| Some(numbers::row(name)?.number(abi.column)? + abi.base);
    rule.names.iter().filter_map(number)
}

/// A masked comparison that looks at nothing.
fn is_void(arg: &LinuxSeccompArg, abi: &Abi) -> bool {
    let mask = if abi.wide {
        arg.value
    } else {
        arg.value & 0xffff_ffff
    };
    arg.op == SeccompOperator::MaskedEqual && mask == 0
}

fn always_holds(rule: &LinuxSyscall, abi: &Abi) -> bool {
    let void = |arg: &LinuxSeccompArg| is_void(arg, abi);
    if names_an_argument_twice(rule) {
        rule.args.iter().any(void)
    } else {
        rule.args.iter().all(void)
    }
}

fn names_an_argument_twice(rule: &LinuxSyscall) -> bool {
    (0..6).any(|index| rule.args.iter().filter(|arg| arg.index == index).count() > 1)
}

fn matches(rule: &LinuxSyscall, abi: &Abi, call: &Call) -> bool {
    let holds = |arg: &LinuxSeccompArg| holds(arg, abi, call);
    if names_an_argument_twice(rule) {
        rule.args.iter().any(holds)
    } else {
        rule.args.iter().all(holds)
    }
}

fn holds(arg: &LinuxSeccompArg, abi: &Abi, call: &Call) -> bool {
    let cut = |value: u64| if abi.wide { value } else { value & 0xffff_ffff };
    let (actual, value) = (cut(call.args[arg.index as usize]), cut(arg.value));
    match arg.op {
        SeccompOperator::NotEqual => actual != value,
        SeccompOperator::LessThan => actual < value,
        SeccompOperator::LessEqual => actual <= value,
        SeccompOperator::EqualTo => actual == value,
        SeccompOperator::GreaterEqual => actual >= value,
        SeccompOperator::GreaterThan => actual > value,
        SeccompOperator::MaskedEqual => actual & value == arg.value_two & value,
    }
}

/// Values that sit on each other's borders, so that random comparisons meet.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4u64,
        (0..4u64).prop_map(|low| low | 1 << 32),
        (0..4u64).prop_map(|low| u64::from(u32::MAX) - low),
        (0..4u64).prop_map(|low| u64::MAX - low),
        any::<u64>(),
    ]
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

/// No multiplexed names: those have a test of their own.
const NAMES: &[&str] = &[
    "read",
    "write",
    "openat",
    "ioctl",
    "execve",
    "clone",
    "clone3",
    "personality",
    "ptrace",
    "mseal",
    "statx",
    "cacheflush",
    "arch_prctl",
    "umount",
    "umount2",
    "fork",
    "time",
    "io_setup",
    "no_such_call",
];

fn name() -> impl Strategy<Value = String> {
    one_of(NAMES).prop_map(str::to_owned)
}

fn arg() -> impl Strategy<Value = LinuxSeccompArg> {
    (0..6u32, value(), one_of(SeccompOperator::ALL), value()).prop_map(|(index, value, op, value_two)| {
        LinuxSeccompArg {
            index,
            value,
            op,
            value_two,
        }
    })
}

fn action() -> impl Strategy<Value = (SeccompAction, Option<u32>)> {
    (one_of(SeccompAction::ALL), prop::option::of(0..4096u32))
}

fn rule() -> impl Strategy<Value = LinuxSyscall> {
    (
        prop::collection::vec(name(), 1..6),
        action(),
        prop::collection::vec(arg(), 0..4),
    )
        .prop_map(|(names, (action, errno_ret), args)| LinuxSyscall {
            names,
            action,
            errno_ret,
            args,
        })
        .prop_filter("refused by the compiler", |rule| {
            rule.action != SeccompAction::Notify || !rule.names.iter().any(|name| name == "write")
        })
}

fn profile() -> impl Strategy<Value = LinuxSeccomp> {
    let architectures = prop::collection::vec(one_of(SeccompArch::ALL), 0..8);
    (action(), architectures, prop::collection::vec(rule(), 0..12))
        .prop_filter("refused by the compiler", |((action, _), ..)| {
            *action != SeccompAction::Notify
        })
        .prop_map(
            |((default_action, default_errno_ret), architectures, syscalls)| LinuxSeccomp {
                default_action,
                default_errno_ret,
                architectures,
                flags: Vec::new(),
                listener_path: String::new(),
                listener_metadata: String::new(),
                syscalls,
            },
        )
}

/// A number that a name of the profile has somewhere, or a neighbour, or anything.
fn number() -> impl Strategy<Value = u32> {
    let known = (one_of(NAMES), 0..5usize, 0..3u32, any::<bool>()).prop_map(|(name, column, step, x32)| {
        use numbers::Column::{Aarch64, Arm, X32, X86, X86_64};
        let row = numbers::row(name);
        let number = row
            .and_then(|row| row.number([X86_64, X86, X32, Aarch64, Arm][column]))
            .unwrap_or(0);
        (number + step).saturating_sub(1) | if x32 { X32_BIT } else { 0 }
    });
    prop_oneof![6 => known, 1 => any::<u32>(), 1 => Just(u32::MAX), 1 => 0..600u32]
}

fn call() -> impl Strategy<Value = Call> {
    let arch = prop_oneof![
        9 => one_of(&[AUDIT_X86_64, AUDIT_X86, AUDIT_AARCH64, AUDIT_ARM]),
        1 => any::<u32>(),
    ];
    (arch, number(), prop::array::uniform6(value())).prop_map(|(arch, number, args)| Call {
        arch,
        number,
        args,
    })
}

fn agree(seccomp: &LinuxSeccomp, machine: Machine, calls: &[Call]) {
    let filter = compile(seccomp, machine).unwrap();
    for call in calls {
        assert_eq!(
            run(&filter.program, call).0,
            naive(seccomp, machine, call),
            "{machine:?} {call:x?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_returns_what_the_profile_says(
        seccomp in profile(),
        machine in one_of(&[Machine::X86_64, Machine::Aarch64]),
        calls in prop::collection::vec(call(), 64),
    ) {
        agree(&seccomp, machine, &calls);
    }

    #[test]
    fn a_long_filter_jumps_right(
        rules in prop::collection::vec(rule(), 60..90),
        calls in prop::collection::vec(call(), 64),
    ) {
        let seccomp = LinuxSeccomp { syscalls: rules, ..deny(&[]) };
        match compile(&seccomp, Machine::X86_64) {
            Ok(_) => agree(&seccomp, Machine::X86_64, &calls),
            Err(error) => prop_assert!(matches!(error, CompileError::TooLong(_)), "{error}"),
        }
    }
}

fn deny(syscalls: &[LinuxSyscall]) -> LinuxSeccomp {
    LinuxSeccomp {
        default_action: SeccompAction::Errno,
        default_errno_ret: None,
        architectures: vec![SeccompArch::X86_64, SeccompArch::X86, SeccompArch::X32],
        flags: Vec::new(),
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls: syscalls.to_vec(),
    }
}

fn allow(name: &str, args: &[LinuxSeccompArg]) -> LinuxSyscall {
    LinuxSyscall {
        names: vec![name.into()],
        action: SeccompAction::Allow,
        errno_ret: None,
        args: args.to_vec(),
    }
}

fn default_for(caps: CapabilitySet, machine: Machine) -> LinuxSeccomp {
    docker_default().resolve(caps, machine, KERNEL).unwrap().unwrap()
}

#[test]
fn every_number_of_the_default_profile_agrees() {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let seccomp = default_for(CapabilitySet::DOCKER_DEFAULT, machine);
        let filter = compile(&seccomp, machine).unwrap();
        for arch in [AUDIT_X86_64, AUDIT_X86, AUDIT_AARCH64, AUDIT_ARM, 0] {
            for number in (0..1000)
                .chain(X32_BIT..X32_BIT + 1000)
                .chain([983_042, 983_046, u32::MAX])
            {
                // The multiplexers' sub-calls are beyond the naive reading, and allowed anyway.
                let call = Call {
                    arch,
                    number,
                    args: [0x10_0011, 2, 3, 4, 5, 6],
                };
                let (value, steps) = run(&filter.program, &call);
                assert_eq!(value, naive(&seccomp, machine, &call), "{machine:?} {call:x?}");
                assert!(steps <= 32, "{steps} steps for {call:x?}");
            }
        }
    }
}

/// The verdict of Docker's default profile for a call on x86_64.
fn verdict(caps: CapabilitySet, name: &str, arg: u64) -> u32 {
    let filter = compile(&default_for(caps, Machine::X86_64), Machine::X86_64).unwrap();
    let number = numbers::row(name)
        .unwrap()
        .number(numbers::Column::X86_64)
        .unwrap();
    run(
        &filter.program,
        &Call {
            arch: AUDIT_X86_64,
            number,
            args: [arg, 0, 0, 0, 0, 0],
        },
    )
    .0
}

#[test]
fn docker_s_default_decisions() {
    let plain = CapabilitySet::DOCKER_DEFAULT;
    let admin = plain.union(CapabilitySet::of(&[Capability::SysAdmin]));
    for (caps, name, arg, expected) in [
        (plain, "read", 0, ALLOW),
        (plain, "execve", 0, ALLOW),
        (plain, "chroot", 0, ALLOW),
        (plain, "ptrace", 0, ALLOW),
        (plain, "mount", 0, EPERM),
        (plain, "unshare", 0, EPERM),
        (plain, "keyctl", 0, EPERM),
        (plain, "bpf", 0, EPERM),
        (plain, "io_uring_setup", 0, EPERM),
        (plain, "clone3", 0, ENOSYS),
        (plain, "clone", 0x11, ALLOW),
        (plain, "clone", 0x1000_0011, EPERM),
        (plain, "personality", 0, ALLOW),
        (plain, "personality", 0x2_0000, ALLOW),
        (plain, "personality", 0xffff_ffff, ALLOW),
        (plain, "personality", 0x4_0000, EPERM),
        (plain, "socket", 2, ALLOW),
        (plain, "socket", 38, EPERM),
        (plain, "socket", 39, ALLOW),
        (plain, "socket", 40, EPERM),
        (plain, "socket", 41, ALLOW),
        (plain, "uretprobe", 0, ALLOW),
        (plain, "file_getattr", 0, ENOSYS),
        (admin, "mount", 0, ALLOW),
        (admin, "clone3", 0, ALLOW),
        (admin, "clone", 0x1000_0011, ALLOW),
        (admin, "reboot", 0, EPERM),
    ] {
        assert_eq!(
            verdict(caps, name, arg),
            expected,
            "{name}({arg:#x}) with {caps:?}"
        );
    }
}

#[test]
fn an_old_kernel_gets_no_ptrace() {
    let rules = |kernel| {
        docker_default()
            .resolve(CapabilitySet::EMPTY, Machine::X86_64, kernel)
            .unwrap()
            .unwrap()
    };
    let allows = |seccomp: LinuxSeccomp| {
        seccomp
            .syscalls
            .iter()
            .any(|rule| rule.names.iter().any(|n| n == "ptrace"))
    };
    assert!(!allows(rules(KernelVersion(4, 7))));
    assert!(allows(rules(KernelVersion(4, 8))));
}

#[test]
fn the_default_profile_is_small() {
    let size = |machine| {
        compile(&default_for(CapabilitySet::DOCKER_DEFAULT, machine), machine)
            .unwrap()
            .program
            .len()
    };
    let sizes = [size(Machine::X86_64), size(Machine::Aarch64)];

    assert!(sizes.iter().all(|size| *size < 700), "{sizes:?} instructions");
}

#[test]
fn multiplexed_calls_are_reached_both_ways() {
    let arg = |index, value| LinuxSeccompArg {
        index,
        value,
        op: SeccompOperator::EqualTo,
        value_two: 0,
    };
    let seccomp = deny(&[allow("bind", &[arg(0, 7)]), allow("shmget", &[arg(1, 9)])]);
    let filter = compile(&seccomp, Machine::X86_64).unwrap();
    let check = |name: &str, args: [u64; 2], expected| {
        let number = numbers::row(name).unwrap().number(numbers::Column::X86).unwrap();
        let call = Call {
            arch: AUDIT_X86,
            number,
            args: [args[0], args[1], 0, 0, 0, 0],
        };
        assert_eq!(run(&filter.program, &call).0, expected, "{name}{args:?}");
    };
    check("bind", [7, 0], ALLOW);
    check("bind", [8, 0], EPERM);
    check("socketcall", [2, 0], ALLOW);
    check("socketcall", [1, 0], EPERM);
    check("ipc", [23, 9], ALLOW);
    check("ipc", [23, 8], EPERM);
}

#[test]
fn a_rule_without_conditions_beats_all_others() {
    let arg = LinuxSeccompArg {
        index: 0,
        value: 1,
        op: SeccompOperator::EqualTo,
        value_two: 0,
    };
    let kill = LinuxSyscall {
        action: SeccompAction::KillProcess,
        ..allow("read", &[arg])
    };
    for rules in [[kill.clone(), allow("read", &[])], [allow("read", &[]), kill]] {
        let filter = compile(&deny(&rules), Machine::X86_64).unwrap();
        let call = Call {
            arch: AUDIT_X86_64,
            number: 0,
            args: [1, 0, 0, 0, 0, 0],
        };
        assert_eq!(run(&filter.program, &call).0, ALLOW);
    }
}

#[test]
fn flags_are_the_kernel_s_bits() {
    let flagged = |flags: &[SeccompFlag], rules: &[LinuxSyscall]| {
        compile(
            &LinuxSeccomp {
                flags: flags.to_vec(),
                ..deny(rules)
            },
            Machine::X86_64,
        )
    };
    let notify = LinuxSyscall {
        action: SeccompAction::Notify,
        ..allow("mkdir", &[])
    };
    let two = [SeccompFlag::Log, SeccompFlag::SpecAllow];
    assert_eq!(flagged(&two, &[]).unwrap().flags, 0b110);
    assert_eq!(flagged(&[SeccompFlag::Tsync], &[]).unwrap().flags, 1);
    let listening = flagged(SeccompFlag::ALL, std::slice::from_ref(&notify)).unwrap();
    assert_eq!((listening.flags, listening.notifies), (0b10_1110, true));
    assert_eq!(
        flagged(&[SeccompFlag::WaitKillableRecv], &[]),
        Err(CompileError::WaitWithoutNotify)
    );
}

#[test]
fn what_cannot_work_is_refused() {
    let refused = |seccomp: &LinuxSeccomp| compile(seccomp, Machine::X86_64).unwrap_err();
    let notify = LinuxSyscall {
        action: SeccompAction::Notify,
        ..allow("write", &[])
    };
    assert_eq!(refused(&deny(&[notify])), CompileError::NotifyWrite);
    let default = LinuxSeccomp {
        default_action: SeccompAction::Notify,
        ..deny(&[])
    };
    assert_eq!(refused(&default), CompileError::NotifyByDefault);
    let arg = LinuxSeccompArg {
        index: 6,
        value: 0,
        op: SeccompOperator::EqualTo,
        value_two: 0,
    };
    assert_eq!(
        refused(&deny(&[allow("read", &[arg])])),
        CompileError::ArgumentIndex(0, 6)
    );
    assert_eq!(refused(&deny(&[allow("", &[])])), CompileError::EmptyName(0));
    let errno = LinuxSeccomp {
        default_errno_ret: Some(65_536),
        ..deny(&[])
    };
    assert_eq!(refused(&errno), CompileError::ErrnoRange(65_536));
}

#[test]
fn a_user_s_profile_is_read() {
    let json = br#"{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":null}],
        "syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW","args":null,"comment":"","includes":{},"excludes":{}},
                    {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"],"minKernel":"4.8"}},
                    {"names":["kill"],"action":"SCMP_ACT_LOG","excludes":{"arches":["arm64"]}}]}"#;
    let profile = Profile::parse(json).unwrap();
    let names = |caps, machine, kernel| -> Vec<String> {
        let seccomp = profile.resolve(caps, machine, kernel).unwrap().unwrap();
        seccomp.syscalls.into_iter().flat_map(|rule| rule.names).collect()
    };
    let admin = CapabilitySet::of(&[Capability::SysAdmin]);
    assert_eq!(
        names(CapabilitySet::EMPTY, Machine::X86_64, KERNEL),
        ["read", "kill"]
    );
    assert_eq!(names(admin, Machine::X86_64, KERNEL), ["read", "mount", "kill"]);
    assert_eq!(names(admin, Machine::Aarch64, KernelVersion(4, 7)), ["read"]);
}

#[test]
fn a_profile_that_contradicts_itself_is_refused() {
    let refused = |json: &str| {
        let resolve = |profile: Profile| profile.resolve(CapabilitySet::EMPTY, Machine::X86_64, KERNEL);
        Profile::parse(json.as_bytes()).and_then(resolve).unwrap_err()
    };
    let arches = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#;
    assert!(matches!(refused(arches), ProfileError::TwoArchitectures));
    let names = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_LOG"}]}"#;
    assert!(matches!(refused(names), ProfileError::TwoNames));
    assert!(matches!(
        refused(r#"{"syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG"}]}"#),
        ProfileError::NoDefaultAction
    ));
    for version in ["4", "4.", "a.b", "0.0", "4.8.1"] {
        let json =
            format!(r#"{{"syscalls":[{{"action":"SCMP_ACT_LOG","includes":{{"minKernel":"{version}"}}}}]}}"#);
        assert!(
            matches!(refused(&json), ProfileError::Decode(error) if error.path.ends_with("minKernel")),
            "{version}"
        );
    }
    let empty = Profile::parse(b"{}").unwrap();
    assert_eq!(
        empty
            .resolve(CapabilitySet::EMPTY, Machine::X86_64, KERNEL)
            .unwrap(),
        None
    );
}

#[test]
fn releases_are_read_up_to_the_second_number() {
    for release in ["4.8.0-rc5", "4.8-generic", "4.8"] {
        assert_eq!(KernelVersion::of_release(release), Some(KernelVersion(4, 8)));
    }
    assert_eq!(KernelVersion::of_release("linux"), None);
}
