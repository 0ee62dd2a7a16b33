//! BuildKit's protocol.

#![forbid(unsafe_code)]

pub mod grpc;
mod proto;
