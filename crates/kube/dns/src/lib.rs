//! The names of the cluster, as a function of services and endpoints.
#![forbid(unsafe_code)]
