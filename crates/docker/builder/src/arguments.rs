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

/// Arguments that are told to the builder and are never variables.
pub(crate) const NOT_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// The argument that says when everything was made.
pub(crate) const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// At most so many bytes are the values of a stage's variables: they multiply where each is made of
/// the one before.
const MAX_VARIABLES: usize = 16 << 20;

/// The `ARG`s of a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// With their defaults.
    defaults: BTreeMap<String, Option<String>>,
    /// Those that stand after an `ENV` of their name and win over it (BuildKit).
    winning: BTreeSet<String>,
    /// Their names, in the order of their first `ARG`s.
    order: Vec<String>,
}

/// The arguments of a build, as seen from one stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// Of this stage.
    allowed: Declared,
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
            platform: automatic(build, target, "default", &known(&given)),
            given,
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
        if !self.allowed.defaults.contains_key(&definition.name) {
            self.allowed.order.push(definition.name.clone());
        }
        self.allowed.defaults.insert(definition.name, definition.value);
    }

    /// An `ARG` of the stage that wins over the `ENV`s of its name before it, if it is worth anything.
    pub(crate) fn define_over(&mut self, definition: ArgDefinition) {
        let name = definition.name.clone();
        self.define(definition);
        if self.value(&name, &self.allowed.defaults).is_some() {
            self.allowed.winning.insert(name);
        }
    }

    /// An `ENV`, over which an `ARG` before it does not win.
    pub(crate) fn set(&mut self, name: &str) {
        self.allowed.winning.remove(name);
    }

    /// Counts everything as mentioned that others have mentioned.
    pub(crate) fn mention_all(&mut self, others: &Self) {
        self.mentioned.extend(others.mentioned.iter().cloned());
    }

    /// Counts an `ARG` as mentioned that is not reached, because its stage is not needed.
    pub(crate) fn mention(&mut self, name: &str) {
        self.mentioned.insert(name.to_owned());
    }

    /// Names the stage that is built (`TARGETSTAGE`).
    pub(crate) fn set_target(&mut self, stage: &str) {
        self.platform.insert("TARGETSTAGE".to_owned(), stage.to_owned());
    }

    /// Begins a stage: with what the stage allowed that it starts from.
    pub(crate) fn begin_stage(&mut self, inherited: Declared) {
        self.allowed = inherited;
    }

    /// What the stage allows so far.
    pub(crate) fn declared(&self) -> Declared {
        self.allowed.clone()
    }

    /// The value of an argument that speaks to the builder: the client's, or the file's own.
    pub(crate) fn of_builder(&self, name: &str) -> Option<String> {
        self.value(name, &self.meta).filter(|value| !value.is_empty())
    }

    /// Refuses variables that are too large together.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn check_size(variables: &BTreeMap<String, String>) -> Result<(), String> {
        let size: usize = variables
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if size > MAX_VARIABLES {
            return Err(format!(
                "the variables of a stage are larger than {MAX_VARIABLES} bytes"
            ));
        }
        Ok(())
    }

    /// What `FROM` and the values of meta `ARG`s may use.
    pub(crate) fn meta_variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.platform.clone();
        variables.extend(self.values(&self.meta));
        variables
    }

    /// What the stage's instructions may use besides its environment: names not in `environment`.
    pub(crate) fn variables(&self, environment: &[String]) -> BTreeMap<String, String> {
        let mut variables = self.values(&self.allowed.defaults);
        let is_set = |name: &str| environment.iter().any(|entry| name_of(entry) == name);
        variables.retain(|name, _| self.allowed.winning.contains(name) || !is_set(name));
        variables
    }

    /// What an argument of the stage is worth.
    pub(crate) fn worth(&self, name: &str) -> Option<String> {
        self.value(name, &self.allowed.defaults)
    }

    /// The stage's arguments in the order in which it names them, each with what a command sees of that name.
    pub(crate) fn in_order(&self, environment: &[String]) -> Vec<String> {
        let arguments = self.variables(environment);
        let scope = Scope {
            environment,
            arguments: &arguments,
        };
        let names = self.allowed.order.iter();
        names
            .map(|name| format!("{name}={}", scope.get(name).unwrap_or_default()))
            .collect()
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

    /// Says what an argument is worth, whoever has said so before; nothing, if it is worth nothing.
    pub(crate) fn replace(&mut self, name: &str, value: Option<&str>) {
        for place in [&mut self.given, &mut self.meta] {
            if place.contains_key(name) {
                place.insert(name.to_owned(), value.map(str::to_owned));
            }
        }
    }

    /// Whether the client has given a value.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(Option::is_some)
    }

    /// The proxies that commands see, in both cases of their names, as BuildKit gives them.
    pub(crate) fn proxies(&self) -> Vec<String> {
        let proxies = PREDEFINED.chunks(2).filter_map(|names| {
            let value = names
                .iter()
                .rev()
                .find_map(|name| self.given.get(*name)?.clone())?;
            Some(names.iter().map(move |name| format!("{name}={value}")))
        });
        proxies.flatten().collect()
    }

    /// Whether an argument is part of what a step is: a proxy is not, unless an `ARG` names it.
    pub(crate) fn is_persistent(&self, name: &str) -> bool {
        self.allowed.defaults.contains_key(name) || !PREDEFINED.contains(&name)
    }

    /// Upstream's warning about arguments that no `ARG` mentions.
    pub(crate) fn warning(&self) -> Option<String> {
        let consumed = |name: &str| {
            self.mentioned.contains(name)
                || PREDEFINED.contains(&name)
                || name == SOURCE_DATE_EPOCH
                || name.starts_with("BUILDKIT_")
        };
        let left: Vec<&String> = self.given.keys().filter(|name| !consumed(name)).collect();
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

fn known(given: &BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    let known = given
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    known.collect()
}

/// The automatic arguments (Dockerfile reference, "Automatic platform ARGs"). Those that are given
/// are as they are given.
pub(crate) fn automatic(
    build: &Platform,
    target: &Platform,
    stage: &str,
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
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
            ("OSVERSION", String::new()),
            ("ARCH", platform.architecture.clone()),
            ("VARIANT", variant),
        ];
        parts.map(|(part, value)| (format!("{prefix}{part}"), value))
    };
    let stage = ("TARGETSTAGE".to_owned(), stage.to_owned());
    let automatic = of("BUILD", build)
        .into_iter()
        .chain(of("TARGET", target))
        .chain([stage]);
    automatic
        .map(|(name, value)| {
            let value = given.get(&name).cloned().unwrap_or(value);
            (name, value)
        })
        .collect()
}

