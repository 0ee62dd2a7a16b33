//! The system calls of the init program, as thin as they can be: raw numbers in, `Errno` out.
//!
//! They run between `clone3` and `execve` in a copy of a process that may have had other threads,
//! so nothing here allocates, locks or touches anything but the stack. Wrappers are safe where no
//! argument can break memory safety, whatever its value.

use std::ffi::{CStr, CString};
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub(crate) use rustix::io::Errno;

pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// Where a path starts: a directory, or the working directory.
pub(crate) const CWD: RawFd = libc::AT_FDCWD;

/// One system call.
///
/// # Safety
/// The arguments must be valid for the call `number`: pointers live and of the right size.
pub(crate) unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> Result<usize> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller vouches for the arguments.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    // SAFETY: errno is thread local and always readable.
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
}

// Addresses and 64-bit arguments are passed as they are.
const _: () = assert!(size_of::<usize>() == size_of::<u64>());

/// A call with up to six plain numbers or pointers; unused ones are zero.
macro_rules! call {
    ($number:ident $(, $argument:expr)* $(,)?) => {{
        #[allow(clippy::cast_possible_truncation, reason = "usize has 64 bits, asserted above")]
        let arguments = pad([$( $argument as usize ),*]);
        call(libc::$number, arguments)
    }};
}

fn pad<const N: usize>(arguments: [usize; N]) -> [usize; 6] {
    std::array::from_fn(|at| arguments.get(at).copied().unwrap_or(0))
}

/// A descriptor that a system call has just returned.
fn owned(fd: usize) -> OwnedFd {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the kernel returns descriptors as int"
    )]
    let fd = fd as RawFd;
    // SAFETY: the kernel has just handed out this number; nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// How often a resolution that a rename or mount elsewhere has disturbed is tried again.
const ATTEMPTS: usize = 1024;

/// `openat2`. The kernel cannot vouch for a `..` while anything on the host is renamed or mounted
/// and answers EAGAIN: the next attempt may do (openat2(2), ERRORS).
pub(crate) fn openat2(dir: RawFd, path: &CStr, flags: i32, mode: u32, resolve: u64) -> Result<OwnedFd> {
    let how: [u64; 3] = [(flags | libc::O_CLOEXEC) as u64, mode.into(), resolve];
    let attempt = || {
        // SAFETY: `path` and `how` live through the call and `how` has the size that is passed.
        unsafe { call!(SYS_openat2, dir, path.as_ptr(), how.as_ptr(), size_of_val(&how)) }.map(owned)
    };
    let mut attempts = (0..ATTEMPTS).map(|_| attempt());
    attempts
        .find(|result| !matches!(result, Err(Errno::AGAIN)))
        .unwrap_or(Err(Errno::AGAIN))
}

pub(crate) fn open(path: &CStr, flags: i32) -> Result<OwnedFd> {
    openat2(CWD, path, flags, 0, 0)
}

pub(crate) fn write(fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize> {
    // SAFETY: `data` is readable for its length.
    unsafe { call!(SYS_write, fd.as_raw_fd(), data.as_ptr(), data.len()) }
}

pub(crate) fn read(fd: BorrowedFd<'_>, data: &mut [u8]) -> Result<usize> {
    // SAFETY: `data` is writable for its length.
    unsafe { call!(SYS_read, fd.as_raw_fd(), data.as_mut_ptr(), data.len()) }
}

pub(crate) fn mkdirat(dir: RawFd, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `path` is a C string.
    unsafe { call!(SYS_mkdirat, dir, path.as_ptr(), mode) }.map(drop)
}

pub(crate) fn mknodat(dir: RawFd, path: &CStr, mode: u32, device: u64) -> Result<()> {
    // SAFETY: `path` is a C string.
    unsafe { call!(SYS_mknodat, dir, path.as_ptr(), mode, device) }.map(drop)
}

pub(crate) fn symlinkat(target: &CStr, dir: RawFd, path: &CStr) -> Result<()> {
    // SAFETY: both are C strings.
    unsafe { call!(SYS_symlinkat, target.as_ptr(), dir, path.as_ptr()) }.map(drop)
}

/// `fchownat` of the descriptor itself when `path` is empty; never follows a link.
pub(crate) fn chown(dir: RawFd, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: `path` is a C string.
    unsafe { call!(SYS_fchownat, dir, path.as_ptr(), uid, gid, flags) }.map(drop)
}

/// Mode of the file itself when `path` is empty; never follows a link.
pub(crate) fn stat(dir: RawFd, path: &CStr) -> Result<libc::stat> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: an all-zero stat is a valid value of that plain struct.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is a C string, `stat` is writable and of the size that the kernel fills.
    unsafe { call!(SYS_newfstatat, dir, path.as_ptr(), &raw mut stat, flags) }.map(|_| stat)
}

