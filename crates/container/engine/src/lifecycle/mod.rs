//! A container's life, one operation in each file.
//!
//! Operations on one container are serial where they must be (`Entry::operation`); waiting for a
//! program to end is never part of that, so that a kill reaches a container whose stop is waiting.
//! What the supervisor tells of an end is entered at once, whoever holds the lock.

mod cgroup;
mod close;
mod create;
mod end;
mod failure;
mod files;
mod filters;
mod health;
mod links;
mod mounts;
mod networking;
mod pause;
mod prepare;
mod remove;
mod rename;
mod signal;
mod start;
mod stop;
mod wait;

pub(crate) use end::{UNKNOWN, exit_code};
pub(crate) use failure::{Words, advice, executable};
pub(crate) use filters::Filters;
pub(crate) use prepare::{log, nowhere, slots};
pub(crate) use start::{Starter, name_of};
