//! What a manifest says, whatever its form: read once, with bounds, and kept in memory.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::media_type;
use crate::{Descriptor, Digest, DigestAlgorithm, Error};

/// The longest word that says what something is, in bytes: media types have 255 at most (RFC 6838, section 4.2), and each is
/// kept in memory.
const MAX_WORD: usize = 256;
/// The longest manifest, in bytes (distribution-spec, "Pushing Manifests").
pub const MAX_MANIFEST: usize = 4 << 20;
/// The most layers, or manifests of an index, that one may name.
const MAX_DESCRIPTORS: usize = 4096;

/// What a manifest or an index says: Docker's schema 2 or OCI's. One of another type is kept as it is
/// and may say nothing.
///
/// Notes are not in it: there may be megabytes of them, and this is kept in memory ([`crate::Images::annotations`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestSummary {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// The configuration, of an image or an artifact.
    pub config: Option<Descriptor>,
    /// Layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// Of an index: what it lists.
    pub manifests: Vec<Descriptor>,
    /// What it is about (manifest.md, "subject").
    pub subject: Option<Descriptor>,
    /// What it is, if it is no image.
    pub artifact_type: Option<String>,
}

/// The fields of all forms.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    schema_version: u8,
    media_type: String,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

/// The notes of a manifest; none if it has none that anybody could read.
pub(crate) fn annotations(bytes: &[u8]) -> BTreeMap<String, String> {
    let document = serde_json::from_slice::<Document>(bytes);
    document
        .ok()
        .and_then(|document| document.annotations)
        .unwrap_or_default()
}

/// What an index lists, with the notes; nothing if nobody could read it.
pub(crate) fn descriptors(bytes: &[u8]) -> Vec<Descriptor> {
    let document = serde_json::from_slice::<Document>(bytes);
    document
        .ok()
        .and_then(|document| document.manifests)
        .unwrap_or_default()
}

impl ManifestSummary {
    /// Reads a manifest that came with a media type, and calls it by its SHA-256.
    ///
    /// # Errors
    /// [`Error::Manifest`]: it is too long, no JSON object, of another type than it was said to be, or
    /// lacks what its type must have.
    pub fn parse(given: &str, bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_by(DigestAlgorithm::default(), given, bytes)
    }

