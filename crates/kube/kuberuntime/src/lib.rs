//! Pods on the container engine: does what the kubelet decides.
#![forbid(unsafe_code)]

pub mod files;
pub mod machine;
pub mod volumes;
