//! What a pod on this node should do next, and the statuses that tell it.
#![forbid(unsafe_code)]
