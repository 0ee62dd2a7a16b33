//! Namespaces, leases, and what the API server says of itself.

use super::{AGE, NAME};
use crate::text::{condition, first_or_unset};
use crate::{Cells, Column, Row};

pub(super) const NAMESPACE: &[Column] = &[NAME, Column::text("Status", "The status of the namespace"), AGE];

pub(super) fn namespace(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).text(row.at("status.phase").str()).age(row);
}

pub(super) const COMPONENT_STATUS: &[Column] = &[
    NAME,
    Column::text("Status", "Status of the component conditions"),
    Column::text("Message", "Message of the component conditions"),
    Column::text("Error", "Error of the component conditions"),
];

pub(super) fn component_status(row: &Row<'_>, cells: &mut Cells<'_>) {
    let healthy = condition(row.at("conditions"), "Healthy");
    let status = match healthy.map(|it| it.at("status").str()) {
        Some("True") => "Healthy",
        Some(_) => "Unhealthy",
        None => "Unknown",
    };
    let says = |member: &str| healthy.map_or("", |it| it.at(member).str());
    cells
        .name(row)
        .text(status)
        .text(says("message"))
        .text(says("error"));
}

pub(super) const API_SERVICE: &[Column] = &[
    NAME,
    Column::text(
        "Service",
        "The reference to the service that hosts this API endpoint.",
    ),
    Column::text("Available", "Whether this service is available."),
    AGE,
];

pub(super) fn api_service(row: &Row<'_>, cells: &mut Cells<'_>) {
    let service = row.at("spec.service");
    let at = match service.exists() {
        true => format!("{}/{}", service.at("namespace").str(), service.at("name").str()),
        false => "Local".to_owned(),
    };
    let available = condition(row.at("status.conditions"), "Available");
    let says = |member: &str| available.map_or("", |it| it.at(member).str());
    let status = match (says("status"), says("reason")) {
        ("True", _) => "True".to_owned(),
        ("", _) if available.is_none() => "Unknown".to_owned(),
        (status, "") => status.to_owned(),
        (status, reason) => format!("{status} ({reason})"),
    };
    cells.name(row).text(&at).text(&status).age(row);
}

pub(super) const LEASE: &[Column] = &[NAME, Column::text("Holder", "Who holds the lease."), AGE];

pub(super) fn lease(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).text(row.at("spec.holderIdentity").str()).age(row);
}

pub(super) const LEASE_CANDIDATE: &[Column] = &[
    NAME,
    Column::text("LeaseName", "The lease it competes for."),
    Column::text("BinaryVersion", "The candidate's version."),
    Column::text("EmulationVersion", "The version that the candidate behaves as."),
    AGE,
];

pub(super) fn lease_candidate(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row);
    for member in ["leaseName", "binaryVersion", "emulationVersion"] {
        cells.text(row.at("spec").at(member).str());
    }
    cells.age(row);
}

pub(super) const STORAGE_VERSION: &[Column] = &[
    NAME,
    Column::text("CommonEncodingVersion", "The version that all servers encode in."),
    Column::text("StorageVersions", "The versions that each server encodes in."),
    AGE,
];

pub(super) fn storage_version(row: &Row<'_>, cells: &mut Cells<'_>) {
    let versions: Vec<String> = row
        .at("status.storageVersions")
        .items()
        .map(|it| {
            format!(
                "{}={}",
                it.at("apiServerID").str(),
                it.at("encodingVersion").str()
            )
        })
        .collect();
    cells
        .name(row)
        .present_or(row.at("status.commonEncodingVersion"), "<unset>")
        .text(&first_or_unset(&versions))
        .age(row);
}

pub(super) const MIGRATION: &[Column] = &[
    Column::text("Name", "The object's name."),
    Column::text("Resource", "Fully qualified resource to migrate"),
];

pub(super) fn migration(row: &Row<'_>, cells: &mut Cells<'_>) {
    let resource = row.at("spec.resource");
    let text = format!("{}.{}", resource.at("resource").str(), resource.at("group").str());
    cells.name(row).text(&text);
}
