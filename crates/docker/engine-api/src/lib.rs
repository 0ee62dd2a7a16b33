//! The Docker Engine API.

#![forbid(unsafe_code)]