/// Whether a process with this thread's effective ids may execute `path`.
pub(crate) fn executable(path: &CStr) -> Result<()> {
    // SAFETY: `path` is a C string.
    unsafe { call!(SYS_faccessat2, CWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) }.map(drop)
}

pub(crate) fn setns(fd: BorrowedFd<'_>, kinds: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call!(SYS_setns, fd.as_raw_fd(), kinds) }.map(drop)
}

pub(crate) fn unshare(kinds: u32) -> Result<()> {
    // SAFETY: no pointers; CLONE_VM and CLONE_FILES sharing is not undone by the kinds of
    // namespace, and this process has a single thread.
    unsafe { call!(SYS_unshare, kinds) }.map(drop)
}

/// The kernel's `struct clone_args` (clone3(2)).
#[repr(C)]
#[derive(Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

/// `clone3`: the child's process id in the parent, 0 in the child.
///
/// # Safety
/// Without CLONE_VM the child runs on a copy of this thread's stack; it must not take a lock,
/// allocate, or return out of frames that have destructors with effects outside the process.
/// Pointers in `args` must be valid.
pub(crate) unsafe fn clone3(args: &CloneArgs) -> Result<i32> {
    // SAFETY: `args` has the size that is passed; the caller vouches for the rest.
    let pid = unsafe { call!(SYS_clone3, &raw const *args, size_of::<CloneArgs>()) }?;
    #[expect(clippy::cast_possible_truncation, reason = "a process id is an int")]
    Ok(pid as i32)
}

/// The older call, which a container's filter allows: Docker's profile answers ENOSYS to `clone3`,
/// whose flags it cannot see.
///
/// # Safety
/// As [`clone3`] without CLONE_VM.
pub(crate) unsafe fn fork() -> Result<i32> {
    // SAFETY: no pointers; the caller vouches for the rest.
    let pid = unsafe { call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) }?;
    #[expect(clippy::cast_possible_truncation, reason = "a process id is an int")]
    Ok(pid as i32)
}

pub(crate) fn prctl(option: u32, value: u64) -> Result<usize> {
    // SAFETY: the options that programs use take numbers.
    unsafe { call!(SYS_prctl, option, value, 0, 0, 0) }
}

pub(crate) fn ambient(operation: i32, capability: u64) -> Result<usize> {
    // SAFETY: no pointers.
    unsafe { call!(SYS_prctl, libc::PR_CAP_AMBIENT, operation, capability, 0, 0) }
}

pub(crate) fn setsid() -> Result<()> {
    // SAFETY: no arguments.
    unsafe { call!(SYS_setsid) }.map(drop)
}

pub(crate) fn umask(mode: u32) -> Result<()> {
    // SAFETY: no pointers; the call cannot fail.
    unsafe { call!(SYS_umask, mode) }.map(drop)
}

/// Soft and hard limit of `resource`, before they become `new`.
pub(crate) fn prlimit(resource: u32, new: Option<[u64; 2]>) -> Result<[u64; 2]> {
    let mut old = [0u64; 2];
    let new = new.as_ref().map_or(std::ptr::null(), |new| new.as_ptr());
    // SAFETY: both point at a `struct rlimit64` (two 64-bit words) or are null.
    unsafe { call!(SYS_prlimit64, 0, resource, new, old.as_mut_ptr()) }.map(|_| old)
}

pub(crate) fn sethostname(name: &[u8]) -> Result<()> {
    // SAFETY: `name` is readable for its length.
    unsafe { call!(SYS_sethostname, name.as_ptr(), name.len()) }.map(drop)
}

pub(crate) fn setdomainname(name: &[u8]) -> Result<()> {
    // SAFETY: `name` is readable for its length.
    unsafe { call!(SYS_setdomainname, name.as_ptr(), name.len()) }.map(drop)
}

pub(crate) fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: `path` is a C string.
    unsafe { call!(SYS_chdir, path.as_ptr()) }.map(drop)
}

/// The working directory's path as this process's root shows it, NUL included.
pub(crate) fn getcwd(buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: `buffer` is writable for its length.
    unsafe { call!(SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) }
}

/// Mode of `path` below `dir`.
pub(crate) fn chmod(dir: RawFd, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `path` is a C string.
    unsafe { call!(SYS_fchmodat, dir, path.as_ptr(), mode) }.map(drop)
}

