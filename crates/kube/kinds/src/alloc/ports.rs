//! The pool of node ports.

use std::collections::BTreeSet;
use std::fmt;

use driver::Rng;

use super::addresses::band;

/// The node ports of all Services.
#[derive(Clone, Debug)]
pub struct Ports {
    first: u16,
    last: u16,
    used: BTreeSet<u16>,
}

/// Why a port is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPort {
    Allocated,
    OutOfRange(u16, u16),
    Full,
}

impl fmt::Display for NoPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocated => f.write_str("provided port is already allocated"),
            Self::OutOfRange(first, last) => write!(
                f,
                "provided port is not in the valid range. The range of valid ports is {first}-{last}"
            ),
            Self::Full => f.write_str("range is full"),
        }
    }
}

impl Ports {
    pub(super) const fn new(first: u16, last: u16) -> Self {
        let used = BTreeSet::new();
        Self { first, last, used }
    }

    pub(super) fn adopt(&mut self, port: u16) {
        self.used.insert(port);
    }

    pub(super) fn release(&mut self, port: u16) {
        self.used.remove(&port);
    }

    /// Whether this port is free. Numbers that are no ports are out of range.
    pub(super) fn check(&self, port: i64) -> Result<u16, NoPort> {
        let out = NoPort::OutOfRange(self.first, self.last);
        let port = u16::try_from(port).map_err(|_| out)?;
        match (self.first..=self.last).contains(&port) {
            false => Err(out),
            true if self.used.contains(&port) => Err(NoPort::Allocated),
            true => Ok(port),
        }
    }

    /// Takes this port.
    pub(super) fn take(&mut self, port: i64) -> Result<u16, NoPort> {
        let port = self.check(port)?;
        self.used.insert(port);
        Ok(port)
    }

    /// Takes any port: from the upper band first, so that ports that people choose seldom collide.
    pub(super) fn take_any(&mut self, rng: &mut Rng) -> Result<u16, NoPort> {
        let middle = self.first + self.lower_band();
        let free = self.free_between(middle, self.last, rng);
        let free = free.or_else(|| self.free_between(self.first, middle.checked_sub(1)?, rng));
        let port = free.ok_or(NoPort::Full)?;
        self.used.insert(port);
        Ok(port)
    }

    fn lower_band(&self) -> u16 {
        match u128::from(self.last.saturating_sub(self.first)) + 1 {
            0..=16 => 0,
            size => u16::try_from(band(size, 32, 128)).unwrap_or(0),
        }
    }

    fn free_between(&self, first: u16, last: u16, rng: &mut Rng) -> Option<u16> {
        let size = u64::from(last.checked_sub(first)?) + 1;
        let start = u16::try_from(rng.below(size)).ok()?;
        let around = (first.saturating_add(start)..=last).chain(first..first.saturating_add(start));
        around.into_iter().find(|port| !self.used.contains(port))
    }
}
