//! Flags of instructions: `--name=value` before the arguments.

use std::collections::BTreeMap;

use super::suggest;

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

use Takes::{Bool, Many, One};

/// The flags that an instruction knows.
pub(super) type Table = &'static [(&'static str, Takes)];

/// Flags of `FROM`.
const FROM: Table = &[("platform", One)];
/// Flags of `RUN`.
const RUN: Table = &[
    ("mount", Many),
    ("network", One),
    ("security", One),
    ("device", Many),
];
/// Flags of `COPY`.
const COPY: Table = &[
    ("from", One),
    ("chown", One),
    ("chmod", One),
    ("link", Bool),
    ("parents", Bool),
    ("exclude", Many),
];
/// Flags of `ADD`.
const ADD: Table = &[
    ("chown", One),
    ("chmod", One),
    ("link", Bool),
    ("keep-git-dir", Bool),
    ("checksum", One),
    ("unpack", Bool),
    ("exclude", Many),
];
/// Flags of `HEALTHCHECK CMD`.
const HEALTHCHECK: Table = &[
    ("interval", One),
    ("timeout", One),
    ("start-period", One),
    ("start-interval", One),
    ("retries", One),
];

/// The flags of an instruction.
pub(super) fn table(keyword: &str) -> Table {
    match keyword {
        "ADD" => ADD,
        "COPY" => COPY,
        "FROM" => FROM,
        "HEALTHCHECK" => HEALTHCHECK,
        "RUN" => RUN,
        _ => &[],
    }
}

/// The flags of an instruction that is known not to have others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Flags {
    pub(super) fn parse(written: &[String], table: Table) -> Result<Self, String> {
        let mut flags = Self::default();
        written.iter().try_for_each(|flag| flags.add(flag, table))?;
        Ok(flags)
    }

    fn add(&mut self, written: &str, table: Table) -> Result<(), String> {
        let flag = written.strip_prefix("--").unwrap_or(written);
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let Some((known, takes)) = table.iter().find(|(known, _)| *known == name) else {
            let names = table.iter().map(|(name, _)| *name);
            return Err(suggest::hinted(
                format!("unknown flag: --{name}"),
                name,
                names,
                true,
            ));
        };
        if self.values.contains_key(known) && *takes != Many {
            return Err(format!("duplicate flag specified: --{name}"));
        }
        let value = takes.check(name, value)?;
        self.values.entry(known).or_default().push(value);
        Ok(())
    }

    /// The value of a switch that was given.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value == "true")
    }

    /// The values of a flag that may be given several times.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.values.get(name).cloned().unwrap_or_default()
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
                Err(format!("missing a value on flag: --{name}"))
            }
            (Self::One | Self::Many, Some(value)) => Ok(value.to_owned()),
            (Self::Bool, None) => Ok("true".to_owned()),
            (Self::Bool, Some(value)) => match value.to_lowercase().as_str() {
                value @ ("true" | "false") => Ok(value.to_owned()),
                _ => Err(format!("expecting boolean value for flag --{name}, not: {value}")),
            },
        }
    }
}
