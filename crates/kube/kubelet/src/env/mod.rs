//! The environment of a container.

mod expand;

pub use expand::expand;
