//! Containers: one file for each thing a client does with them.

pub(crate) mod archive;
pub(crate) mod attach;
pub(crate) mod commit;
pub(crate) mod create;
pub(crate) mod exec;
pub(crate) mod inspect;
pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod stats;
pub(crate) mod update;
pub(crate) mod wait;
