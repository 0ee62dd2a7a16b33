//! Rows of what comes from registries and goes to them: manifests, blobs of repositories, compressed layers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::{Algorithm, Descriptor, Digest};

/// `/manifests/HEX`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestRow {
    pub(crate) v: u8,
    pub(crate) media_type: String,
    /// Its very bytes; they are JSON, hence a text. One that is too long for a row is a blob.
    pub(crate) bytes: Option<String>,
}

/// `/registry/blob/REPOSITORY/HEX`: the repository has the blob, or has it no more although manifests there name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkRow {
    pub(crate) v: u8,
    /// Since when.
    pub(crate) time: Timestamp,
    /// Whether a loss of power may have taken the blob's bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unsettled: bool,
    /// Whether it was deleted there while something that has a name there needs it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
}

/// What names a [`LinkRow`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkName {
    pub(crate) repository: String,
    pub(crate) digest: Digest,
}

/// `/compressed/HEX-ALGORITHM` (the diff id): the blob that is this layer compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompressedRow {
    pub(crate) v: u8,
    pub(crate) blob: Descriptor,
}

/// What names a [`CompressedRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CompressedName {
    pub(crate) diff_id: Digest,
    pub(crate) algorithm: Algorithm,
}

impl ManifestRow {
    pub(crate) fn new(media_type: &str, bytes: Option<String>) -> Self {
        Self {
            v: VERSION,
            media_type: media_type.to_owned(),
            bytes,
        }
    }
}

impl LinkRow {
    pub(crate) const fn new(time: Timestamp) -> Self {
        Self {
            v: VERSION,
            time,
            unsettled: false,
            deleted: false,
        }
    }

    pub(crate) const fn deleted(time: Timestamp) -> Self {
        Self {
            deleted: true,
            ..Self::new(time)
        }
    }

    pub(crate) const fn unsettled(time: Timestamp) -> Self {
        Self {
            unsettled: true,
            ..Self::new(time)
        }
    }
}

impl std::fmt::Display for LinkName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.repository, self.digest.hex())
    }
}

impl LinkName {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (repository, hex) = text.rsplit_once('/')?;
        Some(Self {
            repository: repository.to_owned(),
            digest: Digest::from_hex(hex).ok()?,
        })
    }
}

impl CompressedRow {
    pub(crate) const fn new(blob: Descriptor) -> Self {
        Self { v: VERSION, blob }
    }
}

impl std::fmt::Display for CompressedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.diff_id.hex(), self.algorithm.name())
    }
}

impl CompressedName {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (hex, name) = text.split_once('-')?;
        let named = |algorithm: &Algorithm| algorithm.name() == name;
        Some(Self {
            diff_id: Digest::from_hex(hex).ok()?,
            algorithm: [Algorithm::Gzip, Algorithm::Zstd].into_iter().find(named)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_of_rows_are_read_again() {
        let digest = Digest::from_hex(HEX).unwrap();
        let link = LinkName {
            repository: "localhost:5000/team/app".to_owned(),
            digest,
        };
        assert_eq!(LinkName::parse(&link.to_string()), Some(link));
        assert_eq!(LinkName::parse(HEX), None);
        for algorithm in [Algorithm::Gzip, Algorithm::Zstd] {
            let name = CompressedName {
                diff_id: digest,
                algorithm,
            };
            assert_eq!(CompressedName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(CompressedName::parse(&format!("{HEX}-lzma")), None);
    }
}
