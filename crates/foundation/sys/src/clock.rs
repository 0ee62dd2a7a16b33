//! The kernel's clocks. Only a driver loop reads them; everything below it takes time as an
//! argument.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since the epoch, as log lines carry it.
pub fn realtime() -> Duration {
    read(ClockId::Realtime)
}

/// Time since boot, sleep included. It is the same for every process of the machine, so a value
/// survives an `execve`.
pub fn boottime() -> Duration {
    read(ClockId::Boottime)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    // The kernel keeps both parts non-negative for these clocks and tv_nsec below 10^9.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
