//! What Gantry makes differently from Debian's dockerd, and why.

/// A difference that is known.
#[derive(Debug)]
pub(super) struct Difference {
    /// The directory.
    case: &'static str,
    /// What lines that it explains begin with, after the name of the engine.
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
}

pub(super) const DIFFERENCES: &[Difference] = &[];
