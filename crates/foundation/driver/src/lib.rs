//! The seams of time, chance and disk.
//!
//! Whatever would make two runs of the same program differ is reached through a trait of this
//! crate: [`Clock`] for time, [`Rng`] for chance, [`Dir`] and [`File`] for the disk. Production
//! hands in [`SystemClock`], [`Rng::from_os`] and [`RealDir`]; a test or a simulation hands in
//! [`ManualClock`], [`Rng::from_seed`] and [`SimDisk`], and a seed then replays the whole run.
//!
//! The seams are as small as what is used today (ADR 5). There is no executor here, and no
//! type of an asynchronous runtime.

#![forbid(unsafe_code)]

mod clock;
mod disk;
mod rng;

pub use clock::{Clock, Instant, ManualClock, SystemClock};
pub use disk::real::RealDir;
pub use disk::sim::{Fault, SECTOR, SimDisk};
pub use disk::{Dir, DirLock, File, LockError};
pub use rng::Rng;
