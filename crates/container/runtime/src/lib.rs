//! The `runtime` room.
#![forbid(unsafe_code)]

pub mod capability;
pub mod plan;
pub mod seccomp;
pub mod spec;
