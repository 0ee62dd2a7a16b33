//! What pods read of other objects: ConfigMaps and Secrets, by key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Of which kind a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl SourceKind {
    /// As messages about volumes and objects that are missing name it.
    pub const fn lower(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// As messages about keys name it.
impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        })
    }
}

/// A ConfigMap or Secret of a pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceKey {
    /// Which kind.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
}

impl SourceKey {
    /// A ConfigMap.
    pub fn config_map(name: &str) -> Self {
        Self::new(SourceKind::ConfigMap, name)
    }

    /// A Secret.
    pub fn secret(name: &str) -> Self {
        Self::new(SourceKind::Secret, name)
    }

    fn new(kind: SourceKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
        }
    }

    /// The text about one that is missing.
    pub fn missing(&self) -> String {
        format!("{} \"{}\" not found", self.kind.lower(), self.name)
    }
}

/// What is in a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data(BTreeMap<String, Vec<u8>>);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConfigMap {
    data: BTreeMap<String, String>,
    binary_data: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Secret {
    data: BTreeMap<String, String>,
}

impl Data {
    /// Reads an object. Values that are not what the API lets in are left out.
    ///
    /// # Errors
    /// Bytes that are no object of the kind.
    pub fn parse(kind: SourceKind, json: &[u8]) -> serde_json::Result<Self> {
        let decode = |(key, text): (String, String)| STANDARD.decode(text).ok().map(|bytes| (key, bytes));
        Ok(match kind {
            SourceKind::ConfigMap => {
                let map: ConfigMap = serde_json::from_slice(json)?;
                let plain = map.data.into_iter().map(|(key, text)| (key, text.into_bytes()));
                Self(
                    plain
                        .chain(map.binary_data.into_iter().filter_map(decode))
                        .collect(),
                )
            }
            SourceKind::Secret => {
                let secret: Secret = serde_json::from_slice(json)?;
                Self(secret.data.into_iter().filter_map(decode).collect())
            }
        })
    }

    /// From its keys and values.
    pub fn new(values: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self(values.into_iter().collect())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// All keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

/// What of the sources that a pod names is there.
pub type Sources = BTreeMap<SourceKey, Arc<Data>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_text_or_base64() {
        let map = Data::parse(
            SourceKind::ConfigMap,
            br#"{"metadata":{"name":"a"},"data":{"t":"x"},"binaryData":{"b":"AAE="}}"#,
        );
        let map = map.unwrap();
        assert_eq!(map.get("t"), Some(b"x".as_slice()));
        assert_eq!(map.get("b"), Some([0, 1].as_slice()));
        let secret = Data::parse(SourceKind::Secret, br#"{"data":{"p":"aGk=","q":"%"}}"#).unwrap();
        assert_eq!(secret.iter().collect::<Vec<_>>(), [("p", b"hi".as_slice())]);
        assert_eq!(SourceKey::secret("s").missing(), "secret \"s\" not found");
    }
}
