//! What the codecs promise, against upstream's own round-trip files and against random trees.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod arbitrary;
mod custom;
mod hostile;
mod object;
mod oracle;
mod pack;
mod rows;
mod strict;
mod trees;
