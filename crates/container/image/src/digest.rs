//! Digests: what content is called (OCI image-spec, descriptor.md, "Digests").
//!
//! SHA-256 is what nearly every image in the world uses, and what everything that is made here is called by. SHA-512 is
//! the other algorithm that registries must know: content that came under such a name keeps it.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Algorithm, Context, SHA256, SHA512, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// How a digest is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// What everybody uses.
    #[default]
    Sha256,
    /// Twice as long.
    Sha512,
}

impl DigestAlgorithm {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// What stands before the colon.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.name() == name)
    }

    const fn function(self) -> &'static Algorithm {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        }
    }

    /// Hexadecimal digits of one of its digests; no two algorithms have as many.
    const fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// The SHA-256 (or SHA-512) of some content, written `sha256:` and 64 lowercase hexadecimal digits (`sha512:` and 128).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Sum);

/// In the order of their texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sum {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

/// Why a text is not a digest. The texts are those of opencontainers/go-digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex` at all.
    #[error("invalid checksum digest format")]
    Format,
    /// Well formed, but of an algorithm that is not supported here.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// Too few or too many digits for the algorithm.
    #[error("invalid checksum digest length")]
    Length,
}

impl Digest {
    /// No digest comes after it.
    pub(crate) const LAST: Self = Self(Sum::Sha512([0xff; 64]));

    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::by(DigestAlgorithm::Sha256, bytes)
    }

    /// The digest of `bytes` by an algorithm.
    #[must_use]
    pub fn by(algorithm: DigestAlgorithm, bytes: &[u8]) -> Self {
        Self::from_sum(algorithm, digest(algorithm.function(), bytes).as_ref())
    }

    /// What a hash function has made: as many bytes as its digests have.
    fn from_sum(algorithm: DigestAlgorithm, sum: &[u8]) -> Self {
        fn exactly<const N: usize>(sum: &[u8]) -> [u8; N] {
            let mut bytes = [0; N];
            bytes.copy_from_slice(sum);
            bytes
        }
        Self(match algorithm {
            DigestAlgorithm::Sha256 => Sum::Sha256(exactly(sum)),
            DigestAlgorithm::Sha512 => Sum::Sha512(exactly(sum)),
        })
    }

    /// How it is made.
    #[must_use]
    pub const fn algorithm(&self) -> DigestAlgorithm {
        match self.0 {
            Sum::Sha256(_) => DigestAlgorithm::Sha256,
            Sum::Sha512(_) => DigestAlgorithm::Sha512,
        }
    }

    const fn bytes(&self) -> &[u8] {
        match &self.0 {
            Sum::Sha256(bytes) => bytes,
            Sum::Sha512(bytes) => bytes,
        }
    }

    /// The 64 hexadecimal digits (or 128), without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(self.algorithm().digits());
        for byte in self.bytes() {
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

    /// A digest from its lowercase hexadecimal digits: by their number it is one of SHA-256 or of SHA-512.
    ///
    /// # Errors
    /// [`DigestError::Length`], [`DigestError::Format`].
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let mut of = DigestAlgorithm::ALL.into_iter();
        match of.find(|algorithm| algorithm.digits() == hex.len()) {
            Some(DigestAlgorithm::Sha256) => Ok(Self(Sum::Sha256(unhex(hex)?))),
            Some(DigestAlgorithm::Sha512) => Ok(Self(Sum::Sha512(unhex(hex)?))),
            None => Err(DigestError::Length),
        }
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

fn unhex<const N: usize>(hex: &str) -> Result<[u8; N], DigestError> {
    let nibble = |digit: u8| {
        let at = HEX.iter().position(|known| *known == digit);
        at.and_then(|at| u8::try_from(at).ok()).ok_or(DigestError::Format)
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm().name(), self.hex())
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
        let algorithm = DigestAlgorithm::named(algorithm).ok_or(DigestError::Algorithm)?;
        if hex.len() != algorithm.digits() {
            return Err(DigestError::Length);
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

/// A digest under construction, with the number of bytes so far. It is a SHA-256 unless another one was asked for.
#[derive(Clone)]
pub struct Hasher {
    algorithm: DigestAlgorithm,
    state: Context,
    size: u64,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (algorithm, size) = (self.algorithm, self.size);
        write!(f, "Hasher({}, {size} bytes)", algorithm.name())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new(DigestAlgorithm::default())
    }
}

impl Hasher {
    /// One that makes a digest by an algorithm.
    #[must_use]
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        Self {
            algorithm,
            state: Context::new(algorithm.function()),
            size: 0,
        }
    }

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
        Digest::from_sum(self.algorithm, self.state.clone().finish().as_ref())
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
    fn a_digest_of_either_algorithm_is_itself_again() {
        // FIPS 180-4's own example, "abc".
        let long = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(Digest::by(DigestAlgorithm::Sha512, b"abc").hex(), long);
        for algorithm in DigestAlgorithm::ALL {
            let digest = Digest::by(algorithm, b"abc");
            assert_eq!(digest.to_string().parse(), Ok(digest));
            assert_eq!(Digest::from_hex(&digest.hex()), Ok(digest));
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!((hasher.digest(), hasher.size()), (digest, 3));
            assert!(digest < Digest::LAST);
        }
        let mut digests: Vec<Digest> = (0..9_u8)
            .flat_map(|byte| DigestAlgorithm::ALL.map(|algorithm| Digest::by(algorithm, &[byte])))
            .collect();
        digests.sort_unstable();
        let texts: Vec<String> = digests.iter().map(Digest::to_string).collect();
        assert!(texts.is_sorted(), "pages are in the order of texts");
    }

    #[test]
    fn what_is_no_digest_is_said_so() {
        let check = |text: &str, error: DigestError| assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        check("", DigestError::Format);
        check("sha256", DigestError::Format);
        check("sha256:", DigestError::Format);
        check(":abc", DigestError::Format);
        check("sha256:abc", DigestError::Length);
        check("sha512:abc", DigestError::Length);
        check(&format!("sha512:{}", "0".repeat(64)), DigestError::Length);
        check(&format!("sha256:{}", "0".repeat(128)), DigestError::Length);
        check(&format!("sha384:{}", "0".repeat(96)), DigestError::Algorithm);
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
