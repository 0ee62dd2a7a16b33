//! The only room with `unsafe` code: what Gantry asks of the kernel.
//!
//! `program` is the plan of a process start as bytes, `launch` clones a process that runs one.
//! Nothing here knows what a container, a pod or the OCI specification is.

mod init;
pub mod launch;
pub mod program;
mod raw;
pub mod sealed;
