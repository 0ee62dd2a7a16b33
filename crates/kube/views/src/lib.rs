//! One lean reading of each kind that schedulers, controllers, proxies and kubelets look at all day.
#![forbid(unsafe_code)]

mod protocol;
mod service;
mod slice;

pub use protocol::Protocol;
pub use service::{Family, ServiceKind, ServicePort, ServiceView, TargetPort, TrafficDistribution, TrafficPolicy};
pub use slice::{EndpointView, SERVICE_NAME, SlicePort, SliceView};
