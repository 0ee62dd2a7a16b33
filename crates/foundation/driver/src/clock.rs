//! Time as a value: a monotonic reading for deadlines, a wall reading for what people see.
//!
//! `std::time::Instant` cannot be made up, so a simulation cannot move it; [`Instant`] here is a
//! plain distance from an origin that only its clock knows.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A reading of a monotonic clock: the time since that clock's own origin.
///
/// Readings of different clocks have nothing to do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The reading `since_origin` after the origin of its clock.
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The reading `delay` later; the far end of time if there is none.
    #[must_use]
    pub const fn saturating_add(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// How long after `earlier` this reading is; zero if it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The seam of time.
pub trait Clock: Send + Sync {
    /// A reading that never goes back.
    fn now(&self) -> Instant;
    /// The time of day. It may jump either way: never compute a deadline from it.
    fn wall(&self) -> SystemTime;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose origin is now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam behind which the clock is read"
    )]
    pub fn new() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant(self.origin.elapsed())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam behind which the clock is read"
    )]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that moves when it is told to. It starts at its origin, which is 1970 on the wall.
#[derive(Debug, Default)]
pub struct ManualClock {
    elapsed: Mutex<Duration>,
}

impl ManualClock {
    /// A clock at its origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
        *elapsed = elapsed.saturating_add(by);
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant(self.elapsed())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_secs(3));
        assert_eq!(clock.now().saturating_since(before), Duration::from_secs(3));
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + Duration::from_secs(3));
    }

    #[test]
    fn the_system_clock_never_goes_back() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(clock.now() >= first);
    }
}
