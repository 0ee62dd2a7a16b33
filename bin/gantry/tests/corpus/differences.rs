//! What Gantry makes differently from Debian's dockerd, and why.

/// A difference that is known.
#[derive(Debug)]
pub(super) struct Difference {
    /// The directory.
    case: &'static str,
    /// What lines that it explains begin with, after the name of the engine; or how Gantry refuses the build.
    what: &'static str,
    #[expect(dead_code, reason = "for whoever reads it here or in a failure")]
    why: &'static str,
}

impl Difference {
    pub(super) fn is_of(&self, case: &str) -> bool {
        self.case == case
    }

    pub(super) fn explains(&self, line: &str) -> bool {
        let said = line.split_once(' ').map_or(line, |(_, said)| said.trim_start());
        said.starts_with(self.what)
    }

    pub(super) fn is_in(&self, said: &str) -> bool {
        said.contains(self.what)
    }
}

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        case: "archives-packed",
        what: "archives compressed with bzip2 or xz are not supported yet",
        why: "docs/known-gaps.md",
    },
    Difference {
        case: "labels",
        what: "config Healthcheck: ",
        why: "dockerd's commit fills what a HEALTHCHECK leaves out from the one before it; BuildKit does not",
    },
    Difference {
        case: "modes",
        what: "file /m/suid: ",
        why: "dockerd gives the copy its owner last, and Linux then takes the set-user-id bit; BuildKit keeps it",
    },
    Difference {
        case: "modes",
        what: "run: ",
        why: "the same bit",
    },
    Difference {
        case: "workdirs",
        what: "history 08: ",
        why: "dockerd writes down an absolute WORKDIR as it was typed, and not as it is kept",
    },
];
