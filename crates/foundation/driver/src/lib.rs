//! The seams of time, chance and disk.
//!
//! Whatever would make two runs of the same program differ is reached through a trait of this
//! crate: [`Clock`] for time, [`Rng`] for chance, [`Dir`] and [`File`] for the disk. Production
//! hands in [`SystemClock`], [`Rng::from_os`] and [`RealDir`]; a test or a simulation hands in
//! [`ManualClock`], [`Rng::from_seed`] and [`SimDisk`], and a seed then replays the whole run.
//!
//! Asynchronous rooms reach tasks and timers through [`Env`]; a simulation hands in [`Sim`]. The seams are as
//! small as what is used today (ADR 5). No type of an asynchronous runtime is named here.

#![forbid(unsafe_code)]

mod clock;
mod disk;
pub mod env;
pub mod golang;
mod queue;
mod rng;
mod sim;

pub use clock::{Clock, Instant, ManualClock, SystemClock};
pub use disk::real::RealDir;
pub use disk::sim::{Fault, SECTOR, SimDisk};
pub use disk::{Dir, DirLock, File, LockError};
pub use env::Env;
pub use queue::{Held, Queue};
pub use rng::Rng;
pub use sim::Sim;
