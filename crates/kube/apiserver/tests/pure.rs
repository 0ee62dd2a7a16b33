//! The API server as a client sees it, on the embedded store over a simulated disk and in virtual time.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "pure/admission.rs"]
mod admission;
#[path = "pure/aggregation.rs"]
mod aggregation;
#[path = "pure/certificates.rs"]
mod certificates;
#[path = "pure/conformance.rs"]
mod conformance;
#[path = "pure/conversion.rs"]
mod conversion;
#[path = "pure/custom.rs"]
mod custom;
#[path = "pure/custom_rules.rs"]
mod custom_rules;
#[path = "pure/definitions.rs"]
mod definitions;
#[path = "pure/door.rs"]
mod door;
#[path = "pure/every_row.rs"]
mod every_row;
#[path = "pure/fairness.rs"]
mod fairness;
#[path = "pure/flow.rs"]
mod flow;
#[path = "pure/golden.rs"]
mod golden;
#[path = "pure/kubelets.rs"]
mod kubelets;
#[path = "pure/outside.rs"]
mod outside;
#[path = "pure/owners.rs"]
mod owners;
#[path = "pure/paths.rs"]
mod paths;
#[path = "pure/policies.rs"]
mod policies;
#[path = "pure/refusals.rs"]
mod refusals;
#[path = "pure/rights.rs"]
mod rights;
#[path = "pure/samples.rs"]
mod samples;
#[path = "pure/services.rs"]
mod services;
#[path = "pure/watches.rs"]
mod watches;
#[path = "pure/webhooks.rs"]
mod webhooks;
#[path = "pure/writes.rs"]
mod writes;
