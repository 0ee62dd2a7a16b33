//! Who may do what, and certificates.

use schema::cursor::Ref;

use super::{AGE, NAME};
use crate::text::join;
use crate::{Cells, Column, Row, age};

pub(super) const ROLE_BINDING: &[Column] = &[
    NAME,
    Column::text("Role", "What may be done."),
    AGE,
    Column::wide("Users", "The users that may."),
    Column::wide("Groups", "The groups that may."),
    Column::wide("ServiceAccounts", "The service accounts that may."),
];

pub(super) fn role_binding(row: &Row<'_>, cells: &mut Cells<'_>) {
    let role = row.at("roleRef");
    cells
        .name(row)
        .text(&format!("{}/{}", role.at("kind").str(), role.at("name").str()))
        .age(row);
    for kind in ["User", "Group", "ServiceAccount"] {
        cells.text(&subjects(row.at("subjects"), kind));
    }
}

fn subjects(subjects: Ref<'_>, kind: &str) -> String {
    let name = |it: Ref<'_>| match kind {
        "ServiceAccount" => format!("{}/{}", it.at("namespace").str(), it.at("name").str()),
        _ => it.at("name").str().to_owned(),
    };
    let of_kind = subjects.items().filter(|it| it.at("kind").str() == kind);
    join(of_kind.map(name), ", ")
}

pub(super) const SIGNING_REQUEST: &[Column] = &[
    NAME,
    AGE,
    Column::text("SignerName", "Who shall sign."),
    Column::text("Requestor", "Who asks."),
    Column::text("RequestedDuration", "How long the certificate shall be valid."),
    Column::text("Condition", "How far the request has come."),
];

pub(super) fn signing_request(row: &Row<'_>, cells: &mut Cells<'_>) {
    let duration = row.at("spec.expirationSeconds").integer();
    cells
        .name(row)
        .age(row)
        .text_or(row.at("spec.signerName").str(), "<none>")
        .text(row.at("spec.username").str())
        .text(&duration.map_or_else(|| "<none>".to_owned(), age::human_duration))
        .text(&condition(row));
}

fn condition(row: &Row<'_>) -> String {
    let conditions = row.at("status.conditions");
    let has = |kind: &str| conditions.items().any(|it| it.at("type").str() == kind);
    let mut words = vec![match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }];
    if has("Failed") {
        words.push("Failed");
    }
    if !row.at("status.certificate").is_empty() {
        words.push("Issued");
    }
    words.join(",")
}

pub(super) const TRUST_BUNDLE: &[Column] = &[
    NAME,
    Column::text("SignerName", "Whose certificates it vouches for."),
];

pub(super) fn trust_bundle(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).text_or(row.at("spec.signerName").str(), "<none>");
}

pub(super) const POD_CERTIFICATE: &[Column] = &[
    NAME,
    Column::text("PodName", "The pod that shall have the certificate."),
    Column::text("ServiceAccountName", "The pod's service account."),
    Column::text("NodeName", "The pod's node."),
    Column::text("SignerName", "Who shall sign."),
    Column::text("State", "Is the request Pending, Issued, Denied, or Failed?"),
];

pub(super) fn pod_certificate(row: &Row<'_>, cells: &mut Cells<'_>) {
    let conditions = row.at("status.conditions");
    let ends = ["Issued", "Denied", "Failed"];
    let mut states = conditions.items().map(|it| it.at("type").str()).rev();
    let state = states.find(|state| ends.contains(state));
    cells.name(row);
    for member in ["podName", "serviceAccountName", "nodeName", "signerName"] {
        cells.text(row.at("spec").at(member).str());
    }
    cells.text(state.unwrap_or("Pending"));
}
