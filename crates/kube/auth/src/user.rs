//! Who asks.

use std::collections::BTreeMap;

/// A user as authentication found it (`authentication.k8s.io/v1` `UserInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// `system:serviceaccount:default:builder`, `system:admin` …
    pub name: String,
    /// What tells users of the same name apart over time; empty when not known.
    pub uid: String,
    /// `system:authenticated`, `system:masters` …
    pub groups: Vec<String>,
    /// What the authenticator adds: bound pod and node of a token, certificate fingerprints.
    pub extra: BTreeMap<String, Vec<String>>,
}
