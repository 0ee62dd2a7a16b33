// Made by `cargo xtask codegen` of ../proto.
pub mod fsutil {
pub mod types {
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Stat {
    #[prost(string, tag = "1")]
    pub path: ::prost::alloc::string::String,
    #[prost(uint32, tag = "2")]
    pub mode: u32,
    #[prost(uint32, tag = "3")]
    pub uid: u32,
    #[prost(uint32, tag = "4")]
    pub gid: u32,
    #[prost(int64, tag = "5")]
    pub size: i64,
    #[prost(int64, tag = "6")]
    pub mod_time: i64,
    #[prost(string, tag = "7")]
    pub linkname: ::prost::alloc::string::String,
    #[prost(int64, tag = "8")]
    pub devmajor: i64,
    #[prost(int64, tag = "9")]
    pub devminor: i64,
    #[prost(btree_map = "string, bytes", tag = "10")]
    pub xattrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::bytes::Bytes,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Packet {
    #[prost(enumeration = "packet::PacketType", tag = "1")]
    pub r#type: i32,
    #[prost(message, optional, tag = "2")]
    pub stat: ::core::option::Option<Stat>,
    #[prost(uint32, tag = "3")]
    pub id: u32,
    #[prost(bytes = "bytes", tag = "4")]
    pub data: ::prost::bytes::Bytes,
}
/// Nested message and enum types in `Packet`.
pub mod packet {
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Hash,
        PartialOrd,
        Ord,
        ::prost::Enumeration
    )]
    #[repr(i32)]
    pub enum PacketType {
        PacketStat = 0,
        PacketReq = 1,
        PacketData = 2,
        PacketFin = 3,
        PacketErr = 4,
    }
    impl PacketType {
        /// String value of the enum field names used in the ProtoBuf definition.
        ///
        /// The values are not transformed in any way and thus are considered stable
        /// (if the ProtoBuf definition does not change) and safe for programmatic use.
        pub fn as_str_name(&self) -> &'static str {
            match self {
                Self::PacketStat => "PACKET_STAT",
                Self::PacketReq => "PACKET_REQ",
                Self::PacketData => "PACKET_DATA",
                Self::PacketFin => "PACKET_FIN",
                Self::PacketErr => "PACKET_ERR",
            }
        }
        /// Creates an enum from field names used in the ProtoBuf definition.
        pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
            match value {
                "PACKET_STAT" => Some(Self::PacketStat),
                "PACKET_REQ" => Some(Self::PacketReq),
                "PACKET_DATA" => Some(Self::PacketData),
                "PACKET_FIN" => Some(Self::PacketFin),
                "PACKET_ERR" => Some(Self::PacketErr),
                _ => None,
            }
        }
    }
}
}
}
pub mod google {
pub mod protobuf {
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Any {
    #[prost(string, tag = "1")]
    pub type_url: ::prost::alloc::string::String,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: ::prost::bytes::Bytes,
}
}
pub mod rpc {
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Status {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "3")]
    pub details: ::prost::alloc::vec::Vec<super::protobuf::Any>,
}
}
}
pub mod grpc {
pub mod health {
pub mod v1 {
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub service: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HealthCheckResponse {
    #[prost(enumeration = "health_check_response::ServingStatus", tag = "1")]
    pub status: i32,
}
/// Nested message and enum types in `HealthCheckResponse`.
pub mod health_check_response {
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Hash,
        PartialOrd,
        Ord,
        ::prost::Enumeration
    )]
    #[repr(i32)]
    pub enum ServingStatus {
        Unknown = 0,
        Serving = 1,
        NotServing = 2,
        ServiceUnknown = 3,
    }
    impl ServingStatus {
        /// String value of the enum field names used in the ProtoBuf definition.
        ///
        /// The values are not transformed in any way and thus are considered stable
        /// (if the ProtoBuf definition does not change) and safe for programmatic use.
        pub fn as_str_name(&self) -> &'static str {
            match self {
                Self::Unknown => "UNKNOWN",
                Self::Serving => "SERVING",
                Self::NotServing => "NOT_SERVING",
                Self::ServiceUnknown => "SERVICE_UNKNOWN",
            }
        }
        /// Creates an enum from field names used in the ProtoBuf definition.
        pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
            match value {
                "UNKNOWN" => Some(Self::Unknown),
                "SERVING" => Some(Self::Serving),
                "NOT_SERVING" => Some(Self::NotServing),
                "SERVICE_UNKNOWN" => Some(Self::ServiceUnknown),
                _ => None,
            }
        }
    }
}
}
}
}
pub mod moby {
pub mod buildkit {
pub mod secrets {
pub mod v1 {
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct GetSecretRequest {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub annotations: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetSecretResponse {
    #[prost(bytes = "bytes", tag = "1")]
    pub data: ::prost::bytes::Bytes,
}
}
}
pub mod v1 {
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PruneRequest {
    #[prost(string, repeated, tag = "1")]
    pub filter: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(bool, tag = "2")]
    pub all: bool,
    #[prost(int64, tag = "3")]
    pub keep_duration: i64,
    #[prost(int64, tag = "4")]
    pub reserved_space: i64,
    #[prost(int64, tag = "5")]
    pub max_used_space: i64,
    #[prost(int64, tag = "6")]
    pub min_free_space: i64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DiskUsageRequest {
    #[prost(string, repeated, tag = "1")]
    pub filter: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(int64, tag = "2")]
    pub age_limit: i64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct DiskUsageResponse {
    #[prost(message, repeated, tag = "1")]
    pub record: ::prost::alloc::vec::Vec<UsageRecord>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct UsageRecord {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(bool, tag = "2")]
    pub mutable: bool,
    #[prost(bool, tag = "3")]
    pub in_use: bool,
    #[prost(int64, tag = "4")]
    pub size: i64,
    #[deprecated]
    #[prost(string, tag = "5")]
    pub parent: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "6")]
    pub created_at: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(message, optional, tag = "7")]
    pub last_used_at: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(int64, tag = "8")]
    pub usage_count: i64,
    #[prost(string, tag = "9")]
    pub description: ::prost::alloc::string::String,
    #[prost(string, tag = "10")]
    pub record_type: ::prost::alloc::string::String,
    #[prost(bool, tag = "11")]
    pub shared: bool,
    #[prost(string, repeated, tag = "12")]
    pub parents: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SolveRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub definition: ::core::option::Option<::llb::pb::Definition>,
    #[prost(string, tag = "3")]
    pub exporter_deprecated: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "4")]
    pub exporter_attrs_deprecated: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(string, tag = "5")]
    pub session: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub frontend: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "7")]
    pub frontend_attrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(message, optional, tag = "8")]
    pub cache: ::core::option::Option<CacheOptions>,
    #[prost(string, repeated, tag = "9")]
    pub entitlements: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(btree_map = "string, message", tag = "10")]
    pub frontend_inputs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::llb::pb::Definition,
    >,
    #[prost(bool, tag = "11")]
    pub internal: bool,
    #[prost(message, optional, tag = "12")]
    pub source_policy: ::core::option::Option<sourcepolicy::Policy>,
    #[prost(message, repeated, tag = "13")]
    pub exporters: ::prost::alloc::vec::Vec<Exporter>,
    #[prost(bool, tag = "14")]
    pub enable_session_exporter: bool,
    #[prost(string, tag = "15")]
    pub source_policy_session: ::prost::alloc::string::String,
    #[prost(int64, tag = "16")]
    pub compatibility_version: i64,
    #[prost(bool, tag = "17")]
    pub proxy_network: bool,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CacheOptions {
    #[prost(string, tag = "1")]
    pub export_ref_deprecated: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "2")]
    pub import_refs_deprecated: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(btree_map = "string, string", tag = "3")]
    pub export_attrs_deprecated: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(message, repeated, tag = "4")]
    pub exports: ::prost::alloc::vec::Vec<CacheOptionsEntry>,
    #[prost(message, repeated, tag = "5")]
    pub imports: ::prost::alloc::vec::Vec<CacheOptionsEntry>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CacheOptionsEntry {
    #[prost(string, tag = "1")]
    pub r#type: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub attrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SolveResponse {
    #[prost(btree_map = "string, string", tag = "1")]
    pub exporter_response: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StatusRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StatusResponse {
    #[prost(message, repeated, tag = "1")]
    pub vertexes: ::prost::alloc::vec::Vec<Vertex>,
    #[prost(message, repeated, tag = "2")]
    pub statuses: ::prost::alloc::vec::Vec<VertexStatus>,
    #[prost(message, repeated, tag = "3")]
    pub logs: ::prost::alloc::vec::Vec<VertexLog>,
    #[prost(message, repeated, tag = "4")]
    pub warnings: ::prost::alloc::vec::Vec<VertexWarning>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Vertex {
    #[prost(string, tag = "1")]
    pub digest: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "2")]
    pub inputs: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, tag = "3")]
    pub name: ::prost::alloc::string::String,
    #[prost(bool, tag = "4")]
    pub cached: bool,
    #[prost(message, optional, tag = "5")]
    pub started: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(message, optional, tag = "6")]
    pub completed: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(string, tag = "7")]
    pub error: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "8")]
    pub progress_group: ::core::option::Option<::llb::pb::ProgressGroup>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct VertexStatus {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub vertex: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub name: ::prost::alloc::string::String,
    #[prost(int64, tag = "4")]
    pub current: i64,
    #[prost(int64, tag = "5")]
    pub total: i64,
    #[prost(message, optional, tag = "6")]
    pub timestamp: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(message, optional, tag = "7")]
    pub started: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(message, optional, tag = "8")]
    pub completed: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct VertexLog {
    #[prost(string, tag = "1")]
    pub vertex: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub timestamp: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(int64, tag = "3")]
    pub stream: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub msg: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct VertexWarning {
    #[prost(string, tag = "1")]
    pub vertex: ::prost::alloc::string::String,
    #[prost(int64, tag = "2")]
    pub level: i64,
    #[prost(bytes = "bytes", tag = "3")]
    pub short: ::prost::bytes::Bytes,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub detail: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    #[prost(string, tag = "5")]
    pub url: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "6")]
    pub info: ::core::option::Option<::llb::pb::SourceInfo>,
    #[prost(message, repeated, tag = "7")]
    pub ranges: ::prost::alloc::vec::Vec<::llb::pb::Range>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListWorkersRequest {
    #[prost(string, repeated, tag = "1")]
    pub filter: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListWorkersResponse {
    #[prost(message, repeated, tag = "1")]
    pub record: ::prost::alloc::vec::Vec<types::WorkerRecord>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct InfoRequest {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    pub buildkit_version: ::core::option::Option<types::BuildkitVersion>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BuildHistoryRequest {
    #[prost(bool, tag = "1")]
    pub active_only: bool,
    #[prost(string, tag = "2")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(bool, tag = "3")]
    pub early_exit: bool,
    #[prost(string, repeated, tag = "4")]
    pub filter: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(int32, tag = "5")]
    pub limit: i32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct BuildHistoryEvent {
    #[prost(enumeration = "BuildHistoryEventType", tag = "1")]
    pub r#type: i32,
    #[prost(message, optional, tag = "2")]
    pub record: ::core::option::Option<BuildHistoryRecord>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct BuildHistoryRecord {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub frontend: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub frontend_attrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(message, repeated, tag = "4")]
    pub exporters: ::prost::alloc::vec::Vec<Exporter>,
    #[prost(message, optional, tag = "5")]
    pub error: ::core::option::Option<super::super::super::google::rpc::Status>,
    #[prost(message, optional, tag = "6")]
    pub created_at: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(message, optional, tag = "7")]
    pub completed_at: ::core::option::Option<
        super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(message, optional, tag = "8")]
    pub logs: ::core::option::Option<Descriptor>,
    #[prost(btree_map = "string, string", tag = "9")]
    pub exporter_response: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(message, optional, tag = "10")]
    pub result: ::core::option::Option<BuildResultInfo>,
    #[prost(btree_map = "string, message", tag = "11")]
    pub results: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        BuildResultInfo,
    >,
    #[prost(int32, tag = "12")]
    pub generation: i32,
    #[prost(message, optional, tag = "13")]
    pub trace: ::core::option::Option<Descriptor>,
    #[prost(bool, tag = "14")]
    pub pinned: bool,
    #[prost(int32, tag = "15")]
    pub num_cached_steps: i32,
    #[prost(int32, tag = "16")]
    pub num_total_steps: i32,
    #[prost(int32, tag = "17")]
    pub num_completed_steps: i32,
    #[prost(message, optional, tag = "18")]
    pub external_error: ::core::option::Option<Descriptor>,
    #[prost(int32, tag = "19")]
    pub num_warnings: i32,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct UpdateBuildHistoryRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(bool, tag = "2")]
    pub pinned: bool,
    #[prost(bool, tag = "3")]
    pub delete: bool,
    #[prost(bool, tag = "4")]
    pub finalize: bool,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct UpdateBuildHistoryResponse {}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Descriptor {
    #[prost(string, tag = "1")]
    pub media_type: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub digest: ::prost::alloc::string::String,
    #[prost(int64, tag = "3")]
    pub size: i64,
    #[prost(btree_map = "string, string", tag = "5")]
    pub annotations: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct BuildResultInfo {
    #[prost(message, optional, tag = "1")]
    pub result_deprecated: ::core::option::Option<Descriptor>,
    #[prost(message, repeated, tag = "2")]
    pub attestations: ::prost::alloc::vec::Vec<Descriptor>,
    #[prost(btree_map = "int64, message", tag = "3")]
    pub results: ::prost::alloc::collections::BTreeMap<i64, Descriptor>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Exporter {
    #[prost(string, tag = "1")]
    pub r#type: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub attrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum BuildHistoryEventType {
    Started = 0,
    Complete = 1,
    Deleted = 2,
}
impl BuildHistoryEventType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Complete => "COMPLETE",
            Self::Deleted => "DELETED",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "STARTED" => Some(Self::Started),
            "COMPLETE" => Some(Self::Complete),
            "DELETED" => Some(Self::Deleted),
            _ => None,
        }
    }
}
pub mod apicaps {
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ApiCap {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(bool, tag = "2")]
    pub enabled: bool,
    #[prost(bool, tag = "3")]
    pub deprecated: bool,
    #[prost(string, tag = "4")]
    pub disabled_reason: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub disabled_reason_msg: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub disabled_alternative: ::prost::alloc::string::String,
}
}
pub mod frontend {
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Result {
    #[prost(btree_map = "string, bytes", tag = "10")]
    pub metadata: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::bytes::Bytes,
    >,
    #[prost(btree_map = "string, message", tag = "12")]
    pub attestations: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        Attestations,
    >,
    #[prost(oneof = "result::Result", tags = "1, 2, 3, 4")]
    pub result: ::core::option::Option<result::Result>,
}
/// Nested message and enum types in `Result`.
pub mod result {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Result {
        #[prost(string, tag = "1")]
        RefDeprecated(::prost::alloc::string::String),
        #[prost(message, tag = "2")]
        RefsDeprecated(super::RefMapDeprecated),
        #[prost(message, tag = "3")]
        Ref(super::Ref),
        #[prost(message, tag = "4")]
        Refs(super::RefMap),
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RefMapDeprecated {
    #[prost(btree_map = "string, string", tag = "1")]
    pub refs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Ref {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub def: ::core::option::Option<::llb::pb::Definition>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RefMap {
    #[prost(btree_map = "string, message", tag = "1")]
    pub refs: ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, Ref>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Attestations {
    #[prost(message, repeated, tag = "1")]
    pub attestation: ::prost::alloc::vec::Vec<Attestation>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Attestation {
    #[prost(enumeration = "AttestationKind", tag = "1")]
    pub kind: i32,
    #[prost(btree_map = "string, bytes", tag = "2")]
    pub metadata: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::bytes::Bytes,
    >,
    #[prost(message, optional, tag = "3")]
    pub r#ref: ::core::option::Option<Ref>,
    #[prost(string, tag = "4")]
    pub path: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub in_toto_predicate_type: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "6")]
    pub in_toto_subjects: ::prost::alloc::vec::Vec<InTotoSubject>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct InTotoSubject {
    #[prost(enumeration = "InTotoSubjectKind", tag = "1")]
    pub kind: i32,
    #[prost(string, repeated, tag = "2")]
    pub digest: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, tag = "3")]
    pub name: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReturnRequest {
    #[prost(message, optional, tag = "1")]
    pub result: ::core::option::Option<Result>,
    #[prost(message, optional, tag = "2")]
    pub error: ::core::option::Option<super::super::super::super::google::rpc::Status>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReturnResponse {}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct InputsRequest {}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InputsResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    pub definitions: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::llb::pb::Definition,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResolveImageConfigRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub platform: ::core::option::Option<::llb::pb::Platform>,
    #[prost(string, tag = "3")]
    pub resolve_mode: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub log_name: ::prost::alloc::string::String,
    #[prost(int32, tag = "5")]
    pub resolver_type: i32,
    #[prost(string, tag = "6")]
    pub session_id: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub store_id: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "8")]
    pub source_policies: ::prost::alloc::vec::Vec<super::sourcepolicy::Policy>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResolveImageConfigResponse {
    #[prost(string, tag = "1")]
    pub digest: ::prost::alloc::string::String,
    #[prost(bytes = "bytes", tag = "2")]
    pub config: ::prost::bytes::Bytes,
    #[prost(string, tag = "3")]
    pub r#ref: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResolveSourceMetaRequest {
    #[prost(message, optional, tag = "1")]
    pub source: ::core::option::Option<::llb::pb::SourceOp>,
    #[prost(message, optional, tag = "2")]
    pub platform: ::core::option::Option<::llb::pb::Platform>,
    #[prost(string, tag = "3")]
    pub log_name: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub resolve_mode: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "5")]
    pub git: ::core::option::Option<ResolveSourceGitRequest>,
    #[prost(message, optional, tag = "6")]
    pub image: ::core::option::Option<ResolveSourceImageRequest>,
    #[prost(message, optional, tag = "7")]
    pub http: ::core::option::Option<ResolveSourceHttpRequest>,
    #[prost(message, repeated, tag = "8")]
    pub source_policies: ::prost::alloc::vec::Vec<super::sourcepolicy::Policy>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResolveSourceMetaResponse {
    #[prost(message, optional, tag = "1")]
    pub source: ::core::option::Option<::llb::pb::SourceOp>,
    #[prost(message, optional, tag = "2")]
    pub image: ::core::option::Option<ResolveSourceImageResponse>,
    #[prost(message, optional, tag = "3")]
    pub git: ::core::option::Option<ResolveSourceGitResponse>,
    #[prost(message, optional, tag = "4")]
    pub http: ::core::option::Option<ResolveSourceHttpResponse>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResolveSourceImageRequest {
    #[prost(bool, tag = "1")]
    pub no_config: bool,
    #[prost(bool, tag = "2")]
    pub attestation_chain: bool,
    #[prost(string, repeated, tag = "3")]
    pub resolve_attestations: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AttestationChain {
    #[prost(string, tag = "1")]
    pub root: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub image_manifest: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub attestation_manifest: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "4")]
    pub signature_manifests: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub blobs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        Blob,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ResolveSourceImageResponse {
    #[prost(string, tag = "1")]
    pub digest: ::prost::alloc::string::String,
    #[prost(bytes = "bytes", tag = "2")]
    pub config: ::prost::bytes::Bytes,
    #[prost(message, optional, tag = "3")]
    pub attestation_chain: ::core::option::Option<AttestationChain>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResolveSourceGitRequest {
    #[prost(bool, tag = "1")]
    pub return_object: bool,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResolveSourceGitResponse {
    #[prost(string, tag = "1")]
    pub checksum: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub commit_checksum: ::prost::alloc::string::String,
    #[prost(bytes = "bytes", tag = "4")]
    pub commit_object: ::prost::bytes::Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    pub tag_object: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResolveSourceHttpResponse {
    #[prost(string, tag = "1")]
    pub checksum: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub filename: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "3")]
    pub last_modified: ::core::option::Option<
        super::super::super::super::google::protobuf::Timestamp,
    >,
    #[prost(message, optional, tag = "4")]
    pub checksum_response: ::core::option::Option<ChecksumResponse>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResolveSourceHttpRequest {
    #[prost(message, optional, tag = "1")]
    pub checksum_request: ::core::option::Option<ChecksumRequest>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ChecksumRequest {
    #[prost(enumeration = "checksum_request::ChecksumAlgo", tag = "1")]
    pub algo: i32,
    #[prost(bytes = "bytes", tag = "2")]
    pub suffix: ::prost::bytes::Bytes,
}
/// Nested message and enum types in `ChecksumRequest`.
pub mod checksum_request {
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Hash,
        PartialOrd,
        Ord,
        ::prost::Enumeration
    )]
    #[repr(i32)]
    pub enum ChecksumAlgo {
        Sha256 = 0,
        Sha384 = 1,
        Sha512 = 2,
    }
    impl ChecksumAlgo {
        /// String value of the enum field names used in the ProtoBuf definition.
        ///
        /// The values are not transformed in any way and thus are considered stable
        /// (if the ProtoBuf definition does not change) and safe for programmatic use.
        pub fn as_str_name(&self) -> &'static str {
            match self {
                Self::Sha256 => "CHECKSUM_ALGO_SHA256",
                Self::Sha384 => "CHECKSUM_ALGO_SHA384",
                Self::Sha512 => "CHECKSUM_ALGO_SHA512",
            }
        }
        /// Creates an enum from field names used in the ProtoBuf definition.
        pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
            match value {
                "CHECKSUM_ALGO_SHA256" => Some(Self::Sha256),
                "CHECKSUM_ALGO_SHA384" => Some(Self::Sha384),
                "CHECKSUM_ALGO_SHA512" => Some(Self::Sha512),
                _ => None,
            }
        }
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ChecksumResponse {
    #[prost(string, tag = "1")]
    pub digest: ::prost::alloc::string::String,
    #[prost(bytes = "bytes", tag = "2")]
    pub suffix: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SolveRequest {
    #[prost(message, optional, tag = "1")]
    pub definition: ::core::option::Option<::llb::pb::Definition>,
    #[prost(string, tag = "2")]
    pub frontend: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub frontend_opt: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(bool, tag = "5")]
    pub allow_result_return: bool,
    #[prost(bool, tag = "6")]
    pub allow_result_array_ref: bool,
    #[prost(bool, tag = "10")]
    pub r#final: bool,
    #[prost(bytes = "bytes", tag = "11")]
    pub exporter_attr: ::prost::bytes::Bytes,
    #[prost(message, repeated, tag = "12")]
    pub cache_imports: ::prost::alloc::vec::Vec<CacheOptionsEntry>,
    #[prost(btree_map = "string, message", tag = "13")]
    pub frontend_inputs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::llb::pb::Definition,
    >,
    #[prost(bool, tag = "14")]
    pub evaluate: bool,
    #[prost(message, repeated, tag = "15")]
    pub source_policies: ::prost::alloc::vec::Vec<super::sourcepolicy::Policy>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CacheOptionsEntry {
    #[prost(string, tag = "1")]
    pub r#type: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub attrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SolveResponse {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "3")]
    pub result: ::core::option::Option<Result>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReadFileRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub file_path: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "3")]
    pub range: ::core::option::Option<FileRange>,
    #[prost(int32, tag = "4")]
    pub mount_index: i32,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FileRange {
    #[prost(int64, tag = "1")]
    pub offset: i64,
    #[prost(int64, tag = "2")]
    pub length: i64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReadFileResponse {
    #[prost(bytes = "bytes", tag = "1")]
    pub data: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReadDirRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub dir_path: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub include_pattern: ::prost::alloc::string::String,
    #[prost(int32, tag = "4")]
    pub mount_index: i32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReadDirResponse {
    #[prost(message, repeated, tag = "1")]
    pub entries: ::prost::alloc::vec::Vec<
        super::super::super::super::fsutil::types::Stat,
    >,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StatFileRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub path: ::prost::alloc::string::String,
    #[prost(int32, tag = "3")]
    pub mount_index: i32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StatFileResponse {
    #[prost(message, optional, tag = "1")]
    pub stat: ::core::option::Option<super::super::super::super::fsutil::types::Stat>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct EvaluateRequest {
    #[prost(string, tag = "1")]
    pub r#ref: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct EvaluateResponse {}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PingRequest {}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PongResponse {
    #[prost(message, repeated, tag = "1")]
    pub frontend_api_caps: ::prost::alloc::vec::Vec<super::apicaps::ApiCap>,
    #[prost(message, repeated, tag = "2")]
    pub llb_caps: ::prost::alloc::vec::Vec<super::apicaps::ApiCap>,
    #[prost(message, repeated, tag = "3")]
    pub workers: ::prost::alloc::vec::Vec<super::types::WorkerRecord>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WarnRequest {
    #[prost(string, tag = "1")]
    pub digest: ::prost::alloc::string::String,
    #[prost(int64, tag = "2")]
    pub level: i64,
    #[prost(bytes = "bytes", tag = "3")]
    pub short: ::prost::bytes::Bytes,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub detail: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
    #[prost(string, tag = "5")]
    pub url: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "6")]
    pub info: ::core::option::Option<::llb::pb::SourceInfo>,
    #[prost(message, repeated, tag = "7")]
    pub ranges: ::prost::alloc::vec::Vec<::llb::pb::Range>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct WarnResponse {}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct NewContainerRequest {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "2")]
    pub mounts: ::prost::alloc::vec::Vec<::llb::pb::Mount>,
    #[prost(enumeration = "::llb::pb::NetMode", tag = "3")]
    pub network: i32,
    #[prost(message, optional, tag = "4")]
    pub platform: ::core::option::Option<::llb::pb::Platform>,
    #[prost(message, optional, tag = "5")]
    pub constraints: ::core::option::Option<::llb::pb::WorkerConstraints>,
    #[prost(message, repeated, tag = "6")]
    pub extra_hosts: ::prost::alloc::vec::Vec<::llb::pb::HostIp>,
    #[prost(string, tag = "7")]
    pub hostname: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct NewContainerResponse {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReleaseContainerRequest {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReleaseContainerResponse {}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExecMessage {
    #[prost(string, tag = "1")]
    pub process_id: ::prost::alloc::string::String,
    #[prost(oneof = "exec_message::Input", tags = "2, 3, 4, 5, 6, 7, 8")]
    pub input: ::core::option::Option<exec_message::Input>,
}
/// Nested message and enum types in `ExecMessage`.
pub mod exec_message {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Input {
        #[prost(message, tag = "2")]
        Init(super::InitMessage),
        #[prost(message, tag = "3")]
        File(super::FdMessage),
        #[prost(message, tag = "4")]
        Resize(super::ResizeMessage),
        #[prost(message, tag = "5")]
        Started(super::StartedMessage),
        #[prost(message, tag = "6")]
        Exit(super::ExitMessage),
        #[prost(message, tag = "7")]
        Done(super::DoneMessage),
        #[prost(message, tag = "8")]
        Signal(super::SignalMessage),
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InitMessage {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub meta: ::core::option::Option<::llb::pb::Meta>,
    #[prost(uint32, repeated, tag = "3")]
    pub fds: ::prost::alloc::vec::Vec<u32>,
    #[prost(bool, tag = "4")]
    pub tty: bool,
    #[prost(enumeration = "::llb::pb::SecurityMode", tag = "5")]
    pub security: i32,
    #[prost(message, repeated, tag = "6")]
    pub secretenv: ::prost::alloc::vec::Vec<::llb::pb::SecretEnv>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExitMessage {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(message, optional, tag = "2")]
    pub error: ::core::option::Option<super::super::super::super::google::rpc::Status>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StartedMessage {}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DoneMessage {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FdMessage {
    #[prost(uint32, tag = "1")]
    pub fd: u32,
    #[prost(bool, tag = "2")]
    pub eof: bool,
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResizeMessage {
    #[prost(uint32, tag = "1")]
    pub rows: u32,
    #[prost(uint32, tag = "2")]
    pub cols: u32,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SignalMessage {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Blob {
    #[prost(message, optional, tag = "1")]
    pub descriptor: ::core::option::Option<Descriptor>,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Descriptor {
    #[prost(string, tag = "1")]
    pub media_type: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub digest: ::prost::alloc::string::String,
    #[prost(int64, tag = "3")]
    pub size: i64,
    #[prost(btree_map = "string, string", tag = "5")]
    pub annotations: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum AttestationKind {
    InToto = 0,
    Bundle = 1,
}
impl AttestationKind {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::InToto => "InToto",
            Self::Bundle => "Bundle",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "InToto" => Some(Self::InToto),
            "Bundle" => Some(Self::Bundle),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum InTotoSubjectKind {
    Self_ = 0,
    Raw = 1,
}
impl InTotoSubjectKind {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Self_ => "Self",
            Self::Raw => "Raw",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "Self" => Some(Self::Self_),
            "Raw" => Some(Self::Raw),
            _ => None,
        }
    }
}
}
pub mod sourcepolicy {
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Rule {
    #[prost(enumeration = "PolicyAction", tag = "1")]
    pub action: i32,
    #[prost(message, optional, tag = "2")]
    pub selector: ::core::option::Option<Selector>,
    #[prost(message, optional, tag = "3")]
    pub updates: ::core::option::Option<Update>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Update {
    #[prost(string, tag = "1")]
    pub identifier: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub attrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Selector {
    #[prost(string, tag = "1")]
    pub identifier: ::prost::alloc::string::String,
    #[prost(enumeration = "MatchType", tag = "2")]
    pub match_type: i32,
    #[prost(message, repeated, tag = "3")]
    pub constraints: ::prost::alloc::vec::Vec<AttrConstraint>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct AttrConstraint {
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub value: ::prost::alloc::string::String,
    #[prost(enumeration = "AttrMatch", tag = "3")]
    pub condition: i32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Policy {
    #[prost(int64, tag = "1")]
    pub version: i64,
    #[prost(message, repeated, tag = "2")]
    pub rules: ::prost::alloc::vec::Vec<Rule>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum PolicyAction {
    Allow = 0,
    Deny = 1,
    Convert = 2,
}
impl PolicyAction {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Convert => "CONVERT",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "ALLOW" => Some(Self::Allow),
            "DENY" => Some(Self::Deny),
            "CONVERT" => Some(Self::Convert),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum AttrMatch {
    Equal = 0,
    Notequal = 1,
    Matches = 2,
}
impl AttrMatch {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Equal => "EQUAL",
            Self::Notequal => "NOTEQUAL",
            Self::Matches => "MATCHES",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "EQUAL" => Some(Self::Equal),
            "NOTEQUAL" => Some(Self::Notequal),
            "MATCHES" => Some(Self::Matches),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum MatchType {
    Wildcard = 0,
    Exact = 1,
    Regex = 2,
}
impl MatchType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Wildcard => "WILDCARD",
            Self::Exact => "EXACT",
            Self::Regex => "REGEX",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "WILDCARD" => Some(Self::Wildcard),
            "EXACT" => Some(Self::Exact),
            "REGEX" => Some(Self::Regex),
            _ => None,
        }
    }
}
}
pub mod types {
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct WorkerRecord {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(message, repeated, tag = "3")]
    pub platforms: ::prost::alloc::vec::Vec<::llb::pb::Platform>,
    #[prost(message, repeated, tag = "4")]
    pub gc_policy: ::prost::alloc::vec::Vec<GcPolicy>,
    #[prost(message, optional, tag = "5")]
    pub buildkit_version: ::core::option::Option<BuildkitVersion>,
    #[prost(message, repeated, tag = "6")]
    pub cdi_devices: ::prost::alloc::vec::Vec<CdiDevice>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GcPolicy {
    #[prost(bool, tag = "1")]
    pub all: bool,
    #[prost(int64, tag = "2")]
    pub keep_duration: i64,
    #[prost(string, repeated, tag = "4")]
    pub filters: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(int64, tag = "3")]
    pub reserved_space: i64,
    #[prost(int64, tag = "5")]
    pub max_used_space: i64,
    #[prost(int64, tag = "6")]
    pub min_free_space: i64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BuildkitVersion {
    #[prost(string, tag = "1")]
    pub package: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub version: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub revision: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub dockerfile_version: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CdiDevice {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(bool, tag = "2")]
    pub auto_allow: bool,
    #[prost(btree_map = "string, string", tag = "3")]
    pub annotations: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(bool, tag = "4")]
    pub on_demand: bool,
}
}
}
}
pub mod exporter {
pub mod v1 {
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FindExportersRequest {
    #[prost(btree_map = "string, bytes", tag = "1")]
    pub metadata: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::bytes::Bytes,
    >,
    #[prost(string, repeated, tag = "2")]
    pub refs: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FindExportersResponse {
    #[prost(message, repeated, tag = "1")]
    pub exporters: ::prost::alloc::vec::Vec<ExporterRequest>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExporterRequest {
    #[prost(string, tag = "1")]
    pub r#type: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub attrs: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FinalizeExportRequest {
    #[prost(btree_map = "string, string", tag = "1")]
    pub exporter_response: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FinalizeExportResponse {}
}
}
pub mod filesync {
pub mod v1 {
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CredentialsRequest {
    #[prost(string, tag = "1")]
    pub host: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CredentialsResponse {
    #[prost(string, tag = "1")]
    pub username: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub secret: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FetchTokenRequest {
    #[prost(string, tag = "1")]
    pub client_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub host: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub realm: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub service: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "5")]
    pub scopes: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FetchTokenResponse {
    #[prost(string, tag = "1")]
    pub token: ::prost::alloc::string::String,
    #[prost(int64, tag = "2")]
    pub expires_in: i64,
    #[prost(int64, tag = "3")]
    pub issued_at: i64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetTokenAuthorityRequest {
    #[prost(string, tag = "1")]
    pub host: ::prost::alloc::string::String,
    #[prost(bytes = "bytes", tag = "2")]
    pub salt: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetTokenAuthorityResponse {
    #[prost(bytes = "bytes", tag = "1")]
    pub public_key: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct VerifyTokenAuthorityRequest {
    #[prost(string, tag = "1")]
    pub host: ::prost::alloc::string::String,
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: ::prost::bytes::Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub salt: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct VerifyTokenAuthorityResponse {
    #[prost(bytes = "bytes", tag = "1")]
    pub signed: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BytesMessage {
    #[prost(bytes = "bytes", tag = "1")]
    pub data: ::prost::bytes::Bytes,
}
}
}
pub mod sshforward {
pub mod v1 {
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CheckAgentRequest {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CheckAgentResponse {}
}
}
}
