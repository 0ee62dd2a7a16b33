//! Pods on the container engine: does what the kubelet decides.
#![forbid(unsafe_code)]
