//! What a cluster is made of: namespaces, nodes, events.

mod event;
mod namespace;
mod node;

use crate::{PLAIN, Row, Strategy};

pub(crate) const ROWS: &[Row] = &[
    ("", "events", &event::CORE),
    ("", "namespaces", &namespace::STRATEGY),
    ("", "nodes", &node::STRATEGY),
    ("apiextensions.k8s.io", "customresourcedefinitions", &DEFINITION),
    ("apiregistration.k8s.io", "apiservices", &API_SERVICE),
    ("coordination.k8s.io", "leasecandidates", &CANDIDATE),
    ("events.k8s.io", "events", &event::EVENTS),
];

/// Definitions are validated where they are served from, beside their schemas.
const DEFINITION: Strategy = Strategy {
    generation: crate::Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

const API_SERVICE: Strategy = Strategy {
    unconditional_update: false,
    ..PLAIN
};

const CANDIDATE: Strategy = Strategy {
    create_on_update: true,
    unconditional_update: false,
    resets: &[],
    ..PLAIN
};
