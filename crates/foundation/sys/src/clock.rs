//! The kernel's clocks. Only a driver loop reads them; everything below it takes time as an
//! argument.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the epoch, as log lines carry it.
pub fn realtime() -> Duration {
    read(ClockId::Realtime)
}

/// Time since boot, sleep included. It is the same for every process of the machine, so a value
/// survives an `execve`.
pub fn boottime() -> Duration {
    read(ClockId::Boottime)
}

/// Which boot of the machine this is: another text after each.
///
/// # Errors
/// There is no `/proc`.
pub fn boot_id() -> io::Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    // The kernel keeps both parts non-negative for these clocks and tv_nsec below 10^9.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
