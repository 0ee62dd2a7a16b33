//! `gantry oci` on the real kernel, as root.

mod attacks;
mod cases;
mod lifecycle;
mod serving;
mod supervising;
mod thin;

use cases::{CASES, Runtime};

#[test]
fn a_container_sees_what_it_should() {
    let runtime = Runtime::gantry();
    let failures: Vec<String> = CASES
        .iter()
        .filter_map(|case| case.check(&runtime).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(runtime.left().is_empty(), "{:?}", runtime.left());
}
