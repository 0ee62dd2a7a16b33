//! A kubelet without a kernel: workers alone, and the whole of it beside an API server under virtual time.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "pure/admission.rs"]
mod admission;
#[path = "pure/agent.rs"]
mod agent;
#[path = "pure/limits.rs"]
mod limits;
#[path = "pure/node.rs"]
mod node;
#[path = "pure/play.rs"]
mod play;
#[path = "pure/resizes.rs"]
mod resizes;
#[path = "pure/rules.rs"]
mod rules;
#[path = "pure/server.rs"]
mod server;
#[path = "pure/statics.rs"]
mod statics;
#[path = "pure/transcripts.rs"]
mod transcripts;
#[path = "pure/whole.rs"]
mod whole;
#[path = "pure/world.rs"]
mod world;
