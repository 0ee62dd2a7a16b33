//! What is asked before an object is stored: webhooks and policies.

mod binding;
mod policy;
mod webhook;

use crate::Row;

const GROUP: &str = "admissionregistration.k8s.io";

pub(crate) const ROWS: &[Row] = &[
    (GROUP, "mutatingadmissionpolicies", &policy::MUTATING),
    (GROUP, "mutatingadmissionpolicybindings", &binding::MUTATING),
    (GROUP, "mutatingwebhookconfigurations", &webhook::MUTATING),
    (GROUP, "validatingadmissionpolicies", &policy::VALIDATING),
    (GROUP, "validatingadmissionpolicybindings", &binding::VALIDATING),
    (GROUP, "validatingwebhookconfigurations", &webhook::VALIDATING),
];
