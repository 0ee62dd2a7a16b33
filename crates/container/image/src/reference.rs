//! Names of images (github.com/distribution/reference: grammar, normalisation, familiar forms).
//!
//! A [`Reference`] is always normalised: `busybox` is `docker.io/library/busybox`. The *familiar*
//! form takes that back for people. The texts of the errors are what users of Docker know.

mod grammar;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Digest, DigestError};

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// The longest path of a repository, in bytes.
const MAX_PATH: usize = 255;

/// The name of an image: a repository with a tag, a digest, both or neither.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry: `docker.io`, `localhost:5000`.
    pub domain: String,
    /// The repository in it: `library/busybox`.
    pub path: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest, if there is one.
    pub digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It follows no rule.
    #[error("invalid reference format")]
    Format,
    /// The repository's name has capital letters.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// Capital letters elsewhere.
    #[error("repository name must be lowercase")]
    UppercaseName,
    /// The repository's name is too long.
    #[error("repository name must not be more than {MAX_PATH} characters")]
    TooLong,
    /// It looks like an image's id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
    /// The tag alone follows no rule.
    #[error("invalid tag format")]
    Tag,
    /// Its digest is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// Where the names of what has none are: nobody's domain.
const NAMELESS: (&str, &str) = ("gantry.invalid", "nameless");

impl Reference {
    /// Reads and normalises a reference (upstream's `ParseNormalizedNamed`).
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if grammar::is_identifier(text) {
            return Err(ReferenceError::Identifier(text.to_owned()));
        }
        let (domain, remainder) = split_domain(text);
        let remote = remainder.split(':').next().unwrap_or_default();
        if remote.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase(remote.to_owned()));
        }
        let full = format!("{domain}/{remainder}");
        let Some(parts) = grammar::parse(&full) else {
            let lowercase = full.to_lowercase();
            let only_case = lowercase != full && grammar::parse(&lowercase).is_some();
            return Err(if only_case {
                ReferenceError::UppercaseName
            } else {
                ReferenceError::Format
            });
        };
        if parts.path.len() > MAX_PATH {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self {
            domain: parts.domain.to_owned(),
            path: parts.path.to_owned(),
            tag: parts.tag.map(str::to_owned),
            digest: parts.digest.map(str::parse).transpose()?,
        })
    }

    /// The reference with another tag.
    ///
    /// # Errors
    /// [`ReferenceError::Tag`].
    pub fn with_tag(mut self, tag: &str) -> Result<Self, ReferenceError> {
        if !grammar::is_tag(tag) {
            return Err(ReferenceError::Tag);
        }
        self.tag = Some(tag.to_owned());
        Ok(self)
    }

    /// The reference with the tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.is_name_only() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The name that keeps an index of this digest that nobody has named. It is never shown.
    pub(crate) fn nameless(digest: Digest) -> Self {
        let (domain, path) = NAMELESS;
        Self {
            domain: domain.to_owned(),
            path: path.to_owned(),
            tag: None,
            digest: Some(digest),
        }
    }

    /// Whether it is such a name.
    pub(crate) fn is_nameless(&self) -> bool {
        (&*self.domain, &*self.path) == NAMELESS && self.tag.is_none()
    }

    /// Whether it has neither tag nor digest.
    #[must_use]
    pub const fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// The name without tag and digest: `docker.io/library/busybox`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The name as people write it: `busybox`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        let official = self
            .path
            .strip_prefix(OFFICIAL)
            .filter(|rest| !rest.contains('/'));
        official.unwrap_or(&self.path).to_owned()
    }

    /// The whole reference as people write it: `busybox:latest`.
    #[must_use]
    pub fn familiar(&self) -> String {
        self.familiar_name() + &self.suffix()
    }

    /// The repository alone: before all names in it.
    #[must_use]
    pub fn repository(&self) -> Self {
        Self {
            domain: self.domain.clone(),
            path: self.path.clone(),
            tag: None,
            digest: None,
        }
    }

    /// Whether it is in the repository of another one.
    #[must_use]
    pub fn is_in(&self, other: &Self) -> bool {
        self.path == other.path && self.domain == other.domain
    }

    /// After all names in its repository.
    pub(crate) fn last_of_repository(&self) -> Self {
        Self {
            digest: Some(Digest::LAST),
            ..self.repository()
        }
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}"));
        let digest = self.digest.map(|digest| format!("@{digest}"));
        [tag, digest].into_iter().flatten().collect()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.path, self.suffix())
    }
}

/// References are ordered as their texts are, which is how Docker lists them; so those of one repository
/// are side by side.
impl Ord for Reference {
    fn cmp(&self, other: &Self) -> Ordering {
        // Byte by byte, because it is asked often and a text is seldom made.
        fn name(reference: &Reference) -> impl Iterator<Item = u8> {
            reference
                .domain
                .bytes()
                .chain([b'/'])
                .chain(reference.path.bytes())
        }
        let same = self.domain == other.domain;
        let by_name = if same {
            self.path.cmp(&other.path)
        } else {
            name(self).cmp(name(other))
        };
        // `` < `:TAG` < `@DIGEST`, and digests are ordered as their digits are.
        by_name.then_with(|| match (&self.tag, &other.tag) {
            (None, None) => self.digest.cmp(&other.digest),
            (Some(_), None) if other.digest.is_some() => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) if self.digest.is_some() => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (Some(tag), Some(of_other)) if self.digest.is_none() && other.digest.is_none() => {
                tag.cmp(of_other)
            }
            _ => self.suffix().cmp(&other.suffix()),
        })
    }
}

impl PartialOrd for Reference {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// The registry and what follows it, defaults filled in. What stands before the first slash is a
/// registry if it could not be the beginning of a repository's name.
fn split_domain(text: &str) -> (&str, String) {
    let (domain, remainder) = match text.split_once('/') {
        Some((LEGACY_DEFAULT_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest)) if is_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    };
    let official = domain == DEFAULT_DOMAIN && !remainder.contains('/');
    (
        domain,
        if official {
            format!("{OFFICIAL}{remainder}")
        } else {
            remainder.to_owned()
        },
    )
}

fn is_domain(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
}

/// Reads bytes that nobody vouches for: whatever they are, the answer is a value or an error, and
/// what was read is read again from its own text.
pub fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(reference) = Reference::parse(text) {
        assert_eq!(Reference::parse(&reference.to_string()).as_ref(), Ok(&reference));
        assert_eq!(Reference::parse(&reference.familiar()), Ok(reference));
    }
}

/// The domain under which our registry keeps what it has fetched from another one for its clients: a name that no registry
/// has (RFC 2606), so that the node's own names stay what they are.
#[must_use]
pub fn fetched_from(domain: &str) -> String {
    match domain.rsplit_once(':') {
        Some((name, port)) => format!("{name}{FETCHED}:{port}"),
        None => format!("{domain}{FETCHED}"),
    }
}

/// The registry that a domain, or a repository of it, was fetched from; none if it is no such domain.
#[must_use]
pub fn fetched_name(name: &str) -> Option<String> {
    let (domain, path) = name.split_at(name.find('/').unwrap_or(name.len()));
    let (host, port) = domain.split_at(domain.find(':').unwrap_or(domain.len()));
    Some(format!("{}{port}{path}", host.strip_suffix(FETCHED)?))
}

const FETCHED: &str = ".mirror.invalid";

/// Whether a domain, or a repository, is one of those.
pub(crate) fn is_fetched(name: &str) -> bool {
    let domain = name.split('/').next().unwrap_or_default();
    domain.split(':').next().unwrap_or_default().ends_with(FETCHED)
}

#[cfg(test)]
mod tests;
