//! The store as its users see it, on the simulated disk. `rig` runs and checks, the others are
//! the cases.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail by panicking, as the test does"
)]
#![expect(unreachable_pub, reason = "modules of a test binary have no outside")]

#[path = "pure/crash.rs"]
mod crash;
#[path = "pure/disk.rs"]
mod disk;
#[path = "pure/hostile.rs"]
mod hostile;
#[path = "pure/rig.rs"]
mod rig;
#[path = "pure/semantics.rs"]
mod semantics;
