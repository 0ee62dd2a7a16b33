//! Docker's default seccomp profile (moby profiles, engine 29), as data.
//!
//! Everything is refused with EPERM but what stands here. Left out on purpose: calls that reach
//! around namespaces (mount, keyctl, bpf, io_uring_setup, ...) and calls for another time. Groups
//! that hang on a capability are open only to a container that has it.

use super::profile::{ArchitectureMap, Conditions, KernelVersion, Profile, ProfileRule};
use crate::spec::{LinuxSeccompArg, SeccompAction, SeccompArch, SeccompOperator};

/// Calls that every container may make.
const ALWAYS: &str = "\
    _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir \
    chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range \
    creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 \
    epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 \
    fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 \
    fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat \
    fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 \
    futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents \
    getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer \
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid \
    getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 \
    getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel \
    io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get \
    ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown \
    lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr lremovexattr \
    lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret \
    mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr \
    mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 \
    mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap \
    name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe \
    pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 \
    prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead \
    readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages \
    removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq \
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend \
    rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max \
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler \
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam \
    sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 \
    send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address \
    setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid \
    setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 \
    setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown \
    sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 \
    statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill \
    time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime \
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 \
    times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat \
    utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev";

/// Namespace flags of clone(2): NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// `PER_LINUX` and `PER_LINUX32`, each without and with `UNAME26`; and the query.
const PERSONALITIES: [u64; 5] = [0, 0x0008, 0x0002_0000, 0x0002_0008, 0xffff_ffff];

/// Calls that hang on one capability.
const BY_CAPABILITY: &[(&str, &str)] = &[
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie \
         lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog \
         umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module"),
    ("CAP_SYS_PACCT", "acct"),
    (
        "CAP_SYS_PTRACE",
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    ),
    ("CAP_SYS_RAWIO", "ioperm iopl"),
    ("CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    (
        "CAP_SYS_NICE",
        "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    ),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// Calls that hang on the machine.
const BY_MACHINE: &[(&[&str], &str)] = &[
    (
        &["arm", "arm64"],
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
    ),
    (&["amd64", "x32"], "arch_prctl"),
    (&["amd64", "x32", "x86"], "modify_ldt"),
];

/// What each machine's filter covers besides its native calls.
const SUB_ARCHITECTURES: &[(SeccompArch, &[SeccompArch])] = &[
    (SeccompArch::X86_64, &[SeccompArch::X86, SeccompArch::X32]),
    (SeccompArch::Aarch64, &[SeccompArch::Arm]),
];

/// Docker's default profile, as far as it concerns the machines Gantry runs on.
#[must_use]
pub fn docker_default() -> Profile {
    Profile {
        default_action: Some(SeccompAction::Errno),
        default_errno_ret: Some(1),
        arch_map: SUB_ARCHITECTURES
            .iter()
            .map(|(arch, others)| ArchitectureMap {
                architecture: *arch,
                sub_architectures: others.to_vec(),
            })
            .collect(),
        syscalls: rules(),
        ..Profile::default()
    }
}

fn rules() -> Vec<ProfileRule> {
    let ptrace = Conditions {
        min_kernel: Some(KernelVersion(4, 8)),
        ..Conditions::default()
    };
    let mut rules = vec![
        allow(ALWAYS),
        // Older kernels let a tracer change a call after the filter has seen it.
        ProfileRule {
            includes: Some(ptrace),
            ..allow("process_vm_readv process_vm_writev ptrace")
        },
    ];
    rules.extend(sockets());
    rules.extend(PERSONALITIES.map(|value| on("personality", SeccompOperator::EqualTo, value)));
    rules.extend(BY_CAPABILITY.iter().map(|(cap, names)| ProfileRule {
        includes: caps(cap),
        ..allow(names)
    }));
    rules.extend(
        BY_MACHINE
            .iter()
            .map(|(arches, names)| on_machines(arches, names)),
    );
    rules.extend(clones());
    rules
}

/// Every address family but AF_ALG (38) and AF_VSOCK (40): kernel crypto and a way to the host.
fn sockets() -> [ProfileRule; 3] {
    [
        on("socket", SeccompOperator::LessThan, 38),
        on("socket", SeccompOperator::EqualTo, 39),
        on("socket", SeccompOperator::GreaterThan, 40),
    ]
}

/// Without CAP_SYS_ADMIN clone makes no namespaces. The flags of clone3 are in memory, where no
/// filter sees them: ENOSYS makes the C library fall back to clone.
fn clones() -> [ProfileRule; 2] {
    let clone3 = ProfileRule {
        action: SeccompAction::Errno,
        errno_ret: Some(38),
        ..allow("clone3")
    };
    [
        on("clone", SeccompOperator::MaskedEqual, CLONE_NAMESPACES),
        clone3,
    ]
    .map(|rule| ProfileRule {
        excludes: caps("CAP_SYS_ADMIN"),
        ..rule
    })
}

fn allow(names: &str) -> ProfileRule {
    ProfileRule {
        action: SeccompAction::Allow,
        names: names.split_ascii_whitespace().map(str::to_owned).collect(),
        name: String::new(),
        errno_ret: None,
        args: Vec::new(),
        comment: String::new(),
        includes: None,
        excludes: None,
    }
}

/// Allows `name` where its first argument compares so.
fn on(name: &str, op: SeccompOperator, value: u64) -> ProfileRule {
    ProfileRule {
        args: vec![LinuxSeccompArg {
            index: 0,
            value,
            op,
            value_two: 0,
        }],
        ..allow(name)
    }
}

fn on_machines(arches: &[&str], names: &str) -> ProfileRule {
    let arches = arches.iter().map(|arch| (*arch).to_owned()).collect();
    ProfileRule {
        includes: Some(Conditions {
            arches,
            ..Conditions::default()
        }),
        ..allow(names)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the value of a rule's optional property")]
fn caps(cap: &str) -> Option<Conditions> {
    Some(Conditions {
        caps: vec![cap.to_owned()],
        ..Conditions::default()
    })
}
