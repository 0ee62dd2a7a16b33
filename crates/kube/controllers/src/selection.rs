//! Which controllers run: upstream's `--controllers`, with upstream's names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Every controller, and which other one keeps what it looks into.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("certificatesigningrequest-signing-controller", None),
    ("clusterrole-aggregation-controller", None),
    ("deployment-controller", Some("replicaset-controller")),
    ("endpoints-controller", None),
    ("endpointslice-controller", None),
    ("garbage-collector-controller", None),
    ("job-controller", Some("replicaset-controller")),
    ("namespace-controller", None),
    ("node-lifecycle-controller", None),
    ("persistentvolume-protection-controller", None),
    ("persistentvolumeclaim-protection-controller", None),
    ("pod-garbage-collector-controller", None),
    ("replicaset-controller", None),
    ("resourcequota-controller", None),
    ("root-ca-certificate-publisher-controller", None),
    ("serviceaccount-controller", None),
    ("serviceaccount-token-controller", None),
    ("taint-eviction-controller", None),
    ("ttl-after-finished-controller", None),
    ("validatingadmissionpolicy-status-controller", None),
    ("volumeattributesclass-protection-controller", None),
];

/// A list of names, the first that fits decides: `foo` runs it, `-foo` does not, `*` runs all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selection(String);

/// A list that selects nothing that makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelection {
    /// Nobody has this name.
    #[error("{0:?} is not in the list of known controllers")]
    Unknown(String),
    /// One without the other sees nothing.
    #[error("{0} does not run without {1}")]
    Alone(&'static str, &'static str),
}

impl Selection {
    /// Whether a controller runs.
    pub fn runs(&self, name: &str) -> bool {
        let words: Vec<&str> = self.words().collect();
        if words.contains(&name) {
            return true;
        }
        let refused = words.iter().any(|word| word.strip_prefix('-') == Some(name));
        !refused && words.contains(&"*")
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').map(str::trim)
    }

    fn check(&self) -> Result<(), InvalidSelection> {
        let known = |word: &str| {
            word == "*"
                || KNOWN
                    .iter()
                    .any(|(name, _)| *name == word.trim_start_matches('-'))
        };
        if let Some(word) = self.words().find(|word| !known(word)) {
            return Err(InvalidSelection::Unknown(word.to_owned()));
        }
        for (name, needs) in KNOWN {
            if let Some(needs) = needs.filter(|needs| self.runs(name) && !self.runs(needs)) {
                return Err(InvalidSelection::Alone(name, needs));
            }
        }
        Ok(())
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self("*".to_owned())
    }
}

impl FromStr for Selection {
    type Err = InvalidSelection;

    fn from_str(text: &str) -> Result<Self, InvalidSelection> {
        let selection = Self(text.to_owned());
        selection.check().map(|()| selection)
    }
}

impl TryFrom<String> for Selection {
    type Error = InvalidSelection;

    fn try_from(text: String) -> Result<Self, InvalidSelection> {
        text.parse()
    }
}

impl From<Selection> for String {
    fn from(selection: Selection) -> Self {
        selection.0
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_star_runs_all_that_are_not_refused() {
        let of = |text: &str| text.parse::<Selection>().unwrap();
        assert!(Selection::default().runs("job-controller"));
        assert!(!of("*,-job-controller").runs("job-controller"));
        assert!(of("*, -job-controller").runs("namespace-controller"));
        assert!(of("namespace-controller").runs("namespace-controller"));
        assert!(!of("namespace-controller").runs("job-controller"));
    }

    #[test]
    fn what_cannot_run_is_refused() {
        for (text, message) in [
            ("", "\"\" is not in the list of known controllers"),
            ("*,-nobody", "\"-nobody\" is not in the list of known controllers"),
            (
                "*,-replicaset-controller",
                "deployment-controller does not run without replicaset-controller",
            ),
        ] {
            assert_eq!(text.parse::<Selection>().unwrap_err().to_string(), message);
        }
    }
}
