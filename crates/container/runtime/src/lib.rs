//! The `runtime` room.
#![forbid(unsafe_code)]

pub mod spec;
