//! Who may stand in the way of a removal, in which order it is looked for, and in which words it is
//! said: upstream's (`docker rmi`). A *hard* conflict cannot be forced, a *soft* one can.

use super::{Images, Use};
use crate::{Digest, Error};

/// Which conflicts count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// Hard and soft ones.
    All,
    /// All but that the image has names.
    AllButNames,
    /// Hard ones.
    Hard,
}

pub(super) const HELD: &str = "image is being used by a build, a load or a save";

/// What stands in the way.
pub(super) struct Conflict {
    pub(super) hard: bool,
    /// By a container.
    pub(super) used: bool,
    pub(super) message: String,
}

impl Conflict {
    pub(super) fn hard(used: bool, message: impl Into<String>) -> Self {
        Self {
            hard: true,
            used,
            message: message.into(),
        }
    }

    fn soft(used: bool, message: impl Into<String>) -> Self {
        Self {
            hard: false,
            used,
            message: message.into(),
        }
    }
}

/// The first thing that stands in the way, in upstream's order.
pub(super) fn find(
    images: &Images,
    id: &Digest,
    strictness: Strictness,
    used: &dyn Fn(&Digest) -> Vec<Use>,
) -> Option<Conflict> {
    if !images.children(id).is_empty() {
        return Some(Conflict::hard(false, "image has dependent child images"));
    }
    if images.inner.read().holds(id) > 0 {
        return Some(Conflict::hard(true, HELD));
    }
    let users = used(id);
    let user = |running: bool| {
        let user = users.iter().find(|user| user.running == running);
        user.map(|user| truncated(&user.container))
    };
    if let Some(user) = user(true) {
        return Some(Conflict::hard(
            true,
            format!("image is being used by running container {user}"),
        ));
    }
    let named = images.get(id).is_some_and(|image| !image.is_dangling());
    if strictness == Strictness::All && named {
        return Some(Conflict::soft(
            false,
            "image is referenced in multiple repositories",
        ));
    }
    let user = user(false).filter(|_| strictness != Strictness::Hard)?;
    Some(Conflict::soft(
        true,
        format!("image is being used by stopped container {user}"),
    ))
}

/// The error that says so.
pub(super) fn refusal(id: &Digest, conflict: &Conflict) -> Error {
    let force = if conflict.hard {
        "cannot be forced"
    } else {
        "must be forced"
    };
    Error::Conflict(format!(
        "unable to delete {} ({force}) - {}",
        id.short(),
        conflict.message
    ))
}

/// A container's id as lists show it.
pub(super) fn truncated(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
