//! Every row of every kind: what holds for all of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "../../schema/tests/pure/arbitrary.rs"]
#[allow(dead_code, reason = "the schema's own tests use all of it")]
mod arbitrary;
#[path = "../../apiserver/tests/pure/samples.rs"]
#[allow(dead_code, reason = "the server's tests use all of it")]
mod samples;

#[path = "pure/rows.rs"]
mod rows;
