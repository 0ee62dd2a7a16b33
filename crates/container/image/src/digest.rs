//! Digests: what content is called (OCI image-spec, descriptor.md, "Digests").
//!
//! Only SHA-256: it is what every image in the world uses, and one algorithm keeps a digest a
//! plain array that is copied, compared and ordered without a thought.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "sha256:";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The SHA-256 of some content, written `sha256:` and 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is not a digest. The texts are those of opencontainers/go-digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex` at all.
    #[error("invalid checksum digest format")]
    Format,
    /// Well formed, but of an algorithm that is not supported here.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// SHA-256 with too few or too many digits.
    #[error("invalid checksum digest length")]
    Length,
}

impl Digest {
    /// No digest comes after it.
    pub(crate) const LAST: Self = Self([0xff; 32]);

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hexadecimal digits, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(2 * self.0.len());
        for byte in self.0 {
            hex.push(char::from(HEX[usize::from(byte >> 4)]));
            hex.push(char::from(HEX[usize::from(byte & 15)]));
        }
        hex
    }

    /// The first 12 hexadecimal digits: what people type and lists show.
    #[must_use]
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(12);
        hex
    }

    /// A digest from its 64 lowercase hexadecimal digits.
    ///
    /// # Errors
    /// [`DigestError::Length`], [`DigestError::Format`].
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        if hex.len() != 64 {
            return Err(DigestError::Length);
        }
        let nibble = |digit: u8| {
            let at = HEX.iter().position(|known| *known == digit);
            at.and_then(|at| u8::try_from(at).ok()).ok_or(DigestError::Format)
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }

    /// The chain id of a layer `diff_id` upon the layers of `parent` (image-spec config.md,
    /// "Layer ChainID").
    #[must_use]
    pub fn chain(parent: Option<Self>, diff_id: Self) -> Self {
        parent.map_or(diff_id, |parent| {
            Self::of(format!("{parent} {diff_id}").as_bytes())
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::Format)?;
        let starts = algorithm.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !starts || hex.is_empty() {
            return Err(DigestError::Format);
        }
        if algorithm != "sha256" {
            return Err(DigestError::Algorithm);
        }
        Self::from_hex(hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A digest under construction, with the number of bytes so far.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    state: Sha256,
    size: u64,
}

impl Hasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// How many bytes were taken in.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The digest of all of them.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.state.clone().finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_goes_both_ways() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.short(), "e3b0c44298fc");
    }

    #[test]
    fn what_is_no_digest_is_said_so() {
        let check = |text: &str, error: DigestError| assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        check("", DigestError::Format);
        check("sha256", DigestError::Format);
        check("sha256:", DigestError::Format);
        check(":abc", DigestError::Format);
        check("sha256:abc", DigestError::Length);
        check("sha512:abc", DigestError::Algorithm);
        check(&format!("sha256:{}", "g".repeat(64)), DigestError::Format);
        check(&format!("sha256:{}", "A".repeat(64)), DigestError::Format);
    }

    #[test]
    fn a_chain_is_folded_from_the_bottom() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(Digest::chain(None, a), a);
        assert_eq!(
            Digest::chain(Some(a), b),
            Digest::of(format!("{a} {b}").as_bytes())
        );
    }
}
