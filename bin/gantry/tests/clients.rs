//! `gantry oci` beside runc: the same cases on both, so that the cases themselves are proven.

mod cases;
mod corpus;
mod docker;
mod drill;
mod hostile;
mod kubectl;
mod libraries;
mod orchestrated;
mod registry;
mod shop;
mod tour;

use cases::{CASES, Runtime};

#[test]
fn runc_shows_the_same() {
    let runc = Runtime::runc();
    let comparable = CASES.iter().filter(|case| case.not_runc.is_none());
    let failures: Vec<String> = comparable.filter_map(|case| case.check(&runc).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
