//! What Gantry makes differently from Debian's dockerd, and why.

use super::case::Door;

/// A difference that is known.
#[derive(Debug)]
pub(super) struct Difference {
    /// The directory.
    case: &'static str,
    /// By which door.
    door: Door,
    /// What lines that it explains begin with, or how Gantry refuses the build.
    what: &'static str,
    #[expect(dead_code, reason = "for whoever reads it here or in a failure")]
    why: &'static str,
}

impl Difference {
    pub(super) fn explains(&self, line: &str) -> bool {
        line.starts_with(self.what)
    }

    pub(super) fn is_in(&self, said: &str) -> bool {
        said.contains(self.what)
    }
}

/// Those of a directory.
pub(super) fn of(case: &str, door: Door) -> Vec<&'static Difference> {
    let differences = DIFFERENCES.iter();
    differences
        .filter(|each| each.case == case && each.door == door)
        .collect()
}

// What BuildKit does otherwise since the one in dockerd 20.10.
const VALUES: &str = "BuildKit tells what an ARG is worth, dockerd 20.10 what is written";
const FLAGS: &str = "BuildKit tells --chown and --chmod too";
const STUBS: &str = "BuildKit takes the places of mounts away after the step";
const MODES: &str = "BuildKit gives --chmod's digits to directories that it makes on the way";

// Where Gantry's doors differ, as dockerd's own builder and BuildKit do.
const OWNERS: &str = "BuildKit makes a WORKDIR for the USER, dockerd's own builder for root";

const DIFFERENCES: &[Difference] = &[
    Difference {
        case: "workdirs",
        door: Door::Classic,
        what: "history 08: ",
        why: "dockerd writes down an absolute WORKDIR as it was typed, and not as it is kept",
    },
    Difference {
        case: "arguments",
        door: Door::BuildKit,
        what: "history 0",
        why: VALUES,
    },
    Difference {
        case: "entrypoint",
        door: Door::BuildKit,
        what: "history 01: ",
        why: FLAGS,
    },
    Difference {
        case: "archives",
        door: Door::BuildKit,
        what: "history 10: ",
        why: FLAGS,
    },
    Difference {
        case: "archives",
        door: Door::BuildKit,
        what: "file /owned",
        why: "dockerd 20.10 leaves archives their owners; BuildKit since gives them --chown's",
    },
    Difference {
        case: "times",
        door: Door::BuildKit,
        what: "file /t/dir: ",
        why: "dockerd 20.10 gives a directory its time before it has its files",
    },
    Difference {
        case: "workdirs",
        door: Door::BuildKit,
        what: "history 08: ",
        why: "dockerd 20.10 writes down an absolute WORKDIR as it was typed",
    },
    Difference {
        case: "cache-mount",
        door: Door::BuildKit,
        what: "file /",
        why: STUBS,
    },
    Difference {
        case: "cache-mount",
        door: Door::BuildKit,
        what: "run: ",
        why: STUBS,
    },
    Difference {
        case: "bind-mount",
        door: Door::BuildKit,
        what: "file /",
        why: STUBS,
    },
    Difference {
        case: "bind-mount",
        door: Door::BuildKit,
        what: "run: ",
        why: STUBS,
    },
    Difference {
        case: "tmpfs-mount",
        door: Door::BuildKit,
        what: "file /scratch: ",
        why: STUBS,
    },
    Difference {
        case: "tmpfs-mount",
        door: Door::BuildKit,
        what: "run: ",
        why: STUBS,
    },
    Difference {
        case: "secret-mount",
        door: Door::BuildKit,
        what: "file /run",
        why: STUBS,
    },
    Difference {
        case: "copy-chmod",
        door: Door::BuildKit,
        what: "history 0",
        why: FLAGS,
    },
    Difference {
        case: "copy-chmod",
        door: Door::BuildKit,
        what: "file /s",
        why: MODES,
    },
    Difference {
        case: "copy-chmod",
        door: Door::BuildKit,
        what: "run: ",
        why: MODES,
    },
    Difference {
        case: "users",
        door: Door::BuildKit,
        what: "file /home/alice/work: ",
        why: OWNERS,
    },
    Difference {
        case: "users",
        door: Door::BuildKit,
        what: "file /srv/made",
        why: OWNERS,
    },
    Difference {
        case: "users",
        door: Door::BuildKit,
        what: "run: ",
        why: OWNERS,
    },
];

#[test]
fn a_difference_needs_a_reason_and_a_reason_a_difference() {
    let reason = Difference {
        case: "any",
        door: Door::Classic,
        what: "run: ",
        why: "it is known",
    };
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let wrong = |ours, theirs| super::unexplained(&[&reason], &lines(ours), &lines(theirs)).len();
    assert_eq!(wrong(&["run: 1", "file /a"], &["run: 2", "file /a"]), 0);
    assert_eq!(wrong(&["run: 1", "file /a: 1"], &["run: 2", "file /a: 2"]), 2);
    assert_eq!(wrong(&["run: 1"], &["run: 1"]), 1);
}
