//! Custom resources: what a CustomResourceDefinition makes of the server.
//!
//! A definition becomes a row like the built-in ones ([`schema::resource::ResourceDef`]) and, beside it, a [`Custom`]:
//! what no row can say. Every line after the lookup is shared with the built-in kinds; the few places that differ ask
//! [`crate::Served::custom`]. One task ([`table`]) follows the definitions in the watch cache, so that whatever wrote
//! them is seen alike.

mod cleanup;
mod columns;
mod compile;
pub(crate) mod conditions;
pub(crate) mod conversion;
mod deletion;
mod names;
pub(crate) mod own;
pub(crate) mod publish;
mod rules;
mod scale;
mod status;
mod table;

use cel::rules::Rules;
use schema::object::Revision;
use structural::Node;

pub(crate) use columns::Columns;
pub(crate) use conditions::Condition;
pub(crate) use deletion::begin as begin_deletion;
pub(crate) use rules::{create, settle, update, warnings};
pub(crate) use scale::{Numbers, Scale};
pub(crate) use table::{open, run};

/// The group of the definitions.
const GROUP: &str = "apiextensions.k8s.io";
/// Their plural.
const DEFINITIONS: &str = "customresourcedefinitions";
/// Where they are stored.
const PREFIX: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

/// Whether a resource is that of the definitions.
pub(crate) fn is_definition(group: &str, plural: &str) -> bool {
    group == GROUP && plural == DEFINITIONS
}

/// What a definition says of a resource besides its row.
#[derive(Debug)]
pub(crate) struct Custom {
    /// By the place of the version in the row.
    pub(crate) versions: Vec<CustomVersion>,
    /// The kind of a list of objects.
    pub(crate) list_kind: String,
    /// The webhook that converts between the versions, if they differ in more than their name.
    pub(crate) webhook: Option<conversion::Webhook>,
    /// Whether the definition is on its way out: nothing new may be created.
    pub(crate) terminating: bool,
    /// Objects stored after this revision are as the present schema wants them; older ones are pruned and defaulted
    /// when they are read.
    pub(crate) since: Revision,
}

/// The same of one version.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    /// The schema, compiled.
    pub(crate) schema: Node,
    /// Its rules in CEL, if it has any.
    pub(crate) rules: Option<Rules>,
    /// Whether a `null` in a map or list of it may have to give way.
    pub(crate) nulls: bool,
    /// How objects are shown in a Table.
    pub(crate) columns: Columns,
    /// Fields that list and watch can select by, without the dot in front: `spec.color`
    pub(crate) selectable: Vec<String>,
    /// Where the scale's numbers are.
    pub(crate) scale: Option<Scale>,
    /// What the client is warned of on every request.
    pub(crate) deprecation: Option<String>,
}
