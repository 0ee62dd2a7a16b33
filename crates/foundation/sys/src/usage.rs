//! What processes have used: getrusage(2).

use std::io;
use std::time::Duration;

/// Time and memory of processes that have ended and been waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, in user mode and in the kernel.
    pub cpu: Duration,
    /// Largest resident set of any one of them, in bytes.
    pub peak_memory: u64,
}

/// Of all children of this process so far, with theirs.
///
/// # Errors
/// None that a Linux kernel returns.
pub fn children() -> io::Result<Usage> {
    // SAFETY: an all-zero rusage is a valid value of that plain struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is writable and of the kernel's size.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak_memory: usage.ru_maxrss.unsigned_abs() * 1024,
    })
}

fn time(value: libc::timeval) -> Duration {
    let micros = value.tv_sec.unsigned_abs() * 1_000_000 + value.tv_usec.unsigned_abs();
    Duration::from_micros(micros)
}
