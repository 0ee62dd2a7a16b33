//! Webhooks and admission policies.

use schema::cursor::Ref;

use super::{AGE, NAME};
use crate::{Cells, Column, Row};

pub(super) const WEBHOOKS: &[Column] = &[
    NAME,
    Column::int("Webhooks", "How many webhooks this configuration registers."),
    AGE,
];

pub(super) fn webhooks(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).count(row.at("webhooks").len()).age(row);
}

const PARAM_KIND: Column = Column::text("ParamKind", "The kind of the policy's parameters.");

pub(super) const VALIDATING_POLICY: &[Column] = &[
    NAME,
    Column::int("Validations", "How many rules the policy has."),
    PARAM_KIND,
    AGE,
];

pub(super) fn validating_policy(row: &Row<'_>, cells: &mut Cells<'_>) {
    policy(row, row.at("spec.validations"), cells);
}

pub(super) const MUTATING_POLICY: &[Column] = &[
    NAME,
    Column::int("Mutations", "How many changes the policy makes."),
    PARAM_KIND,
    AGE,
];

pub(super) fn mutating_policy(row: &Row<'_>, cells: &mut Cells<'_>) {
    policy(row, row.at("spec.mutations"), cells);
}

fn policy(row: &Row<'_>, rules: Ref<'_>, cells: &mut Cells<'_>) {
    let kind = row.at("spec.paramKind");
    let kind = kind
        .exists()
        .then(|| format!("{}/{}", kind.at("apiVersion").str(), kind.at("kind").str()));
    cells
        .name(row)
        .count(rules.len())
        .text(kind.as_deref().unwrap_or("<unset>"))
        .age(row);
}

pub(super) const BINDING: &[Column] = &[
    NAME,
    Column::text("PolicyName", "The policy that is bound."),
    Column::text("ParamRef", "The policy's parameters."),
    AGE,
];

pub(super) fn binding(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(row.at("spec.policyName").str())
        .text(&parameters(row.at("spec.paramRef")))
        .age(row);
}

/// By name, in a namespace or in any; or all that a selector selects.
fn parameters(of: Ref<'_>) -> String {
    let (namespace, name, selector) = (of.at("namespace").str(), of.at("name").str(), of.at("selector"));
    match (namespace, name) {
        (_, "") if selector.exists() => selector.json(),
        (_, "") => "<unset>".to_owned(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}
