//! Whose a name is. Docker and our own registry share one store, and their users do not: a registry keeps what was pushed
//! until it is deleted there, docker keeps what it was given until `docker rmi`.
//!
//! A name therefore stands for one thing and has up to two owners. What one of them gives up stays the other's.

use serde::{Deserialize, Serialize};

use crate::{Digest, Target};

/// Who gives a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A client of our registry, `docker push` included.
    Registry,
    /// `docker tag`, a build, a load, a pull.
    Docker,
}

/// Whose a name is. Whatever has a name is served by our registry and shown by docker, unless one of them was told to forget
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    /// The manifest that was pushed under it last: the registry's own.
    pub(crate) pushed: Option<Digest>,
    /// Docker gave it, or pulled it: docker's own.
    pub(crate) claimed: bool,
    /// Docker was told to forget it.
    pub(crate) hidden: bool,
    /// The registry was told to delete it.
    pub(crate) unserved: bool,
}

impl Standing {
    /// After somebody gave it. A push is seen by docker at once, and what docker names is served at once.
    pub(crate) fn given(before: Option<Self>, by: By, target: Target) -> Self {
        let before = before.unwrap_or_default();
        match by {
            By::Registry => Self {
                pushed: target.manifest,
                claimed: before.claimed,
                ..Self::default()
            },
            By::Docker => Self {
                pushed: before.pushed,
                claimed: true,
                ..Self::default()
            },
        }
    }

    /// What is left once docker has forgotten it: what was pushed.
    pub(crate) const fn without_docker(pushed: Digest) -> Self {
        Self {
            pushed: Some(pushed),
            claimed: false,
            hidden: true,
            unserved: false,
        }
    }

    /// What is left once it was deleted in the registry: docker's, if it has claimed it, or has its files (`unpacked`).
    pub(crate) fn without_registry(self, unpacked: bool) -> Option<Self> {
        let stays = !self.hidden && (self.claimed || unpacked);
        stays.then_some(Self {
            claimed: true,
            unserved: true,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way that leads somewhere: what is given up by one stays the other's, and by both is gone.
    #[test]
    fn each_gives_up_its_own() {
        let pushed = Digest::of(b"pushed");
        let of = |by, before| Standing::given(before, by, Target::manifest(pushed, None));
        let (by_push, by_tag) = (of(By::Registry, None), of(By::Docker, None));
        let both = of(By::Registry, Some(by_tag));
        assert_eq!((by_push.pushed, by_push.claimed), (Some(pushed), false));
        assert_eq!((by_tag.pushed, by_tag.claimed), (None, true));
        assert_eq!((both.pushed, both.claimed), (Some(pushed), true));
        assert_eq!(of(By::Docker, Some(by_push)), both);
        // Deleted in the registry.
        assert_eq!(by_push.without_registry(false), None, "pushed and never used");
        for left in [
            by_push.without_registry(true),
            both.without_registry(false),
            by_tag.without_registry(false),
        ] {
            let left = left.unwrap();
            assert!(left.unserved && left.claimed && !left.hidden && left.pushed.is_none());
            assert!(
                !of(By::Docker, Some(left)).unserved,
                "named again, it is served again"
            );
        }
        // Removed by docker.
        let left = Standing::without_docker(pushed);
        assert!(left.hidden && !left.unserved);
        assert_eq!(left.without_registry(true), None, "then nobody has it");
        assert!(
            !of(By::Registry, Some(left)).hidden,
            "pushed again, it is shown again"
        );
        assert_eq!(of(By::Docker, Some(left)), both);
    }
}
