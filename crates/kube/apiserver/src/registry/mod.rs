//! Writing objects: one path for every resource. (WRITE)
pub(crate) mod convert;
mod edge;
