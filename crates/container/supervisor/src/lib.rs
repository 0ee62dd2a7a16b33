//! x
#![forbid(unsafe_code)]
pub mod log;
pub mod protocol;
