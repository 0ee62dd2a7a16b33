//! The store as its users see it, on the simulated disk. `rig` runs and checks, the others are
//! the cases.

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
