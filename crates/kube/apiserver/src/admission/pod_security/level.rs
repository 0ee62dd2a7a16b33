//! What labels of a namespace say: a level and the version of its rules, for each of three modes.

use std::fmt;

use schema::field::{Error, Errors, Path};

/// How much pods may do, from all to little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Everything.
    Privileged,
    /// No known way out of the container.
    Baseline,
    /// Hardened.
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "privileged" => Ok(Self::Privileged),
            "baseline" => Ok(Self::Baseline),
            "restricted" => Ok(Self::Restricted),
            _ => Err("must be one of privileged, baseline, restricted"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// Whose rules: those of Kubernetes 1.x, or the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Minor(u32),
    Latest,
}

impl Version {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = r#"must be "latest" or "v1.x""#;
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let minor = text.strip_prefix("v1.").ok_or(WRONG)?;
        let digits = minor.bytes().all(|byte| byte.is_ascii_digit());
        let plain = digits && (minor == "0" || !minor.starts_with('0'));
        let minor = minor.parse().ok().filter(|_| plain);
        minor.map(Self::Minor).ok_or(WRONG)
    }

    /// The minor version to take the rules of.
    pub(super) const fn minor(self) -> u32 {
        match self {
            Self::Minor(minor) => minor,
            Self::Latest => u32::MAX,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minor(minor) => write!(f, "v1.{minor}"),
            Self::Latest => f.write_str("latest"),
        }
    }
}

/// A level of a version: `baseline:v1.30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LevelVersion {
    pub(super) level: Level,
    pub(super) version: Version,
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.level, self.version)
    }
}

/// What pods are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// What is refused.
    pub(super) enforce: LevelVersion,
    /// What the audit log is told of.
    pub(super) audit: LevelVersion,
    /// What clients are told of.
    pub(super) warn: LevelVersion,
}

impl Policy {
    /// What labels say, and what is wrong with them. A level to be enforced that cannot be read is the strictest; one
    /// that is only told of is none.
    pub(super) fn of<'a>(label: impl Fn(&str) -> Option<&'a str>) -> (Self, Errors) {
        let mut labels = Labels {
            label,
            errors: Errors::new(),
        };
        let (enforced, enforce_version) = (labels.level("enforce"), labels.version("enforce-version"));
        let (audited, audit_version) = (labels.level("audit"), labels.version("audit-version"));
        let (warned, warn_version) = (labels.level("warn"), labels.version("warn-version"));
        let enforce = LevelVersion {
            level: enforced.map_or(Level::Privileged, |level| level.unwrap_or(Level::Restricted)),
            version: enforce_version.unwrap_or(Version::Latest),
        };
        let told = |level: Option<Option<Level>>, version: Option<Version>| LevelVersion {
            level: level.flatten().unwrap_or(Level::Privileged),
            version: version.unwrap_or(Version::Latest),
        };
        let audit = told(audited, audit_version);
        let mut warn = told(warned, warn_version);
        // What would be refused is warned of, unless the labels say what to warn of.
        if warned.is_none() && matches!(enforced, Some(Some(_))) && enforce.level > warn.level {
            warn.level = enforce.level;
            warn.version = warn_version.unwrap_or(enforce.version);
        }
        let policy = Self { enforce, audit, warn };
        (policy, labels.errors)
    }

    /// Whether pods may do everything, and nobody is told.
    pub(super) fn is_privileged(&self) -> bool {
        let modes = [self.enforce, self.audit, self.warn];
        modes.iter().all(|mode| mode.level == Level::Privileged)
    }
}

struct Labels<F> {
    label: F,
    errors: Errors,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Labels<F> {
    /// The label's value; within, none if it cannot be read.
    fn read<T>(&mut self, mode: &str, parse: fn(&str) -> Result<T, &'static str>) -> Option<Option<T>> {
        let label = format!("pod-security.kubernetes.io/{mode}");
        let text = (self.label)(&label)?;
        let parsed = parse(text);
        if let Err(why) = &parsed {
            let path = Path::new("metadata").child("labels").key(&label);
            self.errors.push(Error::invalid(&path, text, *why));
        }
        Some(parsed.ok())
    }

    fn level(&mut self, mode: &str) -> Option<Option<Level>> {
        self.read(mode, Level::parse)
    }

    fn version(&mut self, mode: &str) -> Option<Version> {
        let version = self.read(mode, Version::parse)?;
        Some(version.unwrap_or(Version::Latest))
    }
}
