//! The plugins that judge a write before it is stored.

mod namespace_lifecycle;

pub(crate) use namespace_lifecycle::{may_create, may_delete};
