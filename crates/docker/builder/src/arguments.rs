//! `ARG`s: which are allowed where, and what they are worth (Dockerfile reference, "ARG").
//!
//! An argument counts in a stage only from its `ARG` on. Its value is the client's, else its
//! default, else that of the `ARG` of the same name before the first `FROM`. Proxy arguments need
//! no `ARG`, and are kept out of the cache's keys and the history unless they have one.

use std::collections::{BTreeMap, BTreeSet};

use image::Platform;

use crate::dockerfile::{ArgDefinition, Variables};
use crate::golang;

/// Arguments that every build has without an `ARG`.
const PREDEFINED: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The arguments of a build, as seen from one stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// Of this stage.
    allowed: BTreeMap<String, Option<String>>,
    /// Before the first `FROM`.
    meta: BTreeMap<String, Option<String>>,
    /// Every name that an `ARG` has mentioned.
    mentioned: BTreeSet<String>,
    /// The client's.
    given: BTreeMap<String, Option<String>>,
    /// `TARGETPLATFORM` and its kin.
    platform: BTreeMap<String, String>,
}

impl Arguments {
    pub(crate) fn new(given: BTreeMap<String, Option<String>>, build: &Platform, target: &Platform) -> Self {
        Self {
            given,
            platform: platform_arguments(build, target),
            ..Self::default()
        }
    }

    /// An `ARG` before the first `FROM`.
    pub(crate) fn define_meta(&mut self, definition: ArgDefinition) {
        self.mentioned.insert(definition.name.clone());
        self.meta.insert(definition.name, definition.value);
    }

    /// An `ARG` of the stage.
    pub(crate) fn define(&mut self, definition: ArgDefinition) {
        self.mentioned.insert(definition.name.clone());
        self.allowed.insert(definition.name, definition.value);
    }

    /// Counts an `ARG` as mentioned that is not reached, because its stage is not needed.
    pub(crate) fn mention(&mut self, name: &str) {
        self.mentioned.insert(name.to_owned());
    }

    /// Forgets what the last stage allowed.
    pub(crate) fn begin_stage(&mut self) {
        self.allowed.clear();
    }

    /// What `FROM` and the values of meta `ARG`s may use.
    pub(crate) fn meta_variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.platform.clone();
        variables.extend(self.values(&self.meta));
        variables
    }

    /// What the stage's instructions may use besides its environment: names not in `environment`.
    pub(crate) fn variables(&self, environment: &[String]) -> BTreeMap<String, String> {
        let mut variables = self.values(&self.allowed);
        variables.retain(|name, _| !environment.iter().any(|entry| name_of(entry) == name));
        variables
    }

    fn values(&self, defined: &BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
        let names = defined.keys().map(String::as_str).chain(PREDEFINED);
        names
            .filter_map(|name| Some((name.to_owned(), self.value(name, defined)?)))
            .collect()
    }

    fn value(&self, name: &str, defined: &BTreeMap<String, Option<String>>) -> Option<String> {
        let value = |map: &BTreeMap<String, Option<String>>| map.get(name).cloned().flatten();
        value(&self.given)
            .or_else(|| value(defined))
            .or_else(|| value(&self.meta))
            .or_else(|| self.platform.get(name).cloned())
    }

    /// Whether an argument is part of what a step is: a proxy is not, unless an `ARG` names it.
    pub(crate) fn is_persistent(&self, name: &str) -> bool {
        self.allowed.contains_key(name) || !PREDEFINED.contains(&name)
    }

    /// Upstream's warning about arguments that no `ARG` mentions.
    pub(crate) fn warning(&self) -> Option<String> {
        let known = |name: &&String| !self.mentioned.contains(*name) && !PREDEFINED.contains(&name.as_str());
        let left: Vec<&String> = self.given.keys().filter(known).collect();
        (!left.is_empty()).then(|| {
            format!(
                "[Warning] One or more build-args {} were not consumed\n",
                golang::plain_list(&left)
            )
        })
    }
}

