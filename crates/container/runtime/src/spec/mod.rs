//! The OCI runtime-spec 1.3 for Linux as Rust types: `config.json`, the state document and the
//! features document.
//!
//! The types hold what the specification says and nothing else: no defaults are filled in and no
//! rule between two properties is checked, because that is the planner's work. Two rules of the
//! format are kept in one place, the `object!` macro: an optional property that is absent or
//! `null` is the empty value (runtimes written in Go read `null` so, and configurations in the
//! wild rely on it), and an empty value is not written back. Unknown properties are ignored as
//! §config "Extensibility" demands; the sections of other platforms are such properties here.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// Declares the structs of a document: `required` properties must be present, `optional` ones are
/// the empty value when absent or null. Names are the specification's in camelCase; where it
/// deviates, the field carries its own `#[serde(rename)]`.
macro_rules! object {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            required { $( $(#[$rmeta:meta])* $rfield:ident: $rtype:ty, )* }
            optional { $( $(#[$ometa:meta])* $ofield:ident: $otype:ty, )* }
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $( $(#[$rmeta])* pub $rfield: $rtype, )*
            $(
                $(#[$ometa])*
                #[serde(
                    default,
                    deserialize_with = "crate::spec::null_is_empty",
                    skip_serializing_if = "crate::spec::is_empty"
                )]
                pub $ofield: $otype,
            )*
        }
    )* };
}

pub(crate) use object;

/// Declares an enumeration of the specification: each variant beside the word it is in JSON.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $( $variant:ident = $word:literal, )* }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $( #[doc = concat!("`", $word, "`")] #[serde(rename = $word)] $variant, )*
        }

        impl $name {
            /// Every value, in the specification's order.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The word that stands for this value in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )* };
}

pub(crate) use words;

mod features;
mod hooks;
mod linux;
mod process;
mod resources;
mod seccomp;
mod state;

pub use features::*;
pub use hooks::*;
pub use linux::*;
pub use process::*;
pub use resources::*;
pub use seccomp::*;
pub use state::*;

/// The version of the specification these types follow.
pub const OCI_VERSION: &str = "1.3.0";

/// Why a document was refused: the property and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct SpecError {
    /// Where in the document, e.g. `process.user.uid`; `.` is the document itself.
    pub path: String,
    /// What is wrong there, with line and column.
    pub reason: String,
}

/// Reads any document of this module from JSON.
///
/// # Errors
/// Malformed JSON, a missing required property, or a value of the wrong type or outside the
/// specification's enumeration; the error names the property.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, SpecError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|e| SpecError {
        path: e.path().to_string(),
        reason: e.inner().to_string(),
    })?;
    reader.end().map_err(|e| SpecError {
        path: ".".into(),
        reason: e.to_string(),
    })?;
    Ok(document)
}

object! {
    /// The whole of `config.json`: OCI runtime-spec 1.3 §config.
    #[derive(Default)]
    pub struct Spec {
        required {
            /// The specification version the bundle complies with (SemVer).
            oci_version: String,
        }
        optional {
            /// The process to run; required by the time `start` is called.
            process: Option<Process>,
            /// The root file system.
            root: Option<Root>,
            /// The host name seen inside; needs a UTS namespace.
            hostname: String,
            /// The NIS domain name seen inside; needs a UTS namespace.
            domainname: String,
            /// Mounts on top of the root file system, performed in this order.
            mounts: Vec<Mount>,
            /// Commands run at points of the container's life.
            hooks: Option<Hooks>,
            /// Arbitrary metadata.
            annotations: BTreeMap<String, String>,
            /// What is particular to Linux.
            linux: Option<Linux>,
        }
    }

    /// §config "Root".
    #[derive(Default)]
    pub struct Root {
        required {
            /// The root file system's directory: absolute, or relative to the bundle.
            path: String,
        }
        optional {
            /// Whether it is read-only inside the container.
            readonly: bool,
        }
    }

    /// §config "Mounts".
    #[derive(Default)]
    pub struct Mount {
        required {
            /// Where inside the container; absolute (a relative path is taken from `/`).
            destination: String,
        }
        optional {
            /// The file system type, as in `/proc/filesystems`; empty for a bind mount.
            #[serde(rename = "type")]
            kind: String,
            /// A device name, or for bind mounts a path, absolute or relative to the bundle.
            source: String,
            /// fstab-style options.
            options: Vec<String>,
            /// User mapping of an idmapped mount.
            #[serde(rename = "uidMappings")]
            uid_mappings: Vec<LinuxIdMapping>,
            /// Group mapping of an idmapped mount.
            #[serde(rename = "gidMappings")]
            gid_mappings: Vec<LinuxIdMapping>,
        }
    }
}

/// Reads an optional property; `null` is as good as absent.
pub(crate) fn null_is_empty<'de, T, D>(source: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(source).map(Option::unwrap_or_default)
}

/// Whether a value is the one an absent property stands for.
pub(crate) fn is_empty<T: Default + PartialEq + Serialize>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
