//! Where pods of a node come from.

pub(crate) mod api;
