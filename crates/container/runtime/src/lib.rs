//! The `runtime` room.
#![forbid(unsafe_code)]

pub mod capability;
pub mod seccomp;
pub mod spec;
