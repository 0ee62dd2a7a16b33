//! Services and their endpoints as the map of this node: who stands behind which address and port.
//!
//! The map is a function of services and slices ([`plan()`]), a change is a difference of two maps. What carries it out is
//! a [`Datapath`]; this room knows no kernel. The first change of a process names every frontend there is, so that nothing
//! has to be remembered over a restart.
#![forbid(unsafe_code)]

mod left;
mod map;
mod plan;
mod run;
mod world;

pub use map::{Balanced, Change, Frontend, Map, Unanswered, diff};
pub use plan::plan;
pub use run::{Datapath, Proxy};
