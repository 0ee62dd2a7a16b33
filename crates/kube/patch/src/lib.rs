//! Changing objects by description: JSON patch, merge patch, strategic merge patch, and server-side apply
//! with its managed fields. Pure: bytes and trees in, bytes and trees out.
#![forbid(unsafe_code)]

mod error;
pub mod fieldset;
mod issues;
mod json_patch;
pub mod managed;
mod merge_patch;
mod strategic;
mod typed;

pub use error::{Error, MAX_OPERATIONS};
pub use issues::{Format, issues};
pub use json_patch::json_patch;
pub use merge_patch::merge_patch;
pub use strategic::strategic;

/// Lays a configuration that somebody made without knowing the object over it, both plain JSON: lists with keys are merged
/// by them, nothing is removed (structured-merge-diff `typed.Merge`, as mutating admission policies use it).
///
/// # Errors
/// A configuration that is not of the type, or has what can only be changed as a whole.
pub fn lay_over(
    types: &schema::row::Types,
    ty: schema::row::TypeId,
    live: schema::tree::Value,
    applied: &schema::tree::Value,
) -> Result<schema::tree::Value, String> {
    let place = typed::place::Place::object(types, ty);
    typed::validate::validate(place, applied)
        .map_err(|why| format!("failed to convert patch object to typed object: {why}"))?;
    let whole = typed::atomic::atomics(place, applied);
    if !whole.is_empty() {
        let paths = whole.join(", ");
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {paths}"
        ));
    }
    typed::merge::merge(place, live, applied).map_err(|why| format!("failed to merge patch: {why}"))
}