/// The target of a symbolic link, without NUL.
pub(crate) fn readlinkat(dir: RawFd, path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: `path` is a C string and `buffer` is writable for its length.
    unsafe {
        call!(
            SYS_readlinkat,
            dir,
            path.as_ptr(),
            buffer.as_mut_ptr(),
            buffer.len()
        )
    }
}

pub(crate) fn fchdir(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call!(SYS_fchdir, fd.as_raw_fd()) }.map(drop)
}

/// `mount(NULL, path, NULL, flags, NULL)`: a change of propagation.
pub(crate) fn propagation(path: &CStr, flags: u64) -> Result<()> {
    // SAFETY: `path` is a C string, the others may be null for this kind of call.
    unsafe { call!(SYS_mount, 0, path.as_ptr(), 0, flags, 0) }.map(drop)
}

/// `mount(kind, path, kind, 0, data)`.
pub(crate) fn mount(kind: &CStr, path: &CStr, data: &CStr) -> Result<()> {
    // SAFETY: all are C strings.
    unsafe {
        call!(
            SYS_mount,
            kind.as_ptr(),
            path.as_ptr(),
            kind.as_ptr(),
            0,
            data.as_ptr()
        )
    }
    .map(drop)
}

pub(crate) fn open_tree(dir: RawFd, path: &CStr, flags: u32) -> Result<OwnedFd> {
    let flags = flags | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: `path` is a C string.
    unsafe { call!(SYS_open_tree, dir, path.as_ptr(), flags) }.map(owned)
}

/// `move_mount` of the mount `tree` onto the file or directory `target`.
pub(crate) fn move_mount(tree: BorrowedFd<'_>, target: RawFd, path: &CStr) -> Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH
        | if path.is_empty() {
            libc::MOVE_MOUNT_T_EMPTY_PATH
        } else {
            0
        };
    // SAFETY: both paths are C strings.
    unsafe {
        call!(
            SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            target,
            path.as_ptr(),
            flags
        )
    }
    .map(drop)
}

/// The kernel's `struct mount_attr`.
#[repr(C)]
#[derive(Default)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns: u64,
}

pub(crate) fn mount_setattr(tree: RawFd, recursive: bool, attr: &MountAttr) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let size = size_of::<MountAttr>();
    // SAFETY: the path is a C string and `attr` has the size that is passed.
    unsafe {
        call!(
            SYS_mount_setattr,
            tree,
            c"".as_ptr(),
            flags,
            &raw const *attr,
            size
        )
    }
    .map(drop)
}

pub(crate) fn fsopen(kind: &CStr) -> Result<OwnedFd> {
    // SAFETY: `kind` is a C string.
    unsafe { call!(SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) }.map(owned)
}

/// `fsconfig` of `key` with a string `value`, or as a flag without one.
pub(crate) fn fsconfig(fs: BorrowedFd<'_>, key: &CStr, value: Option<&CStr>) -> Result<()> {
    let command = if value.is_some() {
        libc::FSCONFIG_SET_STRING
    } else {
        libc::FSCONFIG_SET_FLAG
    };
    let value = value.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: key and value are C strings, or null where the command takes none.
    unsafe { call!(SYS_fsconfig, fs.as_raw_fd(), command, key.as_ptr(), value, 0) }.map(drop)
}

pub(crate) fn fsconfig_create(fs: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: this command takes neither key nor value.
    unsafe { call!(SYS_fsconfig, fs.as_raw_fd(), libc::FSCONFIG_CMD_CREATE, 0, 0, 0) }.map(drop)
}

pub(crate) fn fsmount(fs: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    unsafe { call!(SYS_fsmount, fs.as_raw_fd(), libc::FSMOUNT_CLOEXEC, attributes) }.map(owned)
}

/// `pivot_root(".", ".")`: the working directory becomes the root, the old root lies above it.
pub(crate) fn pivot_root() -> Result<()> {
    // SAFETY: both are C strings.
    unsafe { call!(SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) }.map(drop)
}

/// Detach the mount at the working directory.
pub(crate) fn detach_here() -> Result<()> {
    // SAFETY: the path is a C string.
    unsafe { call!(SYS_umount2, c".".as_ptr(), libc::MNT_DETACH) }.map(drop)
}

pub(crate) fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: `groups` is readable for its length.
    unsafe { call!(SYS_setgroups, groups.len(), groups.as_ptr()) }.map(drop)
}

pub(crate) fn setresgid(gid: u32) -> Result<()> {
    // SAFETY: no pointers. Only this thread's ids change: there is no other.
    unsafe { call!(SYS_setresgid, gid, gid, gid) }.map(drop)
}

