//! `.dockerignore`: which paths of a context a build does not see.
//!
//! The docker CLI filters before it sends, and dockerd's classic builder filters no more than the
//! Dockerfile and `.dockerignore` itself ([`Ignore::excludes`] decides both); a door that reads a
//! directory (BuildKit's) asks for every path.

use std::path::{Component, Path};

use crate::glob::{BadPattern, Glob};

/// At most so many bytes of a `.dockerignore` are read.
pub const MAX_IGNORE_FILE: u64 = 1 << 20;

/// A `.dockerignore` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// A line of only `!`.
    #[error("illegal exclusion pattern: \"!\"")]
    NothingIncluded,
    /// A line that is no pattern.
    #[error("syntax error in pattern")]
    Pattern,
}

impl From<BadPattern> for IgnoreError {
    fn from(_: BadPattern) -> Self {
        Self::Pattern
    }
}

/// A parsed `.dockerignore`. The last line that matches a path decides.
#[derive(Clone, Debug, Default)]
pub struct Ignore(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    /// The line began with `!`.
    includes: bool,
    /// Everything in the context.
    everything: bool,
    glob: Glob,
}

impl Ignore {
    /// Parses a file: a pattern a line, `#` at the beginning of a line for a comment, `!` for an
    /// exception, `/` at the beginning without meaning.
    ///
    /// # Errors
    /// [`IgnoreError`].
    pub fn parse(file: &str) -> Result<Self, IgnoreError> {
        let file = file.strip_prefix('\u{feff}').unwrap_or(file);
        let lines = file.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(Rule::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Patterns that are in no file.
    ///
    /// # Errors
    /// [`IgnoreError`].
    pub(crate) fn patterns(patterns: &[String]) -> Result<Self, IgnoreError> {
        let patterns = patterns
            .iter()
            .map(|pattern| pattern.trim())
            .filter(|pattern| !pattern.is_empty());
        patterns.map(Rule::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a path (relative, with `/`) is left out of the context. A directory that is left
    /// out takes what is below it along, unless a later line brings that back.
    pub fn excludes(&self, path: &str) -> bool {
        let path = clean(path);
        if path == "." {
            return false;
        }
        self.0.iter().fold(false, |excluded, rule| {
            // A rule that would not change the verdict is not asked, as upstream does.
            if rule.includes == excluded && rule.covers(&path) {
                !rule.includes
            } else {
                excluded
            }
        })
    }

    /// Whether a line brings something back.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.0.iter().any(|rule| rule.includes)
    }

    /// Whether a line leaves out everything.
    #[must_use]
    pub fn hides_everything(&self) -> bool {
        self.0.iter().any(|rule| rule.everything && !rule.includes)
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, IgnoreError> {
        let (includes, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if pattern.is_empty() {
            return Err(IgnoreError::NothingIncluded);
        }
        let cleaned = clean(pattern);
        let pattern = if cleaned.len() > 1 {
            cleaned.trim_start_matches('/')
        } else {
            &cleaned
        };
        Glob::path(pattern)?;
        Ok(Self {
            includes,
            everything: ["*", "**", "**/*"].contains(&pattern),
            glob: Glob::ignore(pattern)?,
        })
    }

    fn covers(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        std::iter::once(path)
            .chain(parents)
            .any(|path| self.glob.matches(path))
    }
}

/// Go's `filepath.Clean`.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Whether a path stays below where it starts, word by word.
pub(crate) fn is_local(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, excluded: &[&str], kept: &[&str]) {
        let ignore = Ignore::parse(file).unwrap();
        for path in excluded {
            assert!(ignore.excludes(path), "{path} is kept by {file:?}");
        }
        for path in kept {
            assert!(!ignore.excludes(path), "{path} is excluded by {file:?}");
        }
    }

    #[test]
    fn patterns() {
        check("*.md\n!README.md\n", &["a.md"], &["README.md", "sub/a.md"]);
        check("**/*.go", &["a.go", "x/y/a.go"], &["a.c"]);
        check(
            "node_modules",
            &["node_modules", "node_modules/a/b"],
            &["x/node_modules"],
        );
        check("**/node_modules", &["x/node_modules/a"], &["node"]);
        check("/abs", &["abs"], &["x/abs"]);
        check(
            "  spaced  \n\n# comment\n #not",
            &["spaced", "#not"],
            &["comment", "# comment"],
        );
        check("a/../b\n./c/", &["b", "c"], &["a"]);
        check("temp?", &["tempa"], &["temp", "temp/a"]);
        check("**", &["a", "a/b"], &["."]);
    }

    #[test]
    fn the_last_match_decides() {
        check(
            "*.md\n!README*.md\nREADME-secret.md",
            &["README-secret.md", "a.md"],
            &["README.md"],
        );
        check("dir\n!dir/keep", &["dir", "dir/x"], &["dir/keep", "dir/keep/y"]);
        check(
            "*\n!Dockerfile\n!src/**",
            &["a", ".dockerignore"],
            &["Dockerfile", "src/a/b"],
        );
    }

    #[test]
    fn errors() {
        assert_eq!(Ignore::parse("!").unwrap_err(), IgnoreError::NothingIncluded);
        assert_eq!(
            Ignore::parse("[").unwrap_err().to_string(),
            "syntax error in pattern"
        );
    }

    #[test]
    fn cleaning() {
        for (path, cleaned) in [
            ("", "."),
            ("/", "/"),
            ("a//b/./c/..", "a/b"),
            ("../a", "../a"),
            ("/../a", "/a"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), cleaned);
        }
    }
}
