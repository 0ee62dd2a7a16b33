//! What is asked before an object is stored: webhooks. Policies in CEL are judged where they are compiled; here
//! is their generation alone.

mod webhook;

use crate::{Generation, PLAIN, Row, Strategy};

const GROUP: &str = "admissionregistration.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    (GROUP, "mutatingadmissionpolicies", &POLICY),
    (GROUP, "mutatingadmissionpolicybindings", &POLICY),
    (GROUP, "mutatingwebhookconfigurations", &webhook::MUTATING),
    (GROUP, "validatingadmissionpolicies", &POLICY),
    (GROUP, "validatingadmissionpolicybindings", &POLICY),
    (GROUP, "validatingwebhookconfigurations", &webhook::VALIDATING),
];

const POLICY: Strategy = Strategy {
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};
