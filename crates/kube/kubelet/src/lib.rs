//! What a pod on this node should do next, and the statuses that tell it.
//!
//! The whole of a pod is a [`worker`]: a pure function of what is asked for, what is seen and what time it is. What has to
//! be done goes through the four traits of [`traits`], whose implementations know containers, files and sockets; this room
//! knows none of them, and no executor.
#![forbid(unsafe_code)]

pub mod admit;
pub mod container;
pub mod env;
pub mod facts;
mod limits;
pub mod node;
pub mod payload;
pub mod pod;
mod record;
mod resources;
mod run;
pub mod source;
mod sources;
pub mod status;
pub mod traits;
pub mod volume;
pub mod wheel;
pub mod worker;

pub use container::{ContainerId, ContainerIx, Uid};
pub use facts::NodeFacts;
pub use pod::Pod;
pub use run::{Config, Health, Kubelet, Parts};
