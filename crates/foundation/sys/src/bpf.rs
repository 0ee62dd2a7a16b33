//! bpf(2), as far as cgroup v2 needs it: a program that judges device access.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Programs of ancestors stay in force, and several may sit on one group.
const ALLOW_MULTI: u32 = 2;

/// The members of `union bpf_attr` for `BPF_PROG_LOAD`, up to the last one that is used.
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
}

/// The members of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
struct AttachAttr {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// Loads a `BPF_PROG_TYPE_CGROUP_DEVICE` program and attaches it to the cgroup whose directory is
/// open as `cgroup`. The program lives as long as the group does.
///
/// # Errors
/// `EPERM` without `CAP_BPF` or `CAP_SYS_ADMIN`; `EINVAL` for a program the kernel refuses.
pub fn attach_device_program(program: &[u64], cgroup: BorrowedFd<'_>) -> io::Result<()> {
    let program = load(program)?;
    let attr = AttachAttr {
        target: raw(cgroup.as_raw_fd()),
        program: raw(program.as_raw_fd()),
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: `AttachAttr` is the layout bpf(2) reads for BPF_PROG_ATTACH; it holds no pointers and
    // lives across the call.
    unsafe { bpf(PROG_ATTACH, &attr) }.map(drop)
}

fn load(program: &[u64]) -> io::Result<OwnedFd> {
    let attr = LoadAttr {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        insns: program.as_ptr().addr() as u64,
        license: c"Apache-2.0".as_ptr().addr() as u64,
    };
    // SAFETY: `LoadAttr` is the layout bpf(2) reads for BPF_PROG_LOAD; `insns` points to `insn_cnt`
    // instructions of eight bytes and `license` to a static NUL-terminated text, and the kernel
    // copies both during the call.
    let fd = unsafe { bpf(PROG_LOAD, &attr) }?;
    // SAFETY: a successful BPF_PROG_LOAD returns a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `T` must be the layout that bpf(2) reads for `command`, and what it points to must be valid for
/// the length of the call.
unsafe fn bpf<T>(command: libc::c_int, attr: &T) -> io::Result<libc::c_int> {
    // SAFETY: the caller answers for `attr`; the size tells the kernel how much of it to read.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(result).map_err(io::Error::other)
}

/// An open descriptor is never negative.
fn raw(fd: libc::c_int) -> u32 {
    fd.unsigned_abs()
}
