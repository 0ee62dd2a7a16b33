//! The supervisor as a real process with real children: root, pipes, signals, a full disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod adoption;
mod bounds;
mod deaths;
mod fixture;
mod starts;
mod streams;
mod watch;
