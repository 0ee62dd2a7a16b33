//! The OCI runtime (runtime-spec 1.3, Linux).
//!
//! `spec` is the configuration as types; `plan` decides, purely, what the new process will do;
//! `launcher` starts it and answers it; `lifecycle` is the runtime's operations over a directory
//! of containers. Policy is data: `capability`, `seccomp`, `cgroup`.
#![forbid(unsafe_code)]

pub mod capability;
pub mod cgroup;
pub mod example;
pub mod features;
pub mod host;
pub mod launcher;
pub mod lifecycle;
pub mod plan;
pub mod seccomp;
pub mod signal;
pub mod spec;
