//! One lean reading of each kind that schedulers, controllers, proxies and kubelets look at all day.
//!
//! An object has one view ([`schema::object::View`]), read once per revision and shared by all who follow it. A view
//! holds what decisions need and what follows from the object alone; who needs more decodes for itself. Nothing here
//! knows the time, or who asks.
#![forbid(unsafe_code)]

pub mod coverage;
mod joined;
pub mod node;
pub mod placement;
pub mod pod;
mod protocol;
pub mod ready;
pub mod resources;
pub mod selector;
mod service;
mod slice;
pub mod taint;
mod text;

pub use joined::{Joined, ServiceKey};
pub use node::NodeView;
pub use pod::PodView;
pub use protocol::Protocol;
pub use resources::Requests;
pub use service::{
    Family, ServiceKind, ServicePort, ServiceView, TargetPort, TrafficDistribution, TrafficPolicy,
};
pub use slice::{EndpointView, SERVICE_NAME, SlicePort, SliceView};
