//! `RUN --mount` and `RUN --device` (Dockerfile reference, "RUN --mount").

mod device;

pub use device::Device;

use super::{csv, suggest};
use crate::golang;

/// What is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that lasts from build to build.
    Cache,
    /// Memory.
    Tmpfs,
    /// A file, or a variable, that the client has.
    Secret,
    /// The client's agent.
    Ssh,
}

/// How builds share a cache at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

/// A `--mount`, its variables replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// What.
    pub kind: MountKind,
    /// The stage, context or image it is of.
    pub from: Option<String>,
    /// The path there; of a secret, its name.
    pub source: String,
    /// Where it goes.
    pub target: String,
    /// Nothing can be written to it.
    pub read_only: bool,
    /// Bytes of a tmpfs; 0 for no limit of its own.
    pub size: u64,
    /// The name of a cache, a secret or an agent.
    pub id: String,
    /// How a cache is shared, if that was said.
    pub sharing: Option<Sharing>,
    /// A secret or an agent without which the step fails.
    pub required: bool,
    /// The variable that a secret becomes.
    pub env: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

const KINDS: [(&str, MountKind); 5] = [
    ("bind", MountKind::Bind),
    ("cache", MountKind::Cache),
    ("secret", MountKind::Secret),
    ("ssh", MountKind::Ssh),
    ("tmpfs", MountKind::Tmpfs),
];

const SHARING: [(&str, Sharing); 3] = [
    ("locked", Sharing::Locked),
    ("private", Sharing::Private),
    ("shared", Sharing::Shared),
];

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

impl MountKind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether it is of the client's: a secret, or an agent.
    fn is_clients(self) -> bool {
        matches!(self, Self::Secret | Self::Ssh)
    }
}

impl Sharing {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        SHARING
            .iter()
            .find(|(_, sharing)| *sharing == self)
            .map_or("", |(name, _)| name)
    }
}

fn fields(written: &str) -> Result<Vec<String>, String> {
    csv::fields(written).map_err(|error| format!("failed to parse csv mounts: {error}"))
}

/// Refuses, before any variable is known, what no variable could mend.
///
/// # Errors
/// Upstream's sentence.
pub(super) fn check(written: &str) -> Result<(), String> {
    match from(written)? {
        Some(from) if from.find('$').is_some_and(|at| at + 1 != from.len()) => {
            Err("'from' doesn't support variable expansion, define alias stage instead".to_owned())
        }
        _ => Ok(()),
    }
}

fn from(written: &str) -> Result<Option<String>, String> {
    let fields = fields(written)?;
    let of = |field: &String| {
        let (key, value) = field.split_once('=')?;
        key.eq_ignore_ascii_case("from").then(|| value.to_owned())
    };
    Ok(fields
        .iter()
        .filter_map(of)
        .next_back()
        .filter(|from| !from.is_empty()))
}

impl Mount {
    /// What a mount as written is mounted from, if it is a stage or an image.
    #[must_use]
    pub fn from_of(written: &str) -> Option<String> {
        from(written).ok().flatten()
    }

    /// Reads a mount; `expand` replaces variables in its values.
    ///
    /// # Errors
    /// Upstream's sentence, or that of the expansion.
    pub fn parse(
        written: &str,
        expand: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let mut mount = Self::default();
        let mut read_only = None;
        for field in fields(written)? {
            match field.split_once('=') {
                Some((key, value)) => {
                    mount.set(&key.to_lowercase(), &expand(value)?, &field, &mut read_only)?;
                }
                None => mount.switch(&field, &mut read_only)?,
            }
        }
        let writable = matches!(mount.kind, MountKind::Cache | MountKind::Tmpfs);
        mount.read_only = read_only.unwrap_or(!writable);
        mount.judge()?;
        Ok(mount)
    }

    /// A key without a value.
    fn switch(&mut self, field: &str, read_only: &mut Option<bool>) -> Result<(), String> {
        match field.to_lowercase().as_str() {
            "readonly" | "ro" => *read_only = Some(true),
            "readwrite" | "rw" => *read_only = Some(false),
            key @ "required" => {
                self.only_for(key, self.kind.is_clients())?;
                self.required = true;
            }
            _ => return Err(format!("invalid field '{field}' must be a key=value pair")),
        }
        Ok(())
    }

