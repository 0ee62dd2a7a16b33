//! Discovery, OpenAPI, version, and Tables of what is read. (SHOW)

mod view;

pub(crate) use view::{View, list, object};
