//! What is known of a stage at one of its instructions.

use std::collections::{BTreeMap, BTreeSet};

use super::Base;
use crate::dockerfile;

/// A stage at one of its instructions.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) variables: BTreeMap<String, String>,
    /// The base is not known, so any variable may be set.
    pub(super) unknown: bool,
    /// Names of `ARG`s, with a value or without.
    pub(super) declared: BTreeSet<String>,
    pub(super) shell: bool,
    pub(super) workdir: bool,
    pub(super) triggers: Vec<String>,
    /// Triggers of this stage for those upon it.
    pub(super) sets_triggers: Vec<String>,
    pub(super) once: BTreeMap<&'static str, dockerfile::Span>,
}

impl State {
    pub(super) fn of(base: &Base) -> Self {
        let pair = |entry: &String| {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            (name.to_owned(), value.to_owned())
        };
        let mut variables: BTreeMap<_, _> = base.env.iter().map(pair).collect();
        let path = crate::config::DEFAULT_PATH.to_owned();
        variables.entry("PATH".to_owned()).or_insert(path);
        Self {
            variables,
            shell: base.shell,
            triggers: base.on_build.clone(),
            ..Self::default()
        }
    }

    pub(super) fn unknown() -> Self {
        Self {
            unknown: true,
            ..Self::of(&Base::default())
        }
    }

    /// What a stage upon this one begins with.
    pub(super) fn inherited(&self) -> Self {
        Self {
            triggers: self.sets_triggers.clone(),
            sets_triggers: Vec::new(),
            once: BTreeMap::new(),
            ..self.clone()
        }
    }
}
