//! Gantry.
fn main() {}
