//! Quotas as arithmetic: what an object counts for, and which quotas count it (upstream's `pkg/quota/v1`).
//!
//! Admission charges a quota before an object is stored, and a controller counts again when objects go: both ask here,
//! so that they cannot disagree. Pure: trees in, amounts out.

mod amount;
mod claims;
mod evaluator;
mod pods;
mod scope;
mod services;
#[cfg(test)]
mod tests;

pub use amount::{Amount, Amounts, amounts};
pub use evaluator::Evaluator;
pub use pods::{limits, requests};
pub use scope::Scope;
