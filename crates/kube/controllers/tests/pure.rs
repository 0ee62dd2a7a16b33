//! Controllers beside an API server, under seeded schedules and virtual time.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "pure/clients.rs"]
mod clients;
#[path = "pure/conformance.rs"]
mod conformance;
#[path = "pure/deployments.rs"]
mod deployments;
#[path = "pure/endpoints.rs"]
mod endpoints;
#[path = "pure/garbage.rs"]
mod garbage;
#[path = "pure/jobs.rs"]
mod jobs;
#[path = "pure/kubelet.rs"]
mod kubelet;
#[path = "pure/namespaces.rs"]
mod namespaces;
#[path = "pure/node.rs"]
mod node;
#[path = "pure/nodes.rs"]
mod nodes;
#[path = "pure/others.rs"]
mod others;
#[path = "pure/protection.rs"]
mod protection;
#[path = "pure/replica_sets.rs"]
mod replica_sets;
#[path = "pure/services.rs"]
mod services;
