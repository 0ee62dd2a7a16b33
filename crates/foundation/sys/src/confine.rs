//! A process gives up what it will not need before it reads what it does not trust.
//!
//! [`Confinement::enter`] takes effect on the calling thread and what it starts; call it in a
//! process with one thread. There is no way back. A process that needs another thread calls
//! [`Confinement::isolate`], starts it, and has each of the two give up its rights.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::process::{Resource, Rlimit, chroot, fchdir, setrlimit, umask};

use crate::raw;

/// Namespaces in which there is nothing: no network, no mounts but the root's, no System V objects.
const NAMESPACES: i32 =
    libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_FS;

/// Capabilities by their numbers in the kernel (capabilities(7)).
pub mod capability {
    /// Change owners.
    pub const CHOWN: u64 = 1 << 0;
    /// Write what belongs to others.
    pub const DAC_OVERRIDE: u64 = 1 << 1;
    /// Change modes and times of what belongs to others.
    pub const FOWNER: u64 = 1 << 3;
    /// Keep set-group-id bits.
    pub const FSETID: u64 = 1 << 4;
    /// Attributes in the `trusted` namespace (and, were it not for the filter, much more).
    pub const SYS_ADMIN: u64 = 1 << 21;
    /// Make device nodes.
    pub const MKNOD: u64 = 1 << 27;
    /// Give files capabilities.
    pub const SETFCAP: u64 = 1 << 31;
}

/// What a process that fills a directory from a stream calls, and its allocator and runtime. None
/// of them makes a process, a socket, a mount or a descriptor of anything outside the root.
const CALLS: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_fsetxattr,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getdents64,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_linkat,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat2,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_symlinkat,
    libc::SYS_tgkill,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What a process keeps.
#[derive(Clone, Copy, Debug)]
pub struct Confinement<'a> {
    /// The directory that becomes its whole file system.
    pub root: BorrowedFd<'a>,
    /// Bits of [`capability`].
    pub capabilities: u64,
    /// The most memory it may map, in bytes.
    pub memory: u64,
    /// The most descriptors it may have open.
    pub descriptors: u64,
}

impl Confinement<'_> {
    /// Gives up everything else: namespaces, root, limits, capabilities, system calls, in the
    /// order in which each step still may do its own.
    ///
    /// # Errors
    /// As the system calls'. The process must then end: it is half confined.
    pub fn enter(&self) -> io::Result<()> {
        self.isolate()?;
        give_up(self.capabilities)
    }

    /// The first half, for the whole process: namespaces, root, limits.
    ///
    /// # Errors
    /// As the system calls'. The process must then end.
    pub fn isolate(&self) -> io::Result<()> {
        raw::unshare(NAMESPACES.cast_unsigned())?;
        fchdir(self.root)?;
        chroot(".")?;
        umask(rustix::fs::Mode::empty());
        for (resource, value) in [
            (Resource::As, self.memory),
            (Resource::Nofile, self.descriptors),
            (Resource::Nproc, 1),
            (Resource::Core, 0),
        ] {
            limit(resource, value)?;
        }
        raw::prctl(libc::PR_SET_DUMPABLE.cast_unsigned(), 0)?;
        Ok(())
    }
}

/// The second half, for the calling thread: all capabilities but these, and most system calls.
///
/// # Errors
/// As the system calls'. The process must then end.
pub fn give_up(capabilities: u64) -> io::Result<()> {
    raw::capset(capabilities, capabilities, 0)?;
    raw::prctl(libc::PR_SET_NO_NEW_PRIVS.cast_unsigned(), 1)?;
    Ok(raw::seccomp(&filter(CALLS), 0)?)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    // Lowering is always allowed; what is lower already stays.
    let maximum = rustix::process::getrlimit(resource)
        .maximum
        .map_or(value, |maximum| maximum.min(value));
    let new = Rlimit {
        current: Some(maximum),
        maximum: Some(maximum),
    };
    Ok(setrlimit(resource, new)?)
}

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// A filter that lets the listed calls through and answers EPERM to all others. A call in
/// another ABI of the machine ends the process: nothing of ours makes one.
fn filter(calls: &[libc::c_long]) -> Vec<u64> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    let word = |code: u16, yes: u8, no: u8, operand: u32| {
        u64::from(code) | u64::from(yes) << 16 | u64::from(no) << 24 | u64::from(operand) << 32
    };
    let denied = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    let mut program = vec![
        word(LOAD, 0, 0, ARCHITECTURE),
        word(EQUAL, 1, 0, AUDIT_ARCH),
        word(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        word(LOAD, 0, 0, NUMBER),
    ];
    for (at, call) in calls.iter().enumerate() {
        // From here over the calls that are left and the denial. The list is shorter than a jump.
        let distance = u8::try_from(calls.len() - at).unwrap_or(u8::MAX);
        program.push(word(EQUAL, distance, 0, u32::try_from(*call).unwrap_or(u32::MAX)));
    }
    program.push(word(RETURN, 0, 0, denied));
    program.push(word(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_reaches_over_the_whole_list() {
        assert!(CALLS.len() < 255);
        assert_eq!(filter(CALLS).len(), CALLS.len() + 6);
    }

    /// Follows the program as the kernel would.
    fn verdict(program: &[u64], architecture: u32, number: u32) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let word = program[at];
            let operand = u32::try_from(word >> 32).unwrap();
            let taken = |holds: bool| usize::try_from(word >> if holds { 16 } else { 24 } & 0xff).unwrap();
            at += 1 + match word & 0xffff {
                0x20 => {
                    loaded = if operand == 4 { architecture } else { number };
                    0
                }
                0x15 => taken(loaded == operand),
                _ => return operand,
            };
        }
    }

    #[test]
    fn listed_calls_pass_and_no_others() {
        let program = filter(CALLS);
        let native = |call: libc::c_long| verdict(&program, AUDIT_ARCH, u32::try_from(call).unwrap());
        assert!(CALLS.iter().all(|call| native(*call) == libc::SECCOMP_RET_ALLOW));
        for call in [
            libc::SYS_socket,
            libc::SYS_mount,
            libc::SYS_execve,
            libc::SYS_clone,
            libc::SYS_bpf,
        ] {
            assert_eq!(
                native(call),
                libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()
            );
        }
        assert_eq!(verdict(&program, 0x4000_0003, 1), libc::SECCOMP_RET_KILL_PROCESS);
    }
}
