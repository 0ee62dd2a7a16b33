//! Which node a pod runs on.
#![forbid(unsafe_code)]
