//! The only room with `unsafe` code: what Gantry asks of the kernel.
//!
//! `program` is the plan of a process start as bytes, `launch` clones a process that runs one;
//! each of the other modules wraps one facility of the kernel as narrow, safe, owned types.
//! Nothing here knows what a container, a pod or the OCI specification is.

pub mod bpf;
pub mod clock;
pub mod confine;
pub mod epoll;
pub mod in_root;
pub mod inet_diag;
mod init;
pub mod ipcns;
pub mod launch;
pub mod memfd;
pub mod mount;
pub mod mounted;
pub mod netlink;
pub mod netns;
pub mod pidfd;
pub mod pipe;
pub mod poll;
pub mod private_mounts;
pub mod process;
pub mod program;
pub mod pty;
mod raw;
pub mod sealed;
pub mod socket;
pub mod sysctl;
pub mod title;
pub mod tree;
pub mod usage;