pub(crate) fn setresuid(uid: u32) -> Result<()> {
    // SAFETY: no pointers. Only this thread's ids change: there is no other.
    unsafe { call!(SYS_setresuid, uid, uid, uid) }.map(drop)
}

pub(crate) fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    const LINUX_CAPABILITY_VERSION_3: u64 = 0x2008_0522;
    let header = [LINUX_CAPABILITY_VERSION_3];
    let half = |set: u64, high: bool| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low and high 32 bits, one after the other"
        )]
        if high { (set >> 32) as u32 } else { set as u32 }
    };
    let word = |high| {
        [
            half(effective, high),
            half(permitted, high),
            half(inheritable, high),
        ]
    };
    let data = [word(false), word(true)];
    // SAFETY: header is version and pid (0: this thread), data is two structs of three 32-bit words.
    unsafe { call!(SYS_capset, header.as_ptr(), data.as_ptr()) }.map(drop)
}

pub(crate) fn seccomp(filter: &[u64], flags: u32) -> Result<()> {
    let length = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog {
        len: length,
        filter: filter.as_ptr().cast_mut().cast(),
    };
    // SAFETY: each 64-bit word has the size and layout of a sock_filter (little-endian: code, jt,
    // jf, k, as the format demands); the kernel only reads them.
    unsafe {
        call!(
            SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program
        )
    }
    .map(drop)
}

/// A new session keyring; its name helps whoever reads /proc/keys.
pub(crate) fn join_session_keyring(name: &CStr) -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
    // SAFETY: `name` is a C string.
    unsafe { call!(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) }.map(drop)
}

pub(crate) fn sched_setattr(attributes: &[u64]) -> Result<()> {
    // SAFETY: the kernel reads as many bytes as the first 32 bits say, or fails; the words hold
    // a sched_attr whose size field is checked here.
    let size = attributes.first().map_or(0, |word| word & 0xffff_ffff);
    if size > size_of_val(attributes) as u64 {
        return Err(Errno::INVAL);
    }
    // SAFETY: see above.
    unsafe { call!(SYS_sched_setattr, 0, attributes.as_ptr(), 0) }.map(drop)
}

pub(crate) fn ioprio_set(priority: u32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: usize = 1;
    // SAFETY: no pointers.
    unsafe { call!(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority) }.map(drop)
}

pub(crate) fn personality(persona: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call!(SYS_personality, persona) }.map(drop)
}

pub(crate) fn sched_setaffinity(mask: &[u64]) -> Result<()> {
    // SAFETY: `mask` is readable for its length.
    unsafe { call!(SYS_sched_setaffinity, 0, size_of_val(mask), mask.as_ptr()) }.map(drop)
}

pub(crate) fn dup3(from: RawFd, to: RawFd, flags: i32) -> Result<()> {
    // SAFETY: no pointers. What `to` was is closed: the interpreter has moved its own away.
    unsafe { call!(SYS_dup3, from, to, flags) }.map(drop)
}

/// A duplicate with the lowest number not below `lowest`, closed on exec.
pub(crate) fn dup_above(fd: BorrowedFd<'_>, lowest: RawFd) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    unsafe { call!(SYS_fcntl, fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, lowest) }.map(owned)
}

/// Clears or sets close-on-exec.
pub(crate) fn set_cloexec(fd: RawFd, cloexec: bool) -> Result<()> {
    // SAFETY: no pointers.
    unsafe {
        call!(
            SYS_fcntl,
            fd,
            libc::F_SETFD,
            if cloexec { libc::FD_CLOEXEC } else { 0 }
        )
    }
    .map(drop)
}

/// Closes or marks what is open between two numbers, both included. It fails only for a range or
/// flags that make no sense.
pub(crate) fn close_range(first: u32, last: u32, flags: u32) {
    // SAFETY: no pointers. Callers close or mark only what nothing in the child uses any more.
    let _ = unsafe { call!(SYS_close_range, first, last, flags) };
}

/// `ioctl` with a number as argument.
pub(crate) fn ioctl(fd: BorrowedFd<'_>, request: u64, argument: usize) -> Result<usize> {
    // SAFETY: the requests that the interpreter makes take a number.
    unsafe { call!(SYS_ioctl, fd.as_raw_fd(), request, argument) }
}

/// `ioctl` that reads from `value`.
pub(crate) fn ioctl_ref<T>(fd: BorrowedFd<'_>, request: u64, value: &T) -> Result<()> {
    // SAFETY: `value` lives through the call; callers pair request and type.
    unsafe { call!(SYS_ioctl, fd.as_raw_fd(), request, &raw const *value) }.map(drop)
}

