//! Services and their endpoints as the map of this node.
#![forbid(unsafe_code)]
