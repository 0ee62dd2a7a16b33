//! `docker volume prune`.

use super::{Volume, Volumes};
use crate::Error;

/// One `label` or `label!` filter: a key, or a key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    /// The label's key.
    pub key: String,
    /// Its value; absent for any.
    pub value: Option<String>,
    /// Whether volumes that have it are left alone (`label!`).
    pub absent: bool,
}

/// Which of the unused volumes go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Those with a name too, not only anonymous ones.
    pub all: bool,
    /// All of these have to match.
    pub labels: Vec<LabelFilter>,
}

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names.
    pub volumes: Vec<String>,
    /// Bytes.
    pub reclaimed: u64,
}

impl LabelFilter {
    /// Reads `KEY` or `KEY=VALUE`.
    #[must_use]
    pub fn parse(text: &str, absent: bool) -> Self {
        let (key, value) = text
            .split_once('=')
            .map_or((text, None), |(key, value)| (key, Some(value)));
        Self {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            absent,
        }
    }

    fn admits(&self, volume: &Volume) -> bool {
        let found = volume.labels.get(&self.key);
        let has = found.is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value));
        has != self.absent
    }
}

impl PruneFilter {
    fn admits(&self, volume: &Volume) -> bool {
        // A volume with options is somewhere else's data: upstream leaves it alone.
        volume.options.is_empty()
            && (self.all || volume.is_anonymous())
            && self.labels.iter().all(|label| label.admits(volume))
    }
}

impl Volumes {
    /// Removes unused volumes. What comes into use meanwhile, or cannot be removed, stays.
    ///
    /// # Errors
    /// None today; a volume that fails is told in the log.
    pub fn prune(&self, filter: &PruneFilter) -> Result<Pruned, Error> {
        let mut pruned = Pruned::default();
        for volume in self.list().iter().filter(|volume| filter.admits(volume)) {
            let size = self.size(&volume.name).unwrap_or(0);
            match self.remove(&volume.name, false) {
                Ok(()) => {
                    pruned.reclaimed += size;
                    pruned.volumes.push(volume.name.clone());
                }
                Err(Error::Conflict(_) | Error::NotFound(_)) => {}
                Err(error) => tracing::warn!(volume = volume.name, %error, "cannot prune a volume"),
            }
        }
        self.publish("", "prune", &[("reclaimed", &pruned.reclaimed.to_string())]);
        Ok(pruned)
    }
}
