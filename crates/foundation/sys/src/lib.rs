//! The `sys` room: the only crate with `unsafe`, and the only one that calls the kernel.
//!
//! Each module wraps one kernel facility as narrow, safe, owned types; nothing here knows what a
//! container is.
#![allow(unsafe_code, reason = "this is the one crate that may")]

pub mod clock;
pub mod epoll;
pub mod memfd;
pub mod pidfd;
pub mod pipe;
pub mod process;
pub mod pty;
pub mod socket;
