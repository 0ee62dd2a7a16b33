//! What a cluster is made of: namespaces, nodes, events.

mod api_service;
mod event;
mod namespace;
mod node;
mod storage_version;

use crate::{PLAIN, Row, Strategy};

pub(crate) const ROWS: &[Row] = &[
    ("", "events", &event::CORE),
    ("", "namespaces", &namespace::STRATEGY),
    ("", "nodes", &node::STRATEGY),
    ("apiextensions.k8s.io", "customresourcedefinitions", &DEFINITION),
    ("apiregistration.k8s.io", "apiservices", &api_service::STRATEGY),
    ("events.k8s.io", "events", &event::EVENTS),
    (
        "internal.apiserver.k8s.io",
        "storageversions",
        &storage_version::VERSION,
    ),
    (
        "storagemigration.k8s.io",
        "storageversionmigrations",
        &storage_version::MIGRATION,
    ),
];

/// Definitions are validated where they are served from, beside their schemas.
const DEFINITION: Strategy = Strategy {
    generation: crate::Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

#[cfg(test)]
mod changes;
