//! `# check=skip=A,B;experimental=C;error=true`.

use std::collections::BTreeSet;

use super::Rule;
use crate::golang;

/// Which rules are asked, and whether a warning fails the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    skip_all: bool,
    skip: BTreeSet<String>,
    experimental_all: bool,
    experimental: BTreeSet<String>,
    /// A warning fails the build.
    pub error: bool,
}

impl Options {
    /// Reads options.
    ///
    /// # Errors
    /// Upstream's sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let text = text.trim();
        for part in text.splitn(3, ';').filter(|_| !text.is_empty()) {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("invalid check option {}", golang::quote(part)))?;
            let value = value.trim();
            let names = || value.split(',').map(|name| name.trim().to_owned()).collect();
            match key.trim() {
                "skip" if value == "all" => options.skip_all = true,
                "skip" => options.skip = names(),
                "experimental" if value == "all" => options.experimental_all = true,
                "experimental" => options.experimental = names(),
                "error" => options.error = switch(value, part)?,
                other => return Err(format!("invalid check option {}", golang::quote(other))),
            }
        }
        Ok(options)
    }

    /// With what a comment before an instruction says besides (`# check=skip=X`); one that says
    /// nonsense says nothing.
    pub(super) fn with_comments(&self, comments: &[String]) -> Self {
        let said = comments.iter().find_map(|comment| {
            let (name, value) = comment.split_once('=')?;
            name.trim_end()
                .eq_ignore_ascii_case("check")
                .then(|| value.trim())
        });
        let value = said.and_then(|said| said.split(' ').next()).unwrap_or_default();
        let mut merged = self.clone();
        if let Ok(own) = Self::parse(value) {
            merged.skip_all |= own.skip_all;
            merged.skip.extend(own.skip);
            merged.experimental_all |= own.experimental_all;
            merged.experimental.extend(own.experimental);
        }
        merged
    }

    /// Whether a rule is asked.
    pub(super) fn asks(&self, rule: &Rule) -> bool {
        if rule.experimental {
            self.experimental_all || self.experimental.contains(rule.name)
        } else {
            !self.skip_all && !self.skip.contains(rule.name)
        }
    }
}

fn switch(value: &str, part: &str) -> Result<bool, String> {
    golang::parse_bool(value).ok_or_else(|| {
        let (part, value) = (golang::quote(part), golang::quote(value));
        format!("failed to parse check option {part}: strconv.ParseBool: parsing {value}: invalid syntax")
    })
}
