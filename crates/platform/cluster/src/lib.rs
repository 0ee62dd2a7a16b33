//! The composition root: from a configuration to a running node.

#![forbid(unsafe_code)]