/// An environment, and the arguments that count beside it ([`Arguments::variables`]).
pub(crate) struct Scope<'a> {
    pub(crate) environment: &'a [String],
    pub(crate) arguments: &'a BTreeMap<String, String>,
}

impl Variables for Scope<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.arguments.get(name) {
            return Some(value);
        }
        let set = self.environment.iter().rev().find(|entry| name_of(entry) == name);
        set.map(|entry| entry.get(name.len() + 1..).unwrap_or_default())
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
        arguments.begin_stage(Declared::default());
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
        let declared = arguments.declared();
        arguments.begin_stage(Declared::default());
        assert!(!arguments.variables(&[]).contains_key("G"));
        // A stage upon it has what it had.
        arguments.begin_stage(declared);
        assert_eq!(arguments.variables(&[])["G"], "given");
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
    fn the_environment_wins_unless_an_argument_is_told_to() {
        let mut arguments = arguments(&[("G", Some("given"))]);
        arguments.begin_stage(Declared::default());
        for name in ["A", "G", "U"] {
            arguments.define(definition(name, (name == "A").then_some("arg")));
        }
        let environment = ["A=one", "A=two", "G=env", "U=env"].map(str::to_owned);
        let seen = |arguments: &Arguments| {
            let arguments = arguments.variables(&environment);
            let scope = Scope {
                environment: &environment,
                arguments: &arguments,
            };
            ["A", "G", "U", "X"].map(|name| scope.get(name).map(str::to_owned).unwrap_or_default())
        };
        assert_eq!(seen(&arguments), ["two", "env", "env", ""]);
        for name in ["A", "G", "U"] {
            arguments.define_over(definition(name, (name == "A").then_some("arg")));
        }
        // One that is worth nothing wins over nothing.
        assert_eq!(seen(&arguments), ["arg", "given", "env", ""]);
        let declared = arguments.declared();
        arguments.begin_stage(declared);
        arguments.set("A");
        assert_eq!(seen(&arguments), ["two", "given", "env", ""]);
    }
}
