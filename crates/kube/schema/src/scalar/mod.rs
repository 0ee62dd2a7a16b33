//! Upstream's scalar types that have a grammar of their own. Trees hold their canonical text.

pub(crate) mod base64;
pub(crate) mod duration;
pub(crate) mod quantity;
pub(crate) mod time;
