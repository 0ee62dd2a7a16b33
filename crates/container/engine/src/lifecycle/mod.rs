//! A container's life, one operation in each file.
//!
//! Operations on one container are serial where they must be ([`Entry::operation`]); waiting for a
//! program to end is never part of that, so that a kill reaches a container whose stop is waiting.
//! What the supervisor tells of an end is entered at once, whoever holds the lock.

mod cgroup;
mod create;
mod end;
mod failure;
mod files;
mod filters;
mod health;
mod networking;
mod pause;
mod prepare;
mod remove;
mod rename;
mod rootfs;
mod signal;
mod start;
mod stop;
mod wait;

pub(crate) use cgroup::read_oom_kills;
pub(crate) use failure::{executable, Words};
pub(crate) use filters::Filters;
pub(crate) use rootfs::{user_files_in, user_files_of};

#[expect(unused_imports, reason = "for the module's comment")]
use crate::table::Entry;