/// Another end of the pseudo-terminal whose master is `master` (TIOCGPTPEER): no path involved.
pub(crate) fn pty_peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    #[expect(clippy::cast_sign_loss, reason = "open flags are bits")]
    let flags = flags as usize;
    ioctl(master, libc::TIOCGPTPEER, flags).map(owned)
}

/// Sends `data` and one descriptor over a socket.
pub(crate) fn send_fd(socket: BorrowedFd<'_>, data: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    let mut iov = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    // One cmsghdr (16 bytes) with one int, padded to words.
    let length = size_of::<libc::cmsghdr>() + size_of::<RawFd>();
    let rights =
        u64::from(libc::SCM_RIGHTS.cast_unsigned()) << 32 | u64::from(libc::SOL_SOCKET.cast_unsigned());
    let mut control = [length as u64, rights, u64::from(fd.as_raw_fd().cast_unsigned())];
    // SAFETY: an all-zero msghdr is a valid value of that plain struct.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: message, iov, control and data all live through the call.
    unsafe {
        call!(
            SYS_sendmsg,
            socket.as_raw_fd(),
            &raw const message,
            libc::MSG_NOSIGNAL
        )
    }
    .map(drop)
}

/// Replaces the process.
///
/// # Safety
/// `arguments` and `environment` must be NULL-terminated arrays of C strings.
pub(crate) unsafe fn execve(
    path: &CStr,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
) -> Errno {
    // SAFETY: `path` is a C string and the caller vouches for the arrays.
    match unsafe { call!(SYS_execve, path.as_ptr(), arguments, environment) } {
        Ok(_) => Errno::INVAL,
        Err(error) => error,
    }
}

/// Ends the process at once, without destructors or exit handlers.
pub(crate) fn exit(code: i32) -> ! {
    loop {
        // SAFETY: no pointers; does not return.
        let _ = unsafe { call!(SYS_exit_group, code) };
    }
}

/// Default disposition for every signal, and none blocked: what `execve` does not reset.
pub(crate) fn reset_signals() {
    const SIGNAL_SET: usize = 8;
    // handler, flags, restorer, mask: all zero is SIG_DFL.
    let default = [0u64; 4];
    for signal in 1..=64usize {
        // SAFETY: `default` is a kernel sigaction; SIGKILL and SIGSTOP answer EINVAL, as they should.
        let _ = unsafe { call!(SYS_rt_sigaction, signal, default.as_ptr(), 0, SIGNAL_SET) };
    }
    block_signals(0);
}

/// Makes `mask` (bit n-1 for signal n) the set of blocked signals.
pub(crate) fn block_signals(mask: u64) {
    // SAFETY: `mask` is a kernel signal set of the size that is passed.
    let _ = unsafe { call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, 0, 8) };
}

/// Waits for one signal out of `mask`.
pub(crate) fn wait_signal(mask: u64) -> Result<i32> {
    // SAFETY: `mask` is a kernel signal set of the size that is passed; no details, no timeout.
    let signal = unsafe { call!(SYS_rt_sigtimedwait, &raw const mask, 0, 0, 8) }?;
    #[expect(clippy::cast_possible_truncation, reason = "a signal number is an int")]
    Ok(signal as i32)
}

pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call!(SYS_kill, pid, signal) }.map(drop)
}

/// Reaps one child without waiting: its id and status, or `None` when none has ended.
pub(crate) fn reap(pid: i32) -> Result<Option<(i32, i32)>> {
    let mut status = 0i32;
    // SAFETY: `status` is writable.
    let pid = unsafe { call!(SYS_wait4, pid, &raw mut status, libc::WNOHANG, 0) }?;
    #[expect(clippy::cast_possible_truncation, reason = "a process id is an int")]
    Ok(Some(pid as i32).filter(|pid| *pid > 0).map(|pid| (pid, status)))
}

/// Replaces the process by the file `executable`. Unlike the rest of this file it allocates: it
/// is not for the interpreter.
pub(crate) fn execveat(executable: BorrowedFd<'_>, arguments: &[CString], environment: &[CString]) -> Errno {
    let terminated = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings
            .iter()
            .map(|text| text.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (arguments, environment) = (terminated(arguments), terminated(environment));
    let (argv, envp) = (arguments.as_ptr(), environment.as_ptr());
    // SAFETY: the path is empty, both arrays are NULL-terminated and outlive the call.
    match unsafe {
        call!(
            SYS_execveat,
            executable.as_raw_fd(),
            c"".as_ptr(),
            argv,
            envp,
            libc::AT_EMPTY_PATH
        )
    } {
        Ok(_) => Errno::INVAL,
        Err(error) => error,
    }
}
