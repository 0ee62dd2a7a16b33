//! One lean reading of each kind that schedulers, controllers, proxies and kubelets look at all day.
#![forbid(unsafe_code)]

pub mod coverage;
mod protocol;
mod service;
mod slice;

pub use protocol::Protocol;
pub use service::{Family, ServiceKind, ServicePort, ServiceView, TargetPort, TrafficPolicy};
pub use slice::{EndpointView, SERVICE_NAME, SlicePort, SliceView};