/// `NAME` of `NAME=value`.
pub(crate) fn name_of(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

/// The automatic arguments (Dockerfile reference, "Automatic platform ARGs").
fn platform_arguments(build: &Platform, target: &Platform) -> BTreeMap<String, String> {
    let of = |prefix: &'static str, platform: &Platform| {
        let variant = platform.variant.clone().unwrap_or_default();
        let mut whole = format!("{}/{}", platform.os, platform.architecture);
        if !variant.is_empty() {
            whole.push('/');
            whole.push_str(&variant);
        }
        let parts = [
            ("PLATFORM", whole),
            ("OS", platform.os.clone()),
            ("ARCH", platform.architecture.clone()),
            ("VARIANT", variant),
        ];
        parts.map(|(part, value)| (format!("{prefix}{part}"), value))
    };
    of("BUILD", build)
        .into_iter()
        .chain(of("TARGET", target))
        .collect()
}

/// An environment with arguments behind it.
pub(crate) struct Scope<'a> {
    pub(crate) environment: &'a [String],
    pub(crate) arguments: &'a BTreeMap<String, String>,
}

impl Variables for Scope<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let set = self.environment.iter().rev().find(|entry| name_of(entry) == name);
        match set {
            Some(entry) => Some(entry.get(name.len() + 1..).unwrap_or_default()),
            None => self.arguments.get(name).map(String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, value: Option<&str>) -> ArgDefinition {
        ArgDefinition {
            name: name.into(),
            value: value.map(str::to_owned),
        }
    }

    fn arguments(given: &[(&str, Option<&str>)]) -> Arguments {
        let given = given
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned)))
            .collect();
        let platform = Platform {
            architecture: "arm64".into(),
            os: "linux".into(),
            variant: Some("v8".into()),
        };
        Arguments::new(given, &platform, &platform)
    }

    #[test]
    fn scopes() {
        let mut arguments = arguments(&[("G", Some("given")), ("HTTP_PROXY", Some("p")), ("U", None)]);
        arguments.define_meta(definition("M", Some("meta")));
        assert_eq!(arguments.meta_variables()["M"], "meta");
        assert_eq!(arguments.meta_variables()["TARGETPLATFORM"], "linux/arm64/v8");
        arguments.begin_stage();
        assert_eq!(
            arguments.variables(&[]).keys().collect::<Vec<_>>(),
            ["HTTP_PROXY"]
        );
        for name in ["M", "G", "U", "TARGETARCH"] {
            arguments.define(definition(name, None));
        }
        arguments.define(definition("D", Some("default")));
        let seen = arguments.variables(&["D=env".into()]);
        let expected = [
            ("G", "given"),
            ("HTTP_PROXY", "p"),
            ("M", "meta"),
            ("TARGETARCH", "arm64"),
        ];
        assert_eq!(
            seen.iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect::<Vec<_>>(),
            expected
        );
        arguments.begin_stage();
        assert!(!arguments.variables(&[]).contains_key("G"));
    }

    #[test]
    fn the_warning_names_what_nobody_mentions() {
        let mut arguments = arguments(&[
            ("A", Some("1")),
            ("B", None),
            ("C", Some("1")),
            ("no_proxy", None),
        ]);
        arguments.define(definition("A", None));
        assert_eq!(
            arguments.warning().unwrap(),
            "[Warning] One or more build-args [B C] were not consumed\n"
        );
        arguments.mention("B");
        arguments.mention("C");
        assert_eq!(arguments.warning(), None);
    }

    #[test]
    fn the_environment_wins() {
        let arguments = BTreeMap::from([
            ("A".to_owned(), "arg".to_owned()),
            ("B".to_owned(), "arg".to_owned()),
        ]);
        let environment = ["A=one".to_owned(), "A=two".to_owned()];
        let scope = Scope {
            environment: &environment,
            arguments: &arguments,
        };
        assert_eq!(
            (scope.get("A"), scope.get("B"), scope.get("C")),
            (Some("two"), Some("arg"), None)
        );
    }
}
