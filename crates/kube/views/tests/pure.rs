//! Views of stored bodies.

#[path = "pure/pod.rs"]
mod pod;
