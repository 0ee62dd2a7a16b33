//! The network of a node: bridges, namespaces, addresses, published ports and names.

#![forbid(unsafe_code)]
