//! What is asked before an object is stored: webhooks, and policies in CEL.

mod policy;
mod webhook;

use crate::Row;

const GROUP: &str = "admissionregistration.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    (GROUP, "mutatingadmissionpolicies", &policy::MUTATING),
    (GROUP, "mutatingadmissionpolicybindings", &policy::BINDING),
    (GROUP, "mutatingwebhookconfigurations", &webhook::MUTATING),
    (GROUP, "validatingadmissionpolicies", &policy::VALIDATING),
    (
        GROUP,
        "validatingadmissionpolicybindings",
        &policy::VALIDATING_BINDING,
    ),
    (GROUP, "validatingwebhookconfigurations", &webhook::VALIDATING),
];
