//! What Gantry makes differently from Debian's dockerd, and why.

/// A difference that is known.
#[derive(Debug)]
pub(super) struct Difference {
    /// The directory.
    case: &'static str,
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
pub(super) fn of(case: &str) -> Vec<&'static Difference> {
    DIFFERENCES.iter().filter(|each| each.case == case).collect()
}

const DIFFERENCES: &[Difference] = &[
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

#[test]
fn a_difference_needs_a_reason_and_a_reason_a_difference() {
    let reason = Difference {
        case: "any",
        what: "run: ",
        why: "it is known",
    };
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let wrong = |ours, theirs| super::unexplained(&[&reason], &lines(ours), &lines(theirs)).len();
    assert_eq!(wrong(&["run: 1", "file /a"], &["run: 2", "file /a"]), 0);
    assert_eq!(wrong(&["run: 1", "file /a: 1"], &["run: 2", "file /a: 2"]), 2);
    assert_eq!(wrong(&["run: 1"], &["run: 1"]), 1);
}
