//! Custom resources: what a CustomResourceDefinition makes of the server.
//!
//! A definition becomes a row like the built-in ones ([`schema::resource::ResourceDef`]) and, beside it, a [`Custom`]:
//! what no row can say. Every line after the lookup is shared with the built-in kinds; the few places that differ ask
//! [`crate::Served::custom`].

use schema::object::Revision;

/// What a definition says of a resource besides its row.
#[derive(Debug)]
pub(crate) struct Custom {
    /// By the place of the version in the row.
    pub(crate) versions: Vec<CustomVersion>,
    /// Whether the definition is on its way out: nothing new may be created.
    pub(crate) terminating: bool,
    /// Objects stored after this revision are as the present schema wants them; older ones are pruned and defaulted
    /// when they are read.
    pub(crate) since: Revision,
}

/// The same of one version.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    /// What the client is warned of on every request.
    pub(crate) deprecation: Option<String>,
}
