//! The `runtime` room.
#![forbid(unsafe_code)]

pub mod capability;
pub mod cgroup;
pub mod seccomp;
pub mod spec;
