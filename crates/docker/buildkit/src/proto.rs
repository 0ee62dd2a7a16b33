//! BuildKit's messages by short names. They are made by `cargo xtask codegen` of `../proto`.

#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::use_self,
    clippy::uninlined_format_args,
    reason = "generated"
)]
#[rustfmt::skip]
#[path = "generated.rs"]
mod generated;

pub(crate) use generated::fsutil::types as fsutil;
pub(crate) use generated::google::protobuf::{Any, Timestamp};
pub(crate) use generated::google::rpc;
pub(crate) use generated::grpc::health::v1 as health;
pub(crate) use generated::moby::buildkit::secrets::v1 as secrets;
pub(crate) use generated::moby::buildkit::v1 as control;
pub(crate) use generated::moby::buildkit::v1::{apicaps, frontend, sourcepolicy, types};
pub(crate) use generated::moby::exporter::v1 as exporter;
pub(crate) use generated::moby::filesync::v1 as filesync;
pub(crate) use generated::moby::sshforward::v1 as ssh;
pub(crate) use llb::pb;