    /// Reads a manifest, and calls it by its digest of an algorithm.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_by(algorithm: DigestAlgorithm, given: &str, bytes: &[u8]) -> Result<Self, Error> {
        let refuse = |why: String| Error::Manifest(why);
        if bytes.len() > MAX_MANIFEST {
            return Err(refuse(format!("it is longer than {MAX_MANIFEST} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
        // serde would take a list for an object as well.
        if !text.trim_start().starts_with('{') {
            return Err(refuse("it is no JSON object".to_owned()));
        }
        let known = is_image(given) || is_index(given);
        let document = match serde_json::from_str::<Document>(text) {
            Ok(document) => document,
            // What nobody here knows may use the same words otherwise.
            Err(_) if !known && is_json(text) => Document::default(),
            Err(error) => return Err(refuse(error.to_string())),
        };
        document.check(given).map_err(refuse)?;
        Ok(document.summary(Digest::by(algorithm, bytes), given, bytes))
    }

    /// Refuses one that would take more memory than what it is about needs. It is asked about what comes in, not about what
    /// was taken before.
    ///
    /// # Errors
    /// [`Error::Manifest`].
    pub(crate) fn check_words(&self) -> Result<(), Error> {
        let blobs = self.config.iter().chain(&self.layers);
        let described = blobs.chain(&self.manifests).chain(&self.subject);
        let platforms = described.clone().filter_map(|each| each.platform.as_ref());
        let of_platforms = platforms.flat_map(|platform| {
            let variant = platform.variant.as_ref();
            [&platform.architecture, &platform.os].into_iter().chain(variant)
        });
        let kinds = described.flat_map(|each| [Some(&each.media_type), each.artifact_type.as_ref()]);
        let mut words = kinds.flatten().chain(&self.artifact_type).chain(of_platforms);
        if words.any(|word| word.len() > MAX_WORD) {
            let why = format!("a type or a platform in it is longer than {MAX_WORD} bytes");
            return Err(Error::Manifest(why));
        }
        Ok(())
    }

    /// Whether it lists manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    /// All blobs that it names.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    /// What it is, as the list of referrers says it (distribution-spec, "Listing Referrers").
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        let of_config = || self.config.as_ref().map(|config| &*config.media_type);
        self.artifact_type.as_deref().or_else(of_config)
    }
}

fn is_image(media_type: &str) -> bool {
    matches!(media_type, media_type::MANIFEST | media_type::DOCKER_MANIFEST)
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, media_type::INDEX | media_type::DOCKER_INDEX)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

impl Document {
    /// What its type must have, and not too much of it.
    fn check(&self, given: &str) -> Result<(), String> {
        if !self.media_type.is_empty() && self.media_type != given {
            return Err(format!("it is of type {:?}, not {given:?}", self.media_type));
        }
        if (is_image(given) || is_index(given)) && self.schema_version != 2 {
            return Err(format!("schemaVersion is {}, not 2", self.schema_version));
        }
        if is_image(given) && (self.config.is_none() || self.manifests.is_some()) {
            return Err("a manifest has config and layers, and no manifests".to_owned());
        }
        if is_index(given) && (self.manifests.is_none() || self.config.is_some() || self.layers.is_some()) {
            return Err("an index has manifests, and neither config nor layers".to_owned());
        }
        let count = |list: &Option<Vec<Descriptor>>| list.as_ref().map_or(0, Vec::len);
        let most = count(&self.layers).max(count(&self.manifests));
        if most > MAX_DESCRIPTORS {
            return Err(format!(
                "it names {most} others; at most {MAX_DESCRIPTORS} are allowed"
            ));
        }
        Ok(())
    }

    fn summary(self, digest: Digest, given: &str, bytes: &[u8]) -> ManifestSummary {
        let plain = |described: Descriptor| Descriptor {
            annotations: BTreeMap::new(),
            ..described
        };
        let all = |described: Option<Vec<Descriptor>>| {
            let described = described.unwrap_or_default();
            described.into_iter().map(plain).collect()
        };
        ManifestSummary {
            digest,
            media_type: given.to_owned(),
            size: bytes.len() as u64,
            config: self.config.map(plain),
            layers: all(self.layers),
            manifests: all(self.manifests),
            subject: self.subject.map(plain),
            artifact_type: self.artifact_type.filter(|kind| !kind.is_empty()),
        }
    }
}

/// Reads bytes that nobody vouches for: whatever they are, the answer is a value or an error.
pub fn fuzz(bytes: &[u8]) {
    for given in [
        media_type::MANIFEST,
        media_type::INDEX,
        media_type::DOCKER_MANIFEST,
        media_type::DOCKER_INDEX,
        "application/vnd.example+json",
    ] {
        drop(ManifestSummary::parse(given, bytes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(extra: &str) -> String {
        format!(r#"{{"mediaType":"x","digest":"{EMPTY}","size":0{extra}}}"#)
    }

    #[test]
    fn docker_and_oci_say_the_same() {
        let blob = descriptor("");
        for (given, of_index) in [
            (media_type::MANIFEST, media_type::INDEX),
            (media_type::DOCKER_MANIFEST, media_type::DOCKER_INDEX),
        ] {
            let text = format!(
                r#"{{"schemaVersion":2,"mediaType":"{given}","config":{blob},"layers":[{blob},{blob}],"unknown":[1]}}"#
            );
            let summary = ManifestSummary::parse(given, text.as_bytes()).unwrap();
            assert_eq!((summary.blobs().count(), summary.is_index()), (3, false));
            assert_eq!(
                (summary.digest, summary.size),
                (Digest::of(text.as_bytes()), text.len() as u64)
            );
            let platform = descriptor(
                r#","platform":{"os":"linux","architecture":"arm64","os.version":"1"},"annotations":null"#,
            );
            let text = format!(r#"{{"schemaVersion":2,"manifests":[{platform}],"annotations":{{"a":"b"}}}}"#);
            let index = ManifestSummary::parse(of_index, text.as_bytes()).unwrap();
            assert_eq!((index.manifests.len(), index.is_index()), (1, true));
            assert_eq!(annotations(text.as_bytes())["a"], "b");
        }
    }

    /// What is kept in memory of a manifest does not grow with what it says of itself.
    #[test]
    fn notes_are_left_out_and_words_are_bounded() {
        let long = "x".repeat(1 << 18);
        let blob = descriptor(&format!(r#","annotations":{{"a":"{long}"}}"#));
        let text = format!(
            r#"{{"schemaVersion":2,"config":{blob},"layers":[{blob}],"subject":{blob},"annotations":{{"a":"{long}"}}}}"#
        );
        let summary = ManifestSummary::parse(media_type::MANIFEST, text.as_bytes()).unwrap();
        summary.check_words().unwrap();
        assert!(format!("{summary:?}").len() < 4096);
        assert_eq!(annotations(text.as_bytes())["a"].len(), 1 << 18);
        assert!(annotations(b"[]").is_empty());
        for words in [
            format!(r#"{{"schemaVersion":2,"config":{blob},"artifactType":"{long}"}}"#),
            format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"{long}","digest":"{EMPTY}","size":0}}}}"#),
        ] {
            let summary = ManifestSummary::parse(media_type::MANIFEST, words.as_bytes()).unwrap();
            let error = summary.check_words().unwrap_err().to_string();
            assert!(error.contains("longer than 256"), "{error}");
        }
    }

    #[test]
    fn an_artifact_is_what_it_says_or_what_its_configuration_is() {
        let blob = descriptor("");
        let kind = |extra: &str| {
            let text = format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[]{extra}}}"#);
            let summary = ManifestSummary::parse(media_type::MANIFEST, text.as_bytes()).unwrap();
            summary.kind().map(str::to_owned)
        };
        assert_eq!(kind("").as_deref(), Some("x"));
        assert_eq!(kind(r#","artifactType":"""#).as_deref(), Some("x"));
        assert_eq!(kind(r#","artifactType":"y""#).as_deref(), Some("y"));
    }

    #[test]
    fn what_nobody_knows_is_kept_as_it_is() {
        let given = "application/vnd.example+json";
        for text in [
            r#"{"config":"not a descriptor","layers":7}"#,
            r#"{"mediaType":"application/vnd.example+json"}"#,
        ] {
            let summary = ManifestSummary::parse(given, text.as_bytes()).unwrap();
            assert_eq!((summary.blobs().count(), &*summary.media_type), (0, given));
        }
    }

    #[test]
    fn what_is_no_manifest_is_said_so() {
        let blob = descriptor("");
        let check = |given: &str, text: &str, why: &str| {
            let error = ManifestSummary::parse(given, text.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(why), "{error}");
        };
        let image = |text: &str, why: &str| check(media_type::MANIFEST, text, why);
        image("", "no JSON object");
        image("{", "EOF");
        image("[2]", "no JSON object");
        image("{}", "schemaVersion is 0");
        image(r#"{"schemaVersion":2,"layers":[]}"#, "has config");
        image(
            &format!(r#"{{"schemaVersion":2,"config":{blob},"manifests":[]}}"#),
            "no manifests",
        );
        image(
            r#"{"schemaVersion":2,"config":{"digest":"md5:x","size":1}}"#,
            "digest",
        );
        image(
            &format!(r#"{{"schemaVersion":2,"config":{blob},"config":{blob}}}"#),
            "duplicate",
        );
        image(
            r#"{"schemaVersion":2,"config":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":-1}}"#,
            "invalid",
        );
        image(
            &format!(r#"{{"schemaVersion":2,"config":{{"digest":"{EMPTY}","size":9223372036854775808}}}}"#),
            "no size of anything",
        );
        image(
            &format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#,
                media_type::INDEX
            ),
            "is of type",
        );
        let index = |text: &str, why: &str| check(media_type::INDEX, text, why);
        index(r#"{"schemaVersion":2}"#, "an index has manifests");
        index(
            &format!(r#"{{"schemaVersion":2,"manifests":[],"config":{blob}}}"#),
            "neither config",
        );
        index(
            &format!(
                r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                vec![&*blob; MAX_DESCRIPTORS + 1].join(",")
            ),
            "at most",
        );
        check("application/vnd.example+json", "[]", "no JSON object");
        check("application/vnd.example+json", "{", "EOF");
        image(&" ".repeat(MAX_MANIFEST + 1), "longer than");
        let error = ManifestSummary::parse("x/y", b"{\"a\":\"\xff\"}").unwrap_err();
        assert!(error.to_string().contains("UTF-8"));
        // Brackets a million deep are refused, not followed.
        image(&format!("{{\"a\":{}", "[".repeat(1 << 20)), "EOF");
        check("x/y", &format!("{{\"a\":{}", "[".repeat(1 << 20)), "EOF");
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in r#"[\{\}\[\]":,a-z0-9]{0,40}"#, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            fuzz(text.as_bytes());
            fuzz(&bytes);
        }
    }
}
