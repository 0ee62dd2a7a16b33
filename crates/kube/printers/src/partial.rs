//! `PartialObjectMetadata`: an object's metadata alone, spliced from the bytes that are served.

use schema::object::{ScanError, metadata};

/// The version of `meta.k8s.io` that a client asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetaVersion {
    /// `meta.k8s.io/v1`
    #[default]
    V1,
    /// `meta.k8s.io/v1beta1`
    V1Beta1,
}

impl MetaVersion {
    /// `meta.k8s.io/v1`
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }

    /// The version named `v1` or `v1beta1`.
    pub fn parse(version: &str) -> Option<Self> {
        match version {
            "v1" => Some(Self::V1),
            "v1beta1" => Some(Self::V1Beta1),
            _ => None,
        }
    }

    /// `{"kind":KIND,"apiVersion":VERSION` without the closing brace.
    pub(crate) fn begin(self, kind: &str, out: &mut Vec<u8>) {
        for piece in [
            "{\"kind\":\"",
            kind,
            "\",\"apiVersion\":\"",
            self.api_version(),
            "\"",
        ] {
            out.extend_from_slice(piece.as_bytes());
        }
    }
}

/// Appends the `PartialObjectMetadata` of an object as it is served (with its resource version).
///
/// # Errors
/// Bytes that are no object with metadata.
pub fn partial_object(version: MetaVersion, served: &[u8], out: &mut Vec<u8>) -> Result<(), ScanError> {
    let metadata = metadata(served)?;
    version.begin("PartialObjectMetadata", out);
    out.extend_from_slice(b",\"metadata\":");
    out.extend_from_slice(metadata);
    out.push(b'}');
    Ok(())
}