    fn set(
        &mut self,
        key: &str,
        value: &str,
        field: &str,
        read_only: &mut Option<bool>,
    ) -> Result<(), String> {
        match key {
            "type" => self.kind = one_of(&KINDS, value, "mount type")?,
            "from" => self.from = Some(value.to_owned()).filter(|from| !from.is_empty()),
            "source" | "src" => value.clone_into(&mut self.source),
            "target" | "dst" | "destination" => value.clone_into(&mut self.target),
            "readonly" | "ro" => *read_only = Some(boolean(key, value)?),
            "readwrite" | "rw" => *read_only = Some(!boolean(key, value)?),
            "required" => {
                self.only_for(key, self.kind.is_clients())?;
                self.required = boolean(key, value)?;
            }
            "size" => {
                self.only_for(key, self.kind == MountKind::Tmpfs)?;
                self.size = size(value).ok_or_else(|| format!("invalid value for {key}: {value}"))?;
            }
            "id" => value.clone_into(&mut self.id),
            "sharing" => self.sharing = Some(one_of(&SHARING, value, "sharing value")?),
            "mode" => self.mode = Some(number(value, 8, key)?),
            "uid" => self.uid = Some(number(value, 10, key)?),
            "gid" => self.gid = Some(number(value, 10, key)?),
            "env" => self.env = Some(value.to_owned()),
            _ => {
                let sentence = format!("unexpected key '{key}' in '{field}'");
                return Err(suggest::hinted(sentence, key, KEYS, true));
            }
        }
        Ok(())
    }

    fn only_for(&self, key: &str, fits: bool) -> Result<(), String> {
        if fits {
            return Ok(());
        }
        Err(format!(
            "unexpected key '{key}' for mount type '{}'",
            self.kind.name()
        ))
    }

    /// What does not go together.
    fn judge(&self) -> Result<(), String> {
        let name = self.kind.name();
        let owned = [
            ("mode", self.mode.is_some()),
            ("uid", self.uid.is_some()),
            ("gid", self.gid.is_some()),
        ];
        let has_owner = self.kind.is_clients() || self.kind == MountKind::Cache;
        if let Some((key, _)) = owned.iter().find(|(_, given)| *given && !has_owner) {
            return Err(format!(
                "{key} not allowed for {} type mounts",
                golang::quote(name)
            ));
        }
        if self.kind == MountKind::Secret {
            self.judge_secret()?;
        }
        if self.sharing.is_some() && self.kind != MountKind::Cache {
            return Err(format!("invalid cache sharing set for {name} mount"));
        }
        Ok(())
    }

    fn judge_secret(&self) -> Result<(), String> {
        let wrong = [
            (self.from.is_some(), "secret mount should not have a from"),
            (self.sharing.is_some(), "secret mount should not define sharing"),
            (
                self.source.is_empty() && self.target.is_empty() && self.id.is_empty(),
                "invalid secret mount. one of source, target required",
            ),
            (
                !self.source.is_empty() && !self.id.is_empty(),
                "both source and id can't be set",
            ),
        ];
        match wrong.iter().find(|(wrong, _)| *wrong) {
            Some((_, sentence)) => Err((*sentence).to_owned()),
            None => Ok(()),
        }
    }
}

fn one_of<T: Copy>(table: &[(&'static str, T)], value: &str, what: &str) -> Result<T, String> {
    let lower = value.to_lowercase();
    let found = table.iter().find(|(name, _)| *name == lower);
    found.map(|(_, known)| *known).ok_or_else(|| {
        let sentence = format!("unsupported {what} {}", golang::quote(value));
        suggest::hinted(sentence, value, table.iter().map(|(name, _)| *name), true)
    })
}

/// Go's `strconv.ParseBool`.
fn boolean(key: &str, value: &str) -> Result<bool, String> {
    golang::parse_bool(value).ok_or_else(|| format!("invalid value for {key}: {value}"))
}

fn number(value: &str, radix: u32, key: &str) -> Result<u32, String> {
    let plain = !value.starts_with('+');
    let number = u32::from_str_radix(value, radix).ok().filter(|_| plain);
    number.ok_or_else(|| format!("invalid value {value} for {key}"))
}

/// `1.5g`, `64k`, `10MiB`, `512`: bytes in powers of 1024.
fn size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (amount, unit) = text.split_at(digits);
    let amount: f64 = amount.parse().ok()?;
    let unit = unit.trim_start().to_lowercase();
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let bytes = amount * 1024_f64.powi(power);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked just before"
    )]
    (bytes < 9.2e18).then_some(bytes as u64)
}

#[cfg(test)]
mod tests;
