//! Managed fields: who owns which field of an object (apimachinery `util/managedfields`).
//!
//! Every write goes through [`update()`], every server-side apply through [`apply()`]. Both read the managers
//! of the live object, see what the write changes, and leave the managers of the new object in it. Nothing
//! here fails a write but an apply: an object whose managers cannot be told keeps those it had, as in
//! upstream.

mod apply;
mod cap;
mod conflict;
mod entry;
mod last_applied;
mod resets;
mod scale;
mod update;

pub use apply::{Application, Applied, ApplyError, apply};
pub use conflict::Conflict;
pub use entry::{Entry, Operation, decode, validate};
pub use resets::resets;
pub use scale::{Replicas, to_parent, to_scale};
pub use update::update;

use schema::row::{TypeId, Types};

/// The object's type and version, and what upstream's conversions know of the others.
#[derive(Clone, Copy)]
pub struct Kind<'a> {
    /// The table of the type.
    pub types: &'a Types,
    /// The object's type.
    pub ty: TypeId,
    /// `apps/v1`
    pub api_version: &'a str,
    /// Whether a version of the resource is (still) served: managers of versions that are gone are dropped.
    /// Fields of another version are taken for those of this one; upstream converts the object.
    pub served: &'a dyn Fn(&str) -> bool,
}

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager: the request's parameter, or the first part of the user agent.
    pub manager: &'a str,
    /// `status`, `scale` …, or nothing.
    pub subresource: &'a str,
    /// Now, as an object shows it: RFC 3339 in UTC with seconds.
    pub time: &'a str,
    /// Fields that the write cannot change, and so does not own ([`resets()`]).
    pub resets: &'a [&'a [&'a str]],
}

impl<'a> Writer<'a> {
    fn name(&self) -> &'a str {
        if self.manager.is_empty() {
            "unknown"
        } else {
            self.manager
        }
    }

    fn excluded(&self) -> crate::fieldset::FieldSet<'a> {
        let paths = self
            .resets
            .iter()
            .map(|path| crate::fieldset::FieldSet::path(path));
        paths.fold(
            crate::fieldset::FieldSet::default(),
            crate::fieldset::FieldSet::union,
        )
    }
}
