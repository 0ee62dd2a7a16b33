//! Flags of instructions: `--name=value` before the arguments.

use std::collections::BTreeMap;

/// Which values a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// `--flag`, `--flag=true`, `--flag=false`.
    Bool,
    /// One value.
    One,
    /// A value each time it is given.
    Many,
}

/// A flag that an instruction knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// Only BuildKit honours it.
    pub(super) buildkit: bool,
}

const fn known(name: &'static str, takes: Takes, buildkit: bool) -> Known {
    Known {
        name,
        takes,
        buildkit,
    }
}

/// Flags of `FROM`.
pub(super) const FROM: &[Known] = &[known("platform", Takes::One, false)];
/// Flags of `RUN`, none of which the classic builder honours.
pub(super) const RUN: &[Known] = &[
    known("mount", Takes::Many, true),
    known("network", Takes::One, true),
    known("security", Takes::One, true),
    known("device", Takes::Many, true),
];
/// Flags of `COPY`.
pub(super) const COPY: &[Known] = &[
    known("from", Takes::One, false),
    known("chown", Takes::One, false),
    known("chmod", Takes::One, false),
    known("link", Takes::Bool, true),
    known("parents", Takes::Bool, true),
    known("exclude", Takes::Many, true),
];
/// Flags of `ADD`.
pub(super) const ADD: &[Known] = &[
    known("chown", Takes::One, false),
    known("chmod", Takes::One, false),
    known("link", Takes::Bool, true),
    known("keep-git-dir", Takes::Bool, true),
    known("checksum", Takes::One, true),
    known("unpack", Takes::Bool, true),
    known("exclude", Takes::Many, true),
];
/// Flags of `HEALTHCHECK CMD`.
pub(super) const HEALTHCHECK: &[Known] = &[
    known("interval", Takes::One, false),
    known("timeout", Takes::One, false),
    known("start-period", Takes::One, false),
    known("start-interval", Takes::One, false),
    known("retries", Takes::One, false),
];

/// The flags of an instruction that is known not to have others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    values: BTreeMap<&'static str, Vec<String>>,
    /// The first one that only BuildKit honours.
    pub(super) unsupported: Option<&'static str>,
}

impl Flags {
    pub(super) fn parse(written: &[String], table: &[Known]) -> Result<Self, String> {
        let mut flags = Self::default();
        written.iter().try_for_each(|flag| flags.add(flag, table))?;
        Ok(flags)
    }

    fn add(&mut self, written: &str, table: &[Known]) -> Result<(), String> {
        let flag = written.strip_prefix("--").unwrap_or(written);
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let known = table
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(|| format!("Unknown flag: {name}"))?;
        if self.values.contains_key(known.name) && known.takes != Takes::Many {
            return Err(format!("Duplicate flag specified: {name}"));
        }
        let value = known.takes.check(name, value)?;
        self.values.entry(known.name).or_default().push(value);
        if known.buildkit {
            self.unsupported = self.unsupported.or(Some(known.name));
        }
        Ok(())
    }

    /// The value of a flag that was given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .and_then(|values| values.last())
            .map(String::as_str)
    }

    /// The value of a flag that was given and is not empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }
}

impl Takes {
    fn check(self, name: &str, value: Option<&str>) -> Result<String, String> {
        match (self, value) {
            (Self::One | Self::Many, None) | (Self::Bool, Some("")) => {
                Err(format!("Missing a value on flag: {name}"))
            }
            (Self::One | Self::Many, Some(value)) => Ok(value.to_owned()),
            (Self::Bool, None) => Ok("true".to_owned()),
            (Self::Bool, Some(value)) => match value.to_lowercase().as_str() {
                value @ ("true" | "false") => Ok(value.to_owned()),
                _ => Err(format!("Expecting boolean value for flag {name}, not: {value}")),
            },
        }
    }
}
