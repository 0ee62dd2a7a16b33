//! Rights for each repository: a small table, decided without I/O.
//!
//! ```toml
//! [groups]
//! dev = ["ann", "bob"]
//!
//! [[rule]]
//! users = ["@dev", "carol"]        # "*" is everybody with a password
//! repositories = ["team/*"]        # "*" stands for anything
//! rights = ["pull", "push", "delete"]
//! ```
//!
//! Without a rule everybody with a password may do everything, as with docker-registry.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::route::Right;

/// Most steps of one comparison: patterns and names are short, so no honest one comes near.
const MOST: usize = 64;

/// What users may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    groups: BTreeMap<String, Vec<String>>,
    rule: Vec<Rule>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    users: Vec<String>,
    repositories: Vec<String>,
    rights: Vec<Right>,
}

/// Why a table of rules is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// It is no TOML, or not of this form.
    #[error("{0}")]
    Syntax(String),
    /// A rule names a group that there is not.
    #[error("there is no group {0:?}")]
    Group(String),
    /// A pattern is too long.
    #[error("the pattern {0:?} has more than {MOST} parts")]
    Pattern(String),
}

/// What is said of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// To this one, for good.
    Denied,
    /// Somebody else may: 401.
    Unknown,
}

impl Rules {
    /// # Errors
    /// [`InvalidRule`].
    pub fn parse(text: &str) -> Result<Self, InvalidRule> {
        let rules: Self =
            toml::from_str(text).map_err(|error| InvalidRule::Syntax(error.message().to_owned()))?;
        rules.checked()
    }

    pub(crate) fn new(groups: BTreeMap<String, Vec<String>>, rule: Vec<Rule>) -> Result<Self, InvalidRule> {
        Self { groups, rule }.checked()
    }

    fn checked(self) -> Result<Self, InvalidRule> {
        let users = self.rule.iter().flat_map(|rule| &rule.users);
        let mut groups = users.filter_map(|user| user.strip_prefix('@'));
        if let Some(group) = groups.find(|group| !self.groups.contains_key(*group)) {
            return Err(InvalidRule::Group(group.to_owned()));
        }
        let mut patterns = self.rule.iter().flat_map(|rule| &rule.repositories);
        if let Some(pattern) = patterns.find(|pattern| pattern.split('*').count() > MOST) {
            return Err(InvalidRule::Pattern(pattern.clone()));
        }
        Ok(self)
    }

    pub(crate) fn judge(&self, user: &str, repository: &str, right: Right) -> Verdict {
        let grants = |rule: &Rule| {
            rule.rights.contains(&right)
                && rule.users.iter().any(|subject| self.is(user, subject))
                && rule
                    .repositories
                    .iter()
                    .any(|pattern| matches(pattern, repository))
        };
        if self.rule.is_empty() || self.rule.iter().any(grants) {
            Verdict::Allowed
        } else {
            Verdict::Denied
        }
    }

    fn is(&self, user: &str, subject: &str) -> bool {
        match subject.strip_prefix('@') {
            Some(group) => self
                .groups
                .get(group)
                .is_some_and(|members| members.iter().any(|each| each == user)),
            None => subject == "*" || subject == user,
        }
    }
}

/// Whether a pattern is that of a text: `*` stands for any run of characters, slashes among them.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // The earliest place for each part leaves most for the next ones.
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_what_they_say() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("team/*", "team/a/b", true),
            ("team/*", "team", false),
            ("*/cache", "a/cache", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn groups_and_everybody() {
        let text = "[groups]\ndev = ['ann']\n[[rule]]\nusers = ['@dev']\nrepositories = ['*']\nrights = ['push']\n\
                    [[rule]]\nusers = ['*']\nrepositories = ['public/*']\nrights = ['pull']\n";
        let rules = Rules::parse(text).unwrap();
        for (user, repository, right, expected) in [
            ("ann", "x", Right::Push, Verdict::Allowed),
            ("bob", "x", Right::Push, Verdict::Denied),
            ("bob", "public/x", Right::Pull, Verdict::Allowed),
            ("bob", "x", Right::Pull, Verdict::Denied),
        ] {
            assert_eq!(
                rules.judge(user, repository, right),
                expected,
                "{user} {repository}"
            );
        }
        assert_eq!(
            Rules::default().judge("ann", "x", Right::Delete),
            Verdict::Allowed
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let rule = |users: &str| format!("[[rule]]\nusers = [{users}]\nrepositories = []\nrights = []\n");
        assert_eq!(
            Rules::parse(&rule("'@ops'")),
            Err(InvalidRule::Group("ops".into()))
        );
        assert!(matches!(
            Rules::parse("[[rule]]\nuser = 1"),
            Err(InvalidRule::Syntax(_))
        ));
    }
}
