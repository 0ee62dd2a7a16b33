//! The container table of the node.

#![forbid(unsafe_code)]
