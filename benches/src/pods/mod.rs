//! Rows 7, 9, 16 and 19: pods, from the API to what runs.
//!
//! No other Kubernetes can be had by everyone: published figures and those recorded beforehand (`docs/benchmarks.md`) are
//! the peer, and every command says so.

mod idle;
mod names;
mod objects;
mod schedule;
mod serves;
mod start;
mod syncs;
mod watch;

pub(crate) use idle::run as idle;
pub(crate) use schedule::run as schedule;
pub(crate) use serves::run as serves;
pub(crate) use start::run as start;
