//! Tables printed by `cargo xtask codegen`; `codegen --check` fails when they are stale.

#[rustfmt::skip]
mod resources;
#[rustfmt::skip]
mod types;

pub(crate) use resources::{GROUPS, RESOURCES};
pub use types::BUILTIN;
