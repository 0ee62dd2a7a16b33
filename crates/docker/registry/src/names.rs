//! Names of repositories and tags, and what they stand for on this node.
//!
//! `/v2/NAME` are the references `localhost:PORT/NAME`; `?ns=HOST` names others; an image with a short name
//! (`docker.io/library/NAME`) is also served as `/v2/library/NAME` (decision 12).

use std::str::FromStr;

use image::{Digest, Reference};

use crate::error::{Code, Fault};

/// The registry that short names belong to.
const SHORT: &str = "docker.io";
/// The longest name of a repository with its registry, in bytes, as clients have it.
pub(crate) const MAX_NAME: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// A repository as a client names it: lower-case words, `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, parted by slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text.len() <= MAX_NAME && text.split('/').all(is_component) {
            return Ok(Self(text.to_owned()));
        }
        // A name that a client has made up is not echoed at any length.
        let shown: String = text.chars().take(MAX_NAME).collect();
        Err(Fault::from(Code::NameInvalid).detail(serde_json::json!({ "name": shown })))
    }
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(alphanumeric)) && bytes.split(alphanumeric).all(is_separator)
}

/// What may stand between two letters or digits.
fn is_separator(bytes: &[u8]) -> bool {
    matches!(bytes, b"" | b"." | b"_" | b"__") || bytes.iter().all(|byte| *byte == b'-')
}

pub(crate) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = text.bytes().next().is_some_and(word);
    first && text.len() <= MAX_TAG && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// What stands behind `/manifests/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Tag(String),
    Digest(Digest),
}

impl Which {
    /// # Errors
    /// `DIGEST_INVALID` for what looks like a digest, `MANIFEST_UNKNOWN` for what cannot be a tag: none has that name.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        if text.contains(':') {
            return digest(text).map(Self::Digest);
        }
        if is_tag(text) {
            return Ok(Self::Tag(text.to_owned()));
        }
        Err(Code::ManifestUnknown.into())
    }
}

/// # Errors
/// `DIGEST_INVALID` with the reason: an algorithm that is not known is one.
pub(crate) fn digest(text: &str) -> Result<Digest, Fault> {
    text.parse()
        .map_err(|error: image::DigestError| Fault::from(Code::DigestInvalid).detail(error.to_string()))
}

/// A repository on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// As the client calls it.
    pub(crate) name: Name,
    /// `HOST` of `?ns=HOST`, where that is another registry.
    pub(crate) namespace: Option<String>,
    /// Whole names, the first one its own: the second is looked at where the first has nothing.
    pub(crate) whole: Vec<String>,
}

impl Place {
    /// # Errors
    /// `NAME_INVALID`.
    pub(crate) fn new(domain: &str, name: Name, namespace: Option<&str>) -> Result<Self, Fault> {
        let other = namespace.filter(|host| *host != domain);
        let own = other.unwrap_or(domain);
        let text = name.as_str();
        let mut whole = vec![format!("{own}/{text}")];
        if other.is_none()
            && text
                .strip_prefix("library/")
                .is_some_and(|rest| !rest.contains('/'))
        {
            whole.push(format!("{SHORT}/{text}"));
        }
        // The host is a client's: what does not come back as it went in could be something else's name.
        let stands = whole.iter().all(|whole| {
            whole.len() <= MAX_NAME
                && Reference::parse(whole).is_ok_and(|reference| reference.name() == *whole)
        });
        if !stands {
            return Err(Fault::from(Code::NameInvalid).detail(serde_json::json!({ "name": text })));
        }
        Ok(Self {
            name,
            namespace: other.map(str::to_owned),
            whole,
        })
    }

    /// Its own whole name.
    pub(crate) fn own(&self) -> &str {
        self.whole.first().map_or("", String::as_str)
    }

    /// What rights are judged by: the name, with the registry where that is another one.
    pub(crate) fn judged(&self) -> String {
        match &self.namespace {
            Some(host) => format!("{host}/{}", self.name.as_str()),
            None => self.name.as_str().to_owned(),
        }
    }

    /// The references that a tag or a digest may be, in the order in which they count.
    ///
    /// # Errors
    /// `NAME_INVALID`.
    pub(crate) fn references(&self, which: &Which) -> Result<Vec<Reference>, Fault> {
        self.whole.iter().map(|whole| reference(whole, which)).collect()
    }
}

/// # Errors
/// `NAME_INVALID`.
pub(crate) fn reference(whole: &str, which: &Which) -> Result<Reference, Fault> {
    let invalid = |error: image::ReferenceError| Fault::from(Code::NameInvalid).detail(error.to_string());
    let mut reference = Reference::parse(whole).map_err(invalid)?;
    match which {
        Which::Tag(tag) => reference.tag = Some(tag.clone()),
        Which::Digest(digest) => reference.digest = Some(*digest),
    }
    Ok(reference)
}

/// How a repository is called in `_catalog`, if it is served without `?ns=`.
pub(crate) fn listed<'a>(domain: &str, whole: &'a str) -> Option<&'a str> {
    let (host, name) = whole.split_once('/')?;
    let short = host == SHORT && name.starts_with("library/");
    (host == domain || short).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_specification() {
        for good in ["a", "a/b", "a.b_c__d-e---f/0", "library/debian"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let long = "a".repeat(MAX_NAME + 1);
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a", "a-", "a._b", "ä", ".", "..", "a/../b",
            &long,
        ] {
            assert_eq!(
                bad.parse::<Name>().unwrap_err().code(),
                Code::NameInvalid,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_reference_is_a_tag_or_a_digest() {
        assert_eq!(Which::parse("v1.0-rc").unwrap(), Which::Tag("v1.0-rc".into()));
        let digest = Digest::of(b"");
        assert_eq!(Which::parse(&digest.to_string()).unwrap(), Which::Digest(digest));
        for (text, code) in [
            ("sha256:baddigeststring", Code::DigestInvalid),
            ("sha512:ab", Code::DigestInvalid),
            (".INVALID", Code::ManifestUnknown),
            ("", Code::ManifestUnknown),
            ("a/b", Code::ManifestUnknown),
        ] {
            assert_eq!(Which::parse(text).unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn a_repository_has_its_references() {
        let place = |name: &str, namespace| Place::new("localhost:5000", name.parse().unwrap(), namespace);
        assert_eq!(place("a/b", None).unwrap().whole, ["localhost:5000/a/b"]);
        assert_eq!(
            place("library/x", None).unwrap().whole,
            ["localhost:5000/library/x", "docker.io/library/x"]
        );
        assert_eq!(place("library/x/y", None).unwrap().whole.len(), 1);
        let other = place("library/x", Some("docker.io")).unwrap();
        assert_eq!(
            (other.whole.as_slice(), other.judged().as_str()),
            (&["docker.io/library/x".to_owned()][..], "docker.io/library/x")
        );
        assert_eq!(place("a", Some("localhost:5000")).unwrap().namespace, None);
        // Not the references that they look like.
        for host in ["", "a/b", "short", "index.docker.io", "a:b", "x\n", "[::1"] {
            assert!(place("a", Some(host)).is_err(), "{host}");
        }
    }

    #[test]
    fn the_catalogue_shows_what_is_served_without_a_namespace() {
        assert_eq!(listed("localhost:5000", "localhost:5000/a"), Some("a"));
        assert_eq!(listed("localhost:5000", "docker.io/library/a"), Some("library/a"));
        assert_eq!(listed("localhost:5000", "docker.io/me/a"), None);
        assert_eq!(listed("localhost:5000", "quay.io/a"), None);
    }
}
